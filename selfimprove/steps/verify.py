"""Verify: read a completion's answer and compare it with the reference."""

from __future__ import annotations

from selfimprove.protocols import Task
from selfimprove.records import Attempt, Completion, Problem, Rationale, Verdict


def verify(
    task: Task, problem: Problem, completion: Completion, text: str | None = None, questions: tuple[str, ...] = ()
) -> Attempt:
    """Give the attempt that a completion is.

    Args:
        task: reads and compares.
        problem: what was asked.
        completion: what came.
        text: the part of it that is the solution; default: all.
        questions: clarifying questions found in it.
    """
    if completion.finish_reason == "error":
        return Attempt(problem=problem.id, completion=completion, verdict=Verdict.ERROR, strict=Verdict.ERROR)
    parsed = task.parse(completion.text if text is None else text)
    none = Verdict.TRUNCATED if completion.finish_reason == "length" else Verdict.UNPARSEABLE
    # A completion that was cut off may end in any number, so only a stated answer counts.
    lenient = parsed.strict if none is Verdict.TRUNCATED else parsed.answer
    return Attempt(
        problem=problem.id,
        completion=completion,
        answer=lenient,
        verdict=none if lenient is None else task.compare(lenient, problem),
        strict=none if parsed.strict is None else task.compare(parsed.strict, problem),
        questions=questions,
        solution=text if text is not None and text != completion.text else "",
    )


def verify_rationale(task: Task, problem: Problem, rationale: Rationale) -> Rationale:
    """Compare the answer that a rationale's text states with the reference: the text is what is trained on.

    An answer that came beside a text which states none is put behind it, unless the text ends in another.
    """
    if rationale.verdict in {Verdict.TRUNCATED, Verdict.ERROR} or not problem.answer:
        return rationale
    parsed, text = task.parse(rationale.text), rationale.text
    answer = parsed.strict
    if answer is None and rationale.answer is not None:
        ends_in = parsed.answer
        if ends_in is None or task.compare(ends_in, problem) is Verdict.CORRECT:
            answer, text = rationale.answer, task.conclude(text, rationale.answer)
        else:
            answer = ends_in
    verdict = Verdict.UNPARSEABLE if answer is None else task.compare(answer, problem)
    return rationale.model_copy(update={"answer": answer, "verdict": verdict, "text": text})

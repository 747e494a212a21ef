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
    """Compare a rationale's own answer with the reference."""
    if rationale.verdict in {Verdict.TRUNCATED, Verdict.ERROR} or not problem.answer:
        return rationale
    answer = rationale.answer if rationale.answer is not None else task.parse(rationale.text).strict
    verdict = Verdict.UNPARSEABLE if answer is None else task.compare(answer, problem)
    return rationale.model_copy(update={"answer": answer, "verdict": verdict})

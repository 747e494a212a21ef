"""Re-run: give attempts without a verdict a second chance, before anything is concluded from them.

Cut off at the limit: drawn again with a longer one. Failed in the engine: drawn again. Unreadable by the task: read as
the kind of answer that the reference is. Too slow to compare: compared once more. What still has no verdict stays so,
and is never counted as wrong.
"""

from __future__ import annotations

from selfimprove.answers import kinds
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Problem, Verdict
from selfimprove.steps.verify import verify


def redrawn(attempt: Attempt) -> bool:
    """Say whether the second chance of an attempt is another draw."""
    return attempt.verdict in {Verdict.ERROR, Verdict.TRUNCATED}


def compared_again(problem: Problem, attempt: Attempt, task: Task) -> Attempt:
    """Compare an attempt once more that was too slow to compare, by either reading; any other as it is.

    A busy machine is slow, so one comparison out of time would let its load count against a student.
    """
    if Verdict.TIMEOUT not in {attempt.verdict, attempt.strict}:
        return attempt
    return verify(task, problem, attempt.completion, attempt.text, attempt.questions)


def reread(problem: Problem, attempt: Attempt, task: Task) -> Attempt:
    """Compare an attempt once more, or read it another way; another object where that was tried.

    An unreadable completion is read as the kind of answer that the reference is. Only a correct or a wrong answer
    counts; a text has no such reading, as its last line would always be one.
    """
    if attempt.verdict is not Verdict.UNPARSEABLE:
        return compared_again(problem, attempt, task)
    name = kinds.guess([problem.answer], choices=bool(problem.choices))
    kind = kinds.kind(name)
    answer = kind.read(attempt.completion.text).answer if name != "text" else None
    verdict = kind.compare(answer, problem) if answer is not None else Verdict.UNPARSEABLE
    return attempt.model_copy(update={"answer": answer, "verdict": verdict} if verdict.decided else {})

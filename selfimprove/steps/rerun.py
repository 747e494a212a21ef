"""Re-run: give attempts without a verdict another chance, before anything is concluded from them.

Cut off at the limit: drawn again with a longer one. Unreadable by the task: read as the kind of answer that the
reference is. Too slow to compare: compared once more. Failed in the engine: drawn again. What still has no verdict
stays so, and is never counted as wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from selfimprove.answers import kinds
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Problem, Verdict


class Rerun(NamedTuple):
    """Attempts after their second chance.

    Attributes:
        attempts: in the order given.
        repeated: which of them were tried again.
    """

    attempts: list[Attempt]
    repeated: list[bool]


def rerun(
    pairs: Sequence[tuple[Problem, int]],
    attempts: Sequence[Attempt],
    draw: Callable[[Sequence[tuple[Problem, int]], bool], list[Attempt]],
    task: Task,
) -> Rerun:
    """Try the attempts without a verdict again, in as few batches as can be.

    Args:
        pairs: each attempt's problem and sample index, shape `[N]`.
        attempts: in the same order.
        draw: draws attempts; True: with the longer limit.
        task: compares.
    """
    done, repeated = list(attempts), [False] * len(attempts)
    for verdict, longer in ((Verdict.ERROR, False), (Verdict.TRUNCATED, True)):
        places = [at for at, a in enumerate(done) if a.verdict is verdict]
        again = draw([pairs[at] for at in places], longer) if places else []
        for at, attempt in zip(places, again, strict=True):
            done[at], repeated[at] = attempt, True
    for at, attempt in enumerate(done):
        if attempt.verdict is Verdict.TIMEOUT and attempt.answer is not None:
            verdict = task.compare(attempt.answer, pairs[at][0])
            done[at], repeated[at] = attempt.model_copy(update={"verdict": verdict}), True
        elif attempt.verdict is Verdict.UNPARSEABLE:
            done[at], repeated[at] = reread(pairs[at][0], attempt), True
    return Rerun(done, repeated)


def reread(problem: Problem, attempt: Attempt) -> Attempt:
    """Read an unreadable completion as the kind of answer that the reference is.

    Only a correct or a wrong answer counts; a text has no such reading, as its last line would always be one.
    """
    name = kinds.guess([problem.answer], choices=bool(problem.choices))
    if name == "text":
        return attempt
    kind = kinds.kind(name)
    answer = kind.read(attempt.completion.text).answer
    verdict = kind.compare(answer, problem) if answer is not None else Verdict.UNPARSEABLE
    return attempt.model_copy(update={"answer": answer, "verdict": verdict}) if verdict.decided else attempt

"""Grade: how hard each tried problem is for this student, from its own attempts."""

from __future__ import annotations

import math
from collections.abc import Sequence

from selfimprove.records import Attempt, Grade, Verdict

_HARDEST = 5


def grade(problem: str, attempts: Sequence[Attempt]) -> Grade | None:
    """Grade one problem from its attempts, the greedy one first.

    0 when the greedy attempt is correct; else 1 to 5 by the pass rate's posterior mean under a uniform prior.
    None when no attempt was decided: no verdict is not wrong.
    """
    decided = [a for a in attempts if a.verdict.decided]
    if not decided:
        return None
    passed = sum(a.verdict is Verdict.CORRECT for a in decided)
    mean = (passed + 1) / (len(decided) + 2)
    easy = attempts[0].verdict is Verdict.CORRECT
    level = 0 if easy else min(_HARDEST, 1 + math.floor((1 - mean) * _HARDEST))
    return Grade(
        problem=problem,
        difficulty=level,
        pass_rate=round(passed / len(decided), 6),
        samples=len(decided),
        by="pass_rate",
    )

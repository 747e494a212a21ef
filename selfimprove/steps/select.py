"""Select: which of the tried problems become lessons."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from selfimprove.records import Attempt, Verdict


def select(attempts: Sequence[Sequence[Attempt]], *, solved: float, seed: int) -> list[str]:
    """Choose failures first, then a share of what was solved; give problem ids.

    A problem whose greedy attempt has no verdict is neither: it was not shown to be hard, and its completion is never
    trained on. It is chosen only to be taught, after the failures.

    Args:
        attempts: shape `[P][1 + samples]`, the greedy one first.
        solved: solved problems kept, as a share of all that are taught.
        seed: decides which solved ones.
    """
    greedy = [some[0] for some in attempts]
    failed = [a.problem for a in greedy if a.verdict is Verdict.WRONG]
    undecided = [a.problem for a in greedy if not a.verdict.decided]
    passed = [a.problem for a in greedy if a.verdict is Verdict.CORRECT]
    taught = failed + undecided
    kept = min(len(passed), round(solved * len(taught)) if taught else len(passed))
    return taught + sorted(Random(f"solved {seed}").sample(passed, kept))

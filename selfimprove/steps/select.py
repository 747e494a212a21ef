"""Select: which of the tried problems become lessons."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from selfimprove.records import Attempt, Verdict


def select(attempts: Sequence[Sequence[Attempt]], *, solved: float, seed: int, most: int | None = None) -> list[str]:
    """Choose failures first, then a share of what was solved; give problem ids.

    A problem whose greedy attempt has no verdict is neither: it was not shown to be hard, and its completion is never
    trained on. It is chosen only to be taught, after the failures.

    Args:
        attempts: shape `[P][1 + samples]`, the greedy one first.
        solved: solved problems kept, as a share of all that are taught.
        seed: decides which ones.
        most: problems chosen in all, failures and solved in proportion.
    """
    greedy = [some[0] for some in attempts]
    failed = [a.problem for a in greedy if a.verdict is Verdict.WRONG]
    undecided = [a.problem for a in greedy if not a.verdict.decided]
    passed = [a.problem for a in greedy if a.verdict is Verdict.CORRECT]
    rng = Random(f"select {seed}")
    size = len(greedy) if most is None else most
    kept = min(len(passed), round(size * solved / (1 + solved)))
    taught = _some(failed, size - kept, rng)
    taught = [*taught, *_some(undecided, size - kept - len(taught), rng)]
    if most is None and taught:
        kept = min(kept, round(solved * len(taught)))
    return taught + _some(passed, kept, rng)


def _some(ids: list[str], most: int, rng: Random) -> list[str]:
    return ids if len(ids) <= most else sorted(rng.sample(ids, max(0, most)))

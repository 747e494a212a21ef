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
    room = len(greedy) if most is None else round(most / (1 + solved))
    taught = [*_some(failed, room, rng), *_some(undecided, room - len(failed), rng)]
    kept = round(solved * len(taught)) if taught else len(passed)
    return taught + _some(passed, kept if most is None else min(kept, most - len(taught)), rng)


def _some(ids: list[str], most: int, rng: Random) -> list[str]:
    return ids if len(ids) <= most else sorted(rng.sample(ids, max(0, most)))

"""Mine: try fresh training problems and find what this student gets wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from selfimprove.records import Attempt, Problem

Try = Callable[[Sequence[Problem]], list[list[Attempt]]]
"""Lets the student try problems: one greedy attempt each and, behind it, sampled ones."""


def fresh(problems: Sequence[Problem], tried: frozenset[str], count: int, seed: int) -> list[Problem]:
    """Draw problems not tried before, in an order fixed by the seed; when they run out, tried ones again."""
    order = Random(f"pool {seed}").sample(list(problems), len(problems))
    new = [p for p in order if p.id not in tried]
    old = [p for p in order if p.id in tried]
    return [*new, *old][:count]


def pass_rate(attempts: Sequence[Sequence[Attempt]]) -> float:
    """Give the share of correct ones among all decided attempts, 0 when none is decided."""
    decided = [a for some in attempts for a in some if a.verdict.decided]
    return sum(a.verdict == "correct" for a in decided) / len(decided) if decided else 0.0


def climb(
    problems: Sequence[Problem],
    rung_of: Callable[[Problem], str],
    rungs: Sequence[str],
    mastered: frozenset[str],
    *,
    width: int,
    threshold: float,
    count: int,
    tried: frozenset[str],
    seed: int,
    attempt: Try,
) -> tuple[list[Problem], list[list[Attempt]], frozenset[str]]:
    """Try every rung up to the frontier: the lowest rungs that this student has not mastered.

    Easy-to-hard self-training of this kind: arXiv:2502.01612. A rung whose pass rate reaches the threshold is mastered;
    mastered rungs are tried again every round, as a student that only sees the frontier forgets what is below it
    (level 2 fell from 72 to 35 % after a round of levels 4 to 6).

    Args:
        problems: to draw from.
        rung_of: gives a problem's rung.
        rungs: all of them, the lowest first.
        mastered: in earlier rounds.
        width: unmastered rungs that are worked on at once.
        threshold: pass rate from which a rung is mastered, in (0, 1].
        count: problems to try on each rung.
        tried: ids of problems tried before; fresh ones come first.
        seed: decides which.
        attempt: lets the student try.

    Returns:
        Problems tried, their attempts (shape `[P][1 + samples]`), and the mastered rungs.
    """
    pool: list[Problem] = []
    made: list[list[Attempt]] = []
    still_open = 0
    for rung in rungs:
        if still_open == width:
            break
        here = fresh([p for p in problems if rung_of(p) == rung], tried, count, seed)
        attempts = attempt(here)
        pool += here
        made += attempts
        if rung in mastered or pass_rate(attempts) >= threshold:
            mastered |= {rung}
        else:
            still_open += 1
    return pool, made, mastered

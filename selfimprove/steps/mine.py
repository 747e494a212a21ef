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
    """Find the frontier: the lowest rungs that this student has not mastered, by trying them.

    Easy-to-hard self-training of this kind: arXiv:2502.01612. A rung whose pass rate reaches the threshold is
    mastered and left behind; what was tried on it is kept. The top rung is never left.

    Returns:
        Problems tried, their attempts (shape `[P][1 + samples]`), and the mastered rungs.
    """
    pool: list[Problem] = []
    made: list[list[Attempt]] = []
    found: list[str] = []
    for rung in rungs:
        if rung in mastered and rung != rungs[-1]:
            continue
        if len(found) == width:
            break
        here = fresh([p for p in problems if rung_of(p) == rung], tried, max(1, count // width), seed)
        attempts = attempt(here)
        pool += here
        made += attempts
        if pass_rate(attempts) >= threshold and rung != rungs[-1]:
            mastered |= {rung}
        else:
            found.append(rung)
    return pool, made, mastered

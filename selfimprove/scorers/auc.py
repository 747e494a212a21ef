"""How well scores rank right steps above wrong ones: the AUC, its interval, and the gap between two scorers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from random import Random
from typing import Final

from selfimprove.errors import InputError
from selfimprove.records import Interval

_LEVEL: Final = 0.95
_RESAMPLES: Final = 1000
_BOTH: Final = 2

Step = tuple[float, bool, int]
"""Score of a step, whether it is right, and the index of its solution."""


def auc(scores: Sequence[float], right: Sequence[bool]) -> float:
    """Give the chance that a right step scores above a wrong one, a tie counting half.

    Raises:
        InputError: all steps are right or all are wrong, or the lengths differ.

    >>> auc([0.9, 0.8, 0.3, 0.3], [True, False, True, False])
    0.625
    """
    if len(scores) != len(right):
        raise InputError(f"the AUC needs a label a score, not {len(right)} labels for {len(scores)} scores")
    return _weighted(sorted((score, label, 0) for score, label in zip(scores, right, strict=True)), [1])


def auc_interval(
    scores_S_T: Sequence[Sequence[float]],  # noqa: N803 - ragged axes: solutions, steps
    right_S_T: Sequence[Sequence[bool]],  # noqa: N803
    *,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Give the 95 % bootstrap interval of the AUC over steps, whole solutions drawn.

    Steps of one solution hang together, so drawing steps would make the interval too narrow. Draws that hold steps
    of one kind only are left out.

    Raises:
        InputError: all steps are right or all are wrong.
    """
    steps = _ordered(scores_S_T, right_S_T)
    drawn = _draws(len(scores_S_T), resamples, seed)
    return _middle([found for weights in drawn if (found := _of_draw(steps, weights)) is not None])


def auc_gap(
    one_S_T: Sequence[Sequence[float]],  # noqa: N803 - ragged axes: solutions, steps
    other_S_T: Sequence[Sequence[float]],  # noqa: N803
    right_S_T: Sequence[Sequence[bool]],  # noqa: N803
    *,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Give the 95 % bootstrap interval of one scorer's AUC less another's on the same steps.

    Each draw of solutions is given to both, so what is hard for both does not widen the interval.

    Raises:
        InputError: all steps are right or all are wrong.
    """
    a, b = _ordered(one_S_T, right_S_T), _ordered(other_S_T, right_S_T)
    found = []
    for weights in _draws(len(right_S_T), resamples, seed):
        one, other = _of_draw(a, weights), _of_draw(b, weights)
        if one is not None and other is not None:
            found.append(one - other)
    return _middle(found)


def _ordered(scores_S_T: Sequence[Sequence[float]], right_S_T: Sequence[Sequence[bool]]) -> list[Step]:  # noqa: N803
    return sorted(
        (score, label, index)
        for index, (scores, labels) in enumerate(zip(scores_S_T, right_S_T, strict=True))
        for score, label in zip(scores, labels, strict=True)
    )


def _draws(count: int, resamples: int, seed: int) -> Iterator[list[int]]:
    """Draw as many solutions as there are, with replacement, and say how often each came."""
    rng = Random(seed)
    for _ in range(resamples):
        weights = [0] * count
        for _ in range(count):
            weights[rng.randrange(count)] += 1
        yield weights


def _of_draw(steps: Sequence[Step], weights: Sequence[int]) -> float | None:
    """Give the AUC of a draw; None where its steps are all right or all wrong."""
    seen = {label for _, label, index in steps if weights[index]}
    return _weighted(steps, weights) if len(seen) == _BOTH else None


def _weighted(ordered: Sequence[Step], weights: Sequence[int]) -> float:
    """Count pairs of a right and a wrong step; steps come in the order of their scores, each with its weight."""
    wins, below = 0.0, 0
    right = wrong = 0
    for _, some in groupby(ordered, key=lambda step: step[0]):
        good = bad = 0
        for _, label, index in some:
            if label:
                good += weights[index]
            else:
                bad += weights[index]
        wins += good * (below + bad / 2)
        below += bad
        right += good
        wrong += bad
    if not right or not wrong:
        raise InputError("the AUC needs right and wrong steps")
    return wins / (right * wrong)


def _middle(found: list[float]) -> Interval:
    if not found:
        raise InputError("the AUC needs right and wrong steps; give more solutions")
    found.sort()
    tail = (1 - _LEVEL) / 2
    return Interval(low=found[int(tail * len(found))], high=found[min(len(found) - 1, int((1 - tail) * len(found)))])

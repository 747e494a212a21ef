"""How well scores rank right steps above wrong ones: the AUC, its interval, and the gap between two scorers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby
from random import Random
from typing import Final

from selfimprove.errors import InputError
from selfimprove.records import Interval

_LEVEL: Final = 0.95
_RESAMPLES: Final = 1000

Step = tuple[float, bool, int]
"""Score of a step, whether it is right, and the index of its solution."""
Places = Sequence[Sequence[int]]
"""Where each step stands in its solution, from 0, shape `[solutions][steps]`."""


def auc(scores: Sequence[float], right: Sequence[bool]) -> float:
    """Give the chance that a right step scores above a wrong one, a tie counting half.

    Raises:
        InputError: all steps are right or all are wrong, or the lengths differ.

    >>> auc([0.9, 0.8, 0.3, 0.3], [True, False, True, False])
    0.625
    """
    if len(scores) != len(right):
        raise InputError(f"the AUC needs a label a score, not {len(right)} labels for {len(scores)} scores")
    found = _share(_ordered([scores], [right]), [1])
    if found is None:
        raise InputError("the AUC needs right and wrong steps")
    return found


def auc_in_place(
    scores_S_T: Sequence[Sequence[float]],  # noqa: N803 - ragged axes: solutions, steps
    right_S_T: Sequence[Sequence[bool]],  # noqa: N803
    places_S_T: Places,  # noqa: N803
) -> float | None:
    """Give the AUC among steps that stand at the same place; None where no place holds right and wrong steps.

    An error makes the steps behind it wrong, so whoever trusts a step the less the later it comes has an AUC above 0.5
    without reading a word, and 0.5 here.

    >>> auc_in_place([[0.9, 0.5], [0.9, 0.5]], [[True, True], [True, False]], [[0, 1], [0, 1]])
    0.5
    """
    return _share(_ordered(scores_S_T, right_S_T, places_S_T), [1] * len(scores_S_T))


def auc_interval(
    scores_S_T: Sequence[Sequence[float]],  # noqa: N803 - ragged axes: solutions, steps
    right_S_T: Sequence[Sequence[bool]],  # noqa: N803
    places_S_T: Places | None = None,  # noqa: N803
    *,
    resamples: int = _RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Give the 95 % bootstrap interval of the AUC over steps, or of that among steps at the same place.

    Steps of one solution hang together, so whole solutions are drawn: drawing steps would make the interval too narrow.
    Draws without a pair to compare are left out.

    Raises:
        InputError: there are no right and wrong steps to compare.
    """
    steps = _ordered(scores_S_T, right_S_T, places_S_T)
    drawn = _draws(len(scores_S_T), resamples, seed)
    return _middle([found for weights in drawn if (found := _share(steps, weights)) is not None])


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
        one, other = _share(a, weights), _share(b, weights)
        if one is not None and other is not None:
            found.append(one - other)
    return _middle(found)


def _ordered(
    scores_S_T: Sequence[Sequence[float]],  # noqa: N803 - ragged axes: solutions, steps
    right_S_T: Sequence[Sequence[bool]],  # noqa: N803
    places_S_T: Places | None = None,  # noqa: N803
) -> list[list[Step]]:
    """Give the steps of each place in the order of their scores, or all as of one place."""
    held: dict[int, list[Step]] = defaultdict(list)
    for index, (scores, labels) in enumerate(zip(scores_S_T, right_S_T, strict=True)):
        places = [0] * len(scores) if places_S_T is None else places_S_T[index]
        for score, label, place in zip(scores, labels, places, strict=True):
            held[place].append((score, label, index))
    return [sorted(held[place]) for place in sorted(held)]


def _draws(count: int, resamples: int, seed: int) -> Iterator[list[int]]:
    """Draw as many solutions as there are, with replacement, and say how often each came."""
    rng = Random(seed)
    for _ in range(resamples):
        weights = [0] * count
        for _ in range(count):
            weights[rng.randrange(count)] += 1
        yield weights


def _share(strata: Sequence[Sequence[Step]], weights: Sequence[int]) -> float | None:
    """Give the share of pairs of a right and a wrong step that are in order, pairs within strata; None: no pair."""
    counted = [_pairs(steps, weights) for steps in strata]
    pairs = sum(many for _, many in counted)
    return sum(wins for wins, _ in counted) / pairs if pairs else None


def _pairs(ordered: Sequence[Step], weights: Sequence[int]) -> tuple[float, int]:
    """Count pairs in order, a tie counting half, and all pairs; steps come sorted by score, each with its weight."""
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
    return wins, right * wrong


def _middle(found: list[float]) -> Interval:
    if not found:
        raise InputError("the AUC needs right and wrong steps; give more solutions")
    found.sort()
    tail = (1 - _LEVEL) / 2
    return Interval(low=found[int(tail * len(found))], high=found[min(len(found) - 1, int((1 - tail) * len(found)))])

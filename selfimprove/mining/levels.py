"""From step scores or pass rates to a level: 0 easy, 1 to 5 ever harder.

The levels of arXiv:2504.11919: 0 when the student's own attempt is right, else 1 to 5 by how its steps score.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from statistics import fmean
from typing import Final, Literal, NamedTuple

Aggregate = Literal["mean", "min", "product", "last"]
Bins = Literal["width", "quantiles"]
HARDEST: Final = 5


def aggregated(scores: Sequence[float], how: Aggregate) -> float | None:
    """Make one score of an attempt's step scores; None where it has no step.

    Args:
        scores: of the steps, each in [0, 1].
        how: the mean, the lowest, the product (all steps right, were they independent), or the last.

    >>> aggregated([0.5, 0.8], "product"), aggregated([0.5, 0.8], "min")
    (0.4, 0.5)
    """
    if not scores:
        return None
    if how == "mean":
        return fmean(scores)
    if how == "min":
        return min(scores)
    return math.prod(scores) if how == "product" else scores[-1]


class Cuts(NamedTuple):
    """Where the levels 5 to 1 part: scores, rising, four of them, each the highest of the harder level.

    >>> Cuts.of("width", []).level(0.0), Cuts.of("width", []).level(0.95)
    (5, 1)
    """

    at: tuple[float, ...]

    @classmethod
    def of(cls, bins: Bins, scores: Sequence[float]) -> Cuts:
        """Cut [0, 1] into five equal parts, or a pool's scores into fifths as equal as ties allow.

        Args:
            bins: `width` or `quantiles`.
            scores: of the pool's failed attempts; equal parts need none, and are taken where there are fewer than five.
        """
        equal = cls(tuple(part / HARDEST for part in range(1, HARDEST)))
        ordered = sorted(scores)
        if bins == "width" or len(ordered) < HARDEST:
            return equal
        return cls(tuple(ordered[round(part * len(ordered) / HARDEST) - 1] for part in range(1, HARDEST)))

    def level(self, score: float) -> int:
        """Give the level of a failed attempt, from 1 (its score is high) to 5."""
        return HARDEST - bisect_left(self.at, score)

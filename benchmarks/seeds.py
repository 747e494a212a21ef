"""What benches share: an interval over seeds, each of which is a training of its own."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev


def interval_over_seeds(gaps: Sequence[float]) -> list[float] | None:
    """Give Student's 95 % interval of a mean over seeds; None of fewer than two.

    >>> interval_over_seeds([1.0, 2.0, 3.0])
    [-0.48, 4.48]
    """
    from scipy.stats import t

    if len(gaps) < 2:
        return None
    half = float(t.ppf(0.975, len(gaps) - 1)) * stdev(gaps) / len(gaps) ** 0.5
    return [round(fmean(gaps) - half, 2), round(fmean(gaps) + half, 2)]

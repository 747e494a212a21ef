"""The statistics behind every claim: intervals, paired tests, sample sizes.

Exact where exact is cheap. Shares are in [0, 1], never in per cent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

from selfimprove.records import Comparison, Interval

_RESAMPLES = 100_000
"""As late rounds decide at levels of less than a thousandth."""
_DISCORDANT = 0.2
"""Share of problems that two students answer differently; an assumption."""
_LUCK = 0.5
"""Share of that which is the luck of one draw, and which several samples average out; an assumption."""
_TINY = 1e-9
"""A mean nearer to 0 than this is 0 but for rounding."""


def wilson(correct: int, n: int, confidence: float = 0.95) -> Interval:
    """Give Wilson's score interval for a share (Wilson 1927, doi:10.1080/01621459.1927.10502953).

    Args:
        correct: successes, in `[0, n]`.
        n: trials; 0 gives the whole range.
        confidence: coverage, in (0, 1).

    >>> wilson(50, 100)
    Interval(low=0.4038, high=0.5962)
    """
    if n == 0:
        return Interval(low=0.0, high=1.0)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, spread = correct / n, z * z / n
    centre = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return Interval(low=round(max(0.0, centre - half), 4), high=round(min(1.0, centre + half), 4))


def binomial_tail(at_least: int, n: int) -> float:
    """Give the chance of `at_least` or more heads in `n` fair tosses, exactly.

    >>> binomial_tail(1, 1)
    0.5
    """
    return float(sum(math.comb(n, k) for k in range(max(0, at_least), n + 1)) / 2**n)


def mcnemar_mid_p(gained: int, lost: int) -> float:
    """Test on paired binary outcomes, one-sided mid-p, that the new model is not better.

    Only discordant pairs count; mid-p takes half of the observed outcome's own chance, which keeps the
    level near its nominal value where the exact test is far below it (Fagerland, Lydersen and Laake
    2013, doi:10.1186/1471-2288-13-91).

    Args:
        gained: problems only the new model solves.
        lost: problems only the old model solves.

    >>> mcnemar_mid_p(0, 0)
    0.5
    >>> round(mcnemar_mid_p(10, 1), 4)
    0.0032
    """
    n = gained + lost
    return float(binomial_tail(gained, n) - math.comb(n, gained) / 2 ** (n + 1))


def paired_interval(gained: int, lost: int, n: int, confidence: float = 0.95) -> Interval:
    """Give an interval for a difference of paired shares.

    Adjusted Wald: half a pair is added to each cell before the normal interval is taken (Agresti and Min
    2005, doi:10.1002/sim.1781, there called the Wald+2 interval).

    >>> paired_interval(30, 3, 100)
    Interval(low=0.1651, high=0.3643)
    """
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    up, down, size = gained + 0.5, lost + 0.5, n + 2
    centre = (up - down) / size
    half = z * math.sqrt(up + down - (up - down) ** 2 / size) / size
    return Interval(low=round(max(-1.0, centre - half), 4), high=round(min(1.0, centre + half), 4))


def compare_paired(new: Sequence[bool], old: Sequence[bool]) -> Comparison:
    """Compare two models on the same problems, in the same order, shape `[P]` each.

    Raises:
        ValueError: the sequences differ in length or are empty.
    """
    if len(new) != len(old) or not new:
        raise ValueError(f"paired outcomes need equal, non-zero lengths, got {len(new)} and {len(old)}")
    gained = sum(a and not b for a, b in zip(new, old, strict=True))
    lost = sum(b and not a for a, b in zip(new, old, strict=True))
    n = len(new)
    return Comparison(
        n=n,
        gained=gained,
        lost=lost,
        difference=round((gained - lost) / n, 6),
        interval=paired_interval(gained, lost, n),
        p_better=mcnemar_mid_p(gained, lost),
        p_worse=mcnemar_mid_p(lost, gained),
        spread=round((gained + lost) / n, 6),
    )


def bootstrap_means(
    differences: Sequence[float], resamples: int = 10_000, seed: int = 0, groups: Sequence[str] = ()
) -> Any:
    """Give the means of paired differences over problems drawn again with replacement, shape `[resamples]`.

    Problems of equal difference are drawn together, by one multinomial over the values that occur: the same
    distribution as one index at a time, in a hundredth of the time where there are few values.

    Args:
        differences: new less old, a problem each, shape `[P]`. Several samples of a problem are one difference of their
            means, so that they are clustered by problem.
        resamples: means wanted.
        seed: of the draws.
        groups: which problems belong together, shape `[P]`: whole groups are drawn. Empty: each stands alone.

    >>> bool(abs(bootstrap_means([1.0, 0.0, 0.0, 0.0]).mean() - 0.25) < 0.01)
    True
    """
    import numpy as np

    sums, sizes = summed(differences, groups)
    (values, many), counts = _alike(np.stack([sums, sizes]))
    drawn = np.random.default_rng(seed).multinomial(len(sums), counts / len(sums), size=resamples)
    return drawn @ values / (drawn @ many)


def summed(differences: Sequence[float], groups: Sequence[str] = ()) -> tuple[Any, Any]:
    """Give the sum of each group's differences, and its size, shape `[G]` each; without groups a problem is one.

    >>> [list(map(float, each)) for each in summed([1.0, -1.0, 1.0], ["a", "b", "a"])]
    [[2.0, -1.0], [2.0, 1.0]]
    """
    import numpy as np

    values = np.asarray(differences, dtype=float)
    if not groups:
        return values, np.ones(len(values))
    _, at = np.unique(np.asarray(groups), return_inverse=True)
    return np.bincount(at, weights=values), np.bincount(at).astype(float)


def sign_flip_p(differences: Sequence[float], flips: int = _RESAMPLES, seed: int = 0) -> float:
    """Test paired differences, one-sided mid-p, that the new model is not better: their signs could be any.

    A randomisation test of Fisher's kind, exact but for the drawing where differences lie evenly about 0; for single
    answers it is mid-p McNemar. A bootstrap would call four gained and none lost of 400 a proof, which chance gives
    once in sixteen. Beyond what the drawings can tell, Hoeffding's bound holds (1963,
    doi:10.1080/01621459.1963.10500830, theorem 2).

    Args:
        differences: new less old, a problem each, shape `[P]`; several samples of a problem are one difference, and so
            are problems that belong together (see `summed`).
        flips: drawings.
        seed: of them.

    >>> round(sign_flip_p([1.0] * 4 + [0.0] * 396), 2), sign_flip_p([1.0] * 40) < 1e-8
    (0.03, True)
    """
    import numpy as np

    ((sizes,), counts) = _alike(np.abs(np.asarray(differences, dtype=float))[np.newaxis])
    heads = np.random.default_rng(seed).binomial(counts, 0.5, size=(flips, len(counts)))
    sums = (2 * heads - counts) @ sizes
    seen = sum(differences)
    above, even = (sums > seen + _TINY).sum(), (abs(sums - seen) <= _TINY).sum()
    squares = float(counts @ sizes**2)
    bound = math.exp(-(seen**2) / (2 * squares)) if seen > 0 else 1.0
    return min(float((1 + above + even / 2) / (1 + flips)), bound)


def _alike(columns: Any) -> tuple[Any, Any]:
    """Give the columns that occur, shape `[C][any]`, and how often each; thirds that differ in last bits are one.

    The values are not rounded themselves: a sum of thirds of nine digits would miss the ties with the sum seen.
    """
    import numpy as np

    _, first, counts = np.unique(columns.round(9), axis=1, return_index=True, return_counts=True)
    return columns[:, first], counts


def quantiles(means: Any, confidence: float = 0.95) -> tuple[float, float]:
    """Give the percentile interval of resampled means."""
    import numpy as np

    outside = (1 - confidence) / 2
    low, high = np.quantile(means, (outside, 1 - outside))
    return round(float(low), 4), round(float(high), 4)


def compare_means(new: Sequence[float], old: Sequence[float], groups: Sequence[str] = ()) -> Comparison:
    """Compare two models by scores on the same problems, in the same order, shape `[P]` each.

    The interval is a paired bootstrap's over problems (Efron and Tibshirani 1993, chapter 16), the p-values are
    `sign_flip_p`'s. Where problems belong together, whole groups are drawn and flipped: variants of one seed rise and
    fall with each other, and as many independent problems they would seem to prove what chance gives.

    Args:
        new: scores of the new model.
        old: of the old one.
        groups: which problems belong together, shape `[P]`; empty: each stands alone.

    Raises:
        ValueError: the sequences differ in length or are empty.

    >>> compare_means([1.0, 0.5, 1.0, 0.75], [0.5, 0.5, 0.5, 0.5]).difference
    0.3125
    """
    if len(new) != len(old) or not new:
        raise ValueError(f"paired scores need equal, non-zero lengths, got {len(new)} and {len(old)}")
    differences = [a - b for a, b in zip(new, old, strict=True)]
    low, high = quantiles(bootstrap_means(differences, groups=groups))
    sums, _ = summed(differences, groups)
    difference = round(sum(differences) / len(new), 6)
    if low == high:  # all are alike, so no resample differs
        none = paired_interval(0, 0, len(sums))
        low, high = round(max(-1.0, difference + none.low), 4), round(min(1.0, difference + none.high), 4)
    return Comparison(
        n=len(new),
        gained=sum(d > 0 for d in differences),
        lost=sum(d < 0 for d in differences),
        difference=difference,
        interval=Interval(low=low, high=high),
        p_better=sign_flip_p(list(sums)),
        p_worse=sign_flip_p(list(-sums)),
        test="paired sign flips",
        groups=len(sums) if len(sums) < len(new) else 0,
        spread=round(float(sums @ sums) / len(new), 6),
    )


def usual_spread(samples: int = 0) -> float:
    """Give how far two students are taken to differ before they are compared: the share `discordant` of problems.

    Args:
        samples: drawn a problem; 0: it is answered greedily.

    >>> usual_spread(), usual_spread(4)
    (0.2, 0.125)
    """
    return _DISCORDANT * (1 - _LUCK + _LUCK / max(1, samples))


def smallest_gain(n: int, discordant: float, alpha: float, power: float = 0.8) -> float:
    """Give the smallest true gain that `n` paired problems show with this power.

    Args:
        n: problems; groups of them where those rise and fall together.
        discordant: share of problems that the two models answer differently, in (0, 1].
        alpha: one-sided level of the test.
        power: chance to see the gain.

    >>> round(smallest_gain(400, 0.2, 0.05), 3)
    0.056
    """
    z = NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(power)
    return min(1.0, z * math.sqrt(discordant / n))


def problems_needed(gain: float, discordant: float, alpha: float, power: float = 0.8) -> int:
    """Give the number of paired problems that shows a true gain with this power.

    >>> problems_needed(0.05, 0.2, 0.05)
    495
    """
    z = NormalDist().inv_cdf(1 - alpha) + NormalDist().inv_cdf(power)
    return math.ceil(discordant * (z / gain) ** 2)

"""A prior of the pass rate from a free signal: the log-probability of the greedy attempt.

A student is often as sure as it is good: on arithmetic the mean token log-probability of one greedy attempt ranks
problems nearly as well as sixteen samples do. So the pass rate is first read off the signal (a rising curve fitted on
the pool), as if it were a few samples, and the samples are added to that. How many samples the signal is worth is
fitted too, so a signal that tells nothing counts for little (empirical Bayes: Efron 2010,
doi:10.1017/CBO9780511761362).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import lgamma
from statistics import fmean, median
from typing import Final, NamedTuple

from selfimprove.mining.kinds import Mined
from selfimprove.mining.posterior import Posterior
from selfimprove.records import Verdict

_BINS: Final = 20
_FEWEST: Final = 40
_WORTH: Final = (0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
_EDGE: Final = 0.02


class Curve(NamedTuple):
    """A fitted prior.

    Attributes:
        signals: of the curve's points, rising.
        rates: pass rates at these points, not falling.
        worth: how many samples the signal counts for.
    """

    signals: tuple[float, ...]
    rates: tuple[float, ...]
    worth: float

    def rate(self, signal: float) -> float:
        """Read the expected pass rate off the curve, straight between its points and flat outside."""
        at = bisect_left(self.signals, signal)
        if at in {0, len(self.signals)}:
            return self.rates[min(at, len(self.rates) - 1)]
        low, high = self.signals[at - 1], self.signals[at]
        share = (signal - low) / (high - low)
        return self.rates[at - 1] + share * (self.rates[at] - self.rates[at - 1])


class Point(NamedTuple):
    """What the prior is fitted on: a problem's signal, and its correct and wrong samples."""

    signal: float | None
    passed: int
    failed: int


def point_of(mined: Mined) -> Point:
    """Give a mined problem's point; its signal is the mean log-probability of the greedy attempt's tokens.

    Where no samples were drawn the greedy attempt is the one that the curve is fitted on.
    """
    if mined.samples:
        return Point(mined.mean_logprob, mined.passed, mined.failed)
    return Point(mined.mean_logprob, mined.greedy is Verdict.CORRECT, mined.greedy is Verdict.WRONG)


def fit_curve(points: Iterable[Point]) -> Curve | None:
    """Fit the prior on a pool, None where fewer than 40 problems have both a signal and samples."""
    usable = sorted((p.signal, p.passed, p.failed) for p in points if p.signal is not None and p.passed + p.failed)
    if len(usable) < _FEWEST:
        return None
    edges = [round(i * len(usable) / _BINS) for i in range(_BINS + 1)]
    bins = [usable[low:high] for low, high in pairwise(edges)]
    rates = _not_falling([fmean(Posterior(p, f).mean for _, p, f in some) for some in bins])
    middles = [median([x for x, _, _ in some]) for some in bins]
    rate_at = dict(zip(middles, rates, strict=True))  # equal signals: one point
    drawn = Curve(tuple(rate_at), tuple(min(max(rate, _EDGE), 1 - _EDGE) for rate in rate_at.values()), 1.0)
    known = [(drawn.rate(x), p, f) for x, p, f in usable]
    return drawn._replace(worth=max(_WORTH, key=lambda worth: _likelihood(known, worth)))


def expected_rates(mined: Sequence[Mined], curve: Curve | None) -> list[float]:
    """Give each problem's expected pass rate, from samples and signal where there is one; in (0, 1), shape `[P]`.

    This ranks problems; kinds and intervals rest on the samples alone.
    """
    rates = []
    for m in mined:
        if curve is None or m.mean_logprob is None:
            rates.append(m.posterior_mean)
            continue
        before = curve.rate(m.mean_logprob) * curve.worth
        rates.append((before + m.passed) / (curve.worth + m.passed + m.failed))
    return rates


def _not_falling(values: Sequence[float]) -> list[float]:
    """Give the nearest rising sequence, by pooling neighbours that fall (Ayer et al. 1955)."""
    blocks: list[tuple[float, int]] = []
    for value in values:
        mean, size = value, 1
        while blocks and blocks[-1][0] > mean:
            other, count = blocks.pop()
            mean, size = (mean * size + other * count) / (size + count), size + count
        blocks.append((mean, size))
    return [mean for mean, size in blocks for _ in range(size)]


def _likelihood(known: Sequence[tuple[float, int, int]], worth: float) -> float:
    """Give the log-likelihood of beta-binomial counts, less what does not depend on `worth`."""
    total = 0.0
    for rate, passed, failed in known:
        a, b = rate * worth, (1 - rate) * worth
        total += lgamma(a + passed) + lgamma(b + failed) - lgamma(a + b + passed + failed)
        total += lgamma(a + b) - lgamma(a) - lgamma(b)
    return total

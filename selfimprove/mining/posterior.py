"""What a few samples say about a pass rate: a Beta posterior under Jeffreys' prior.

Jeffreys' prior, Beta(1/2, 1/2), and not the uniform one: most problems are nearly always or nearly never solved, and
the uniform prior wants 10 failures in a row, not 6, to be 90 % sure that a pass rate is under 20 %.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

from selfimprove.records import Interval

_PRIOR: Final = 0.5
_TERMS: Final = 500
_ENOUGH: Final = 1e-13
_TINY: Final = 1e-300
_HALVINGS: Final = 50


class Posterior(NamedTuple):
    """The chance that one more sample is correct, after some samples.

    Attributes:
        passed: correct samples; an informed prior may make it a fraction.
        failed: wrong samples. Samples without a verdict are in neither.
    """

    passed: float
    failed: float

    @property
    def mean(self) -> float:
        """The expected pass rate, in (0, 1).

        >>> Posterior(1, 3).mean
        0.3
        """
        return (self.passed + _PRIOR) / (self.passed + self.failed + 2 * _PRIOR)

    def above(self, rate: float) -> float:
        """Give the chance that the pass rate is over `rate`, in [0, 1].

        >>> round(Posterior(0, 0).above(0.5), 6)
        0.5
        """
        return 1 - beta_cdf(rate, self.passed + _PRIOR, self.failed + _PRIOR)

    def settles(self, rate: float, confidence: float) -> bool:
        """Say whether it lies on one side of `rate` with this confidence."""
        above = self.above(rate)
        return max(above, 1 - above) >= confidence

    def interval(self, confidence: float = 0.95) -> Interval:
        """Give the equal-tailed credible interval.

        >>> Posterior(2, 2).interval(0.9)
        Interval(low=0.1653, high=0.8347)
        """
        tail = (1 - confidence) / 2
        low, high = (_quantile(q, self.passed + _PRIOR, self.failed + _PRIOR) for q in (tail, 1 - tail))
        return Interval(low=round(low, 4), high=round(high, 4))


@lru_cache(maxsize=1 << 16)
def beta_cdf(x: float, a: float, b: float) -> float:
    """Give the regularised incomplete beta function, the chance that a Beta(a, b) is at most `x`.

    By its continued fraction (DLMF 8.17.22), on the side where that converges fast.

    >>> round(beta_cdf(0.25, 1, 1), 9)
    0.25
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_cdf(1 - x, b, a)
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(front) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """Evaluate the continued fraction 1 + d1/(1 + d2/(1 + ...)) by the modified Lentz method."""
    value, c, d = 1.0, 1.0, 0.0
    for n in range(1, _TERMS):
        m = n // 2
        if n % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (_not_zero(1 + term * d))
        c = _not_zero(1 + term / c)
        value *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


@lru_cache(maxsize=1 << 12)
def _quantile(share: float, a: float, b: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_cdf(middle, a, b) < share else (low, middle)
    return (low + high) / 2

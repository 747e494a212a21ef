from __future__ import annotations

import math
from random import Random

import pytest

from selfimprove.mining.kinds import Kind, Mined
from selfimprove.mining.posterior import Posterior, beta_cdf
from selfimprove.mining.prior import Point, expected_rates, fit_curve, point_of
from selfimprove.records import Interval, Verdict


@pytest.mark.parametrize(
    ("x", "a", "b", "expected"),
    [
        (0.5, 0.5, 0.5, 0.5),
        (0.25, 0.5, 0.5, 2 / math.pi * math.asin(0.5)),  # the arcsine law
        (0.3, 3, 1, 0.027),
        (0.9, 1, 4, 1 - 0.1**4),
        (0.2, 2, 3, 0.1808),
    ],
)
def test_beta_cdf_has_known_values(x: float, a: float, b: float, expected: float) -> None:
    """The incomplete beta function agrees with closed forms."""
    assert beta_cdf(x, a, b) == pytest.approx(expected, abs=1e-10)


def test_interval_covers_as_often_as_it_says() -> None:
    """Over pass rates drawn from the prior, 90 % intervals hold the true rate in about 90 % of trials."""
    rng, inside = Random(0), 0
    for _ in range(1500):
        rate = rng.betavariate(0.5, 0.5)
        passed = sum(rng.random() < rate for _ in range(8))
        found = Posterior(passed, 8 - passed).interval(0.9)
        inside += found.low <= rate <= found.high
    assert 0.88 < inside / 1500 < 0.92


def problem_of(signal: float | None, passed: int, failed: int) -> Mined:
    seen = Posterior(passed, failed)
    interval = Interval(low=0, high=1)
    return Mined(
        problem="p", kind=Kind.WRONG, greedy=Verdict.WRONG, passed=passed, failed=failed, interval=interval,
        posterior_mean=seen.mean, settled=True, mean_logprob=signal,
    )  # fmt: skip


def ranks(values: list[float]) -> list[float]:
    order = sorted(values)
    return [order.index(v) + (order.count(v) - 1) / 2 for v in values]


def spearman(a: list[float], b: list[float]) -> float:
    x, y = ranks(a), ranks(b)
    mean = (len(a) - 1) / 2
    over = sum((i - mean) * (j - mean) for i, j in zip(x, y, strict=True))
    return over / math.sqrt(sum((i - mean) ** 2 for i in x) * sum((j - mean) ** 2 for j in y))


@pytest.mark.parametrize(("noise", "gain"), [(0.5, 0.03), (1e9, -0.02)])
def test_signal_helps_as_far_as_it_tells(noise: float, gain: float) -> None:
    """A good signal with four samples ranks problems better than the samples alone; one of pure noise does no harm."""
    rng = Random(1)
    rates = [rng.betavariate(0.5, 0.5) for _ in range(400)]
    rows = []
    for rate in rates:
        passed = sum(rng.random() < rate for _ in range(4))
        signal = math.log(max(rate, 1e-3) / max(1 - rate, 1e-3)) + rng.gauss(0, noise)
        rows.append(problem_of(signal, passed, 4 - passed))
    curve = fit_curve(Point(m.mean_logprob, m.passed, m.failed) for m in rows)
    assert curve is not None
    assert list(curve.rates) == sorted(curve.rates)
    alone = spearman([m.posterior_mean for m in rows], rates)
    assert spearman(expected_rates(rows, curve), rates) - alone > gain


def test_no_curve_without_a_signal() -> None:
    """An engine that hides log-probabilities leaves the posterior as it is."""
    rows = [problem_of(None, 1, 3)] * 100
    assert fit_curve(Point(m.mean_logprob, m.passed, m.failed) for m in rows) is None
    assert expected_rates(rows, None) == [rows[0].posterior_mean] * 100


def test_without_samples_the_signal_alone_parts_the_failures() -> None:
    """The curve is then fitted on the greedy attempts' own success, and failures are ranked by how sure they were."""
    rng, rows, rates = Random(2), list[Mined](), list[float]()
    for _ in range(400):
        rate = rng.betavariate(0.7, 0.7)
        greedy = Verdict.CORRECT if rng.random() < rate else Verdict.WRONG
        signal = math.log(max(rate, 1e-3) / max(1 - rate, 1e-3)) + rng.gauss(0, 0.5)
        rows.append(problem_of(signal, 0, 0).model_copy(update={"greedy": greedy}))
        rates.append(rate)
    found = expected_rates(rows, fit_curve(map(point_of, rows)))
    failed = [at for at, m in enumerate(rows) if m.greedy is Verdict.WRONG]
    assert len({round(found[at], 3) for at in failed}) > 5
    assert spearman([found[at] for at in failed], [rates[at] for at in failed]) > 0.5

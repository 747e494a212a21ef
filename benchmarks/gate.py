"""How often does a campaign promote a student that is not better, and how often does it see one that is?

Campaigns are simulated. Each dev problem has a chance of being solved; a student solves it or not, once, as greedy
decoding does; dev is the same in all rounds, and what was promoted is what the next round is compared with. Under "no
change" all students have the same chances, so every promotion is false; under "a gain, then none" those of the rounds
behind the gain are, where what a true promotion spent has come back. In groups, such as the variants of one seed, each
student has luck of its own in each group. The decisions are the library's own (`steps.decide` with its levels; mid-p
McNemar over single answers, sign flips over several samples and over groups).

make bench-statistics       keys: false_promotion_upper (goal <= 0.055), bare_test (0.04 to 0.055), power, bootstrap_ms
                            (goal < 20); ends with 1 where false_promotion_upper misses its goal
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from selfimprove.records import Comparison, Decision, Interval
from selfimprove.stats import bootstrap_means, mcnemar_mid_p, sign_flip_p, wilson
from selfimprove.steps.decide import alpha_left, decide

QUICK = bool(os.environ.get("QUICK"))
CAMPAIGNS = 1_000 if QUICK else 20_000
ROUNDS, ALPHA = 5, 0.05
SAMPLES, RESAMPLES, FAR = 3, 4_000, 1.2  # thirds, whose ties rounding would miss
MOST = 0.055
"""What the upper limit of false promotions may be."""
SPREAD = (0.35, 0.35)
"""Chances are drawn from this Beta: two students of equal chances differ on 20 % of the problems."""
FLOOR = (0.1, 4.0)
"""As of a student that solves next to nothing: 2 % of the problems."""
CLIMBS = {
    "a climb of 6 points a round": (0.06, 0.12, 0.18, 0.24, 0.30),
    "a climb of 8 points with a round of none": (0.08, 0.16, 0.16, 0.24, 0.32),
    "a climb of 4 points a round": tuple(0.04 * round_ for round_ in range(1, 9)),
}
_NO_INTERVAL = Interval(low=-1.0, high=1.0)


class Dev(NamedTuple):
    """The problems that campaigns are decided on.

    Attributes:
        n: problems.
        samples: drawn of each.
        spread: their chances are drawn from this Beta.
        variants: problems a group; each student has luck of its own in each, by one standard deviation of log-odds.
    """

    n: int
    samples: int = 1
    spread: tuple[float, float] = SPREAD
    variants: int = 1


p_better = cache(mcnemar_mid_p)


def outcomes(rng: Any, chances: Any, gain: float, dev: Dev) -> Any:
    """Let a student that is better by `gain` in the mean try each problem; count how often it solves each."""
    better = chances + (1 - chances) * gain / (1 - chances.mean())
    if dev.variants > 1:
        luck = np.exp(rng.normal(size=dev.n // dev.variants)).repeat(dev.variants)
        better = better * luck / (1 - better + better * luck)
    return rng.binomial(dev.samples, better)


def compared(new: Any, old: Any, dev: Dev) -> Comparison:
    """Compare as the library does, without the interval, which nothing is decided on."""
    gained, lost = int((new > old).sum()), int((old > new).sum())
    sums = (new - old).reshape(-1, dev.variants).sum(axis=1)
    if dev.samples == dev.variants == 1:
        better = p_better(gained, lost)
    elif sums.mean() < FAR * sums.std() / len(sums) ** 0.5:
        better = 1.0  # some 0.1 or more, far from any level: nothing is drawn for that
    else:  # with fewer drawings than the library: 20,000 campaigns are many
        better = sign_flip_p(list(sums / dev.samples), RESAMPLES, seed=gained)
    return Comparison(
        n=dev.n,
        gained=gained,
        lost=lost,
        difference=float((new - old).mean()) / dev.samples,
        interval=_NO_INTERVAL,
        p_better=better,
        p_worse=1 - better,
    )


def decision(made: Comparison, round_: int, arm: int, alpha: float) -> Decision:
    """Decide on one arm as `steps.decide` does."""
    return decide(made, round_=round_, arm=str(arm), alpha=alpha, min_gain=0.0, adapter="new", best="old")


def campaign(rng: Any, dev: Dev, arms: int, gains: tuple[float, ...]) -> Iterator[bool]:
    """Run one campaign whose students are better than the base by `gains`; say of each round whether it promoted."""
    chances = rng.beta(*dev.spread, dev.n // dev.variants).repeat(dev.variants)
    best, decisions = outcomes(rng, chances, 0.0, dev), list[Decision]()
    for round_, gain in enumerate(gains, 1):
        alpha = alpha_left(ALPHA, decisions, arms)
        made = [outcomes(rng, chances, gain, dev) for _ in range(arms)]
        new = [decision(compared(one, best, dev), round_, arm, alpha) for arm, one in enumerate(made)]
        passed = [at for at, one in enumerate(new) if one.outcome == "promote"]
        if passed:
            best = made[max(passed, key=lambda at: new[at].comparison.difference)]
        decisions += new
        yield bool(passed)


def simulate(dev: Dev, arms: int, gains: tuple[float, ...], seed: int, campaigns: int = CAMPAIGNS) -> Any:
    """Run many campaigns; say of each round whether it promoted, shape `[campaigns][rounds]`."""
    rng = np.random.default_rng(seed)
    return np.array([list(campaign(rng, dev, arms, gains)) for _ in range(campaigns)])


def bare(dev: Dev, seed: int) -> float:
    """How often the test alone, at 5 %, calls an equal student better."""
    rng, false = np.random.default_rng(seed), 0
    for _ in range(CAMPAIGNS):
        chances = rng.beta(*dev.spread, dev.n)
        old, new = outcomes(rng, chances, 0.0, dev), outcomes(rng, chances, 0.0, dev)
        false += compared(new, old, dev).p_better <= ALPHA
    return false / CAMPAIGNS


def false_promotions() -> float:
    """Print how often campaigns promote what is not better; give the highest upper limit."""
    same, cases = (0.0,) * ROUNDS, list[tuple[str, Dev, int, tuple[float, ...], int]]()
    for arms in range(1, 5):
        cases += [(f"{n} problems", Dev(n), arms, same, 0) for n in (200, 400, 1000)]
    for arms in (1, 4):
        cases.append((f"200 problems, {SAMPLES} samples each", Dev(200, SAMPLES), arms, same, 0))
    for samples in (1, SAMPLES):
        floor = Dev(400, samples, FLOOR)
        cases.append((f"a student at the floor, 400 problems, {samples} samples each", floor, 1, same, 0))
    for arms in (1, 4):
        cases.append(("400 problems, 40 groups of 10", Dev(400, variants=10), arms, same, 0))
        cases.append(("400 problems, +15 points in round 1, then none", Dev(400), arms, (0.15,) * ROUNDS, 1))
        cases.append(("400 problems, +15 in rounds 1 and 2, then none", Dev(400), arms, (0.15, *(0.3,) * 4), 2))
    upper = 0.0
    print(f"{CAMPAIGNS:,} campaigns of {ROUNDS} rounds, alpha {ALPHA}: share with a false promotion")
    for at, (what, dev, arms, gains, true) in enumerate(cases):
        # a promotion behind the gain is false where the gain itself was promoted: else it is the gain come late
        made = simulate(dev, arms, gains, seed=1000 + at)
        wrong = int((made[:, true:].any(axis=1) & made[:, :true].all(axis=1)).sum())
        high = wilson(wrong, CAMPAIGNS).high
        upper = max(upper, high)
        print(f"    {arms} arms, {what}: {100 * wrong / CAMPAIGNS:.2f} % (upper limit {100 * high:.2f})", flush=True)
    return upper


def bootstrap_ms() -> float:
    """Milliseconds that 10,000 resamples of 1,319 paired single answers take, the middle of eleven."""
    rng, took = np.random.default_rng(6), list[float]()
    differences = list(rng.choice([-1.0, 0.0, 1.0], size=1319, p=[0.1, 0.8, 0.1]))
    for seed in range(11):
        begun = time.perf_counter()
        bootstrap_means(differences, 10_000, seed)
        took.append(1000 * (time.perf_counter() - begun))
    return sorted(took)[5]


def main() -> None:
    """Print the table, then one line of JSON."""
    upper, alone = false_promotions(), bare(Dev(400), 5)
    print(f"the bare test at 5 %, 400 problems: {100 * alone:.2f} %")
    power = {}
    for arms in (1, 4):
        power[arms] = float(simulate(Dev(500), arms, (0.08,), seed=77 + arms).mean())
        print(f"+8 points at 500 problems, {arms} arms: promoted in round 1 {100 * power[arms]:.1f} %")
    few = float(simulate(Dev(500, SAMPLES), 4, (0.08,), seed=80, campaigns=CAMPAIGNS // 5).mean())
    print(f"+8 points at 500 problems, 4 arms, {SAMPLES} samples each: promoted in round 1 {100 * few:.1f} %")
    took = bootstrap_ms()
    print(f"10,000 resamples of 1,319 pairs: {took:.1f} ms")
    climbs = {}
    for what, gains in CLIMBS.items():
        climbs[what] = simulate(Dev(400), 1, gains, seed=9).mean(axis=0)
        each = ", ".join(f"{100 * share:.0f}" for share in climbs[what])
        print(f"{what}, 400 problems: {climbs[what].sum():.2f} of {len(gains)} rounds promoted ({each} %)")
    print(
        json.dumps(
            {
                "campaigns": CAMPAIGNS,
                "false_promotion_upper": round(upper, 4),
                "bare_test": round(alone, 4),
                "power": round(power[1], 4),
                "power_four_arms": round(power[4], 4),
                "power_four_arms_sampled": round(few, 4),
                "bootstrap_ms": round(took, 2),
                "rounds_promoted": {what: round(float(each.sum()), 3) for what, each in climbs.items()},
            }
        )
    )
    if upper > MOST and not QUICK:  # of few campaigns the limit says nothing
        sys.exit(1)


if __name__ == "__main__":
    main()

"""How often does a campaign promote a student that is not better, and how often does it see one that is?

Campaigns are simulated. Each dev problem has a chance of being solved; a student solves it or not, once, as greedy
decoding does; dev is the same in all rounds, and what was promoted is what the next round is compared with. Under "no
change" all students have the same chances, so every promotion is false. The decisions are the library's own
(`steps.decide` with its levels; mid-p McNemar over single answers, sign flips over several samples).

make bench-statistics       keys: false_promotion_upper (goal <= 0.055), bare_test (0.04 to 0.055), power, bootstrap_ms
                            (goal < 20)
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from selfimprove.records import Comparison, Decision, Interval
from selfimprove.stats import bootstrap_means, mcnemar_mid_p, sign_flip_p, wilson
from selfimprove.steps.decide import alpha_of_round, carried_on, decide

QUICK = bool(os.environ.get("QUICK"))
CAMPAIGNS = 1_000 if QUICK else 20_000
ROUNDS, ALPHA = 5, 0.05
SAMPLES, RESAMPLES, FAR = 3, 4_000, 1.2  # thirds, whose ties rounding would miss
SPREAD = (0.35, 0.35)
"""Chances are drawn from this Beta: two students of equal chances differ on 20 % of the problems."""
FLOOR = (0.1, 4.0)
"""As of a student that solves next to nothing: 2 % of the problems."""
_NO_INTERVAL = Interval(low=-1.0, high=1.0)


class Campaigns(NamedTuple):
    """What simulated campaigns came to, a row each, shape `[campaigns]`."""

    any_promoted: Any
    first_promoted: Any
    promoted: Any
    """How many rounds were promoted."""


p_better = cache(mcnemar_mid_p)


def outcomes(rng: Any, chances: Any, gain: float, samples: int = 1) -> Any:
    """Let a student that is better by `gain` in the mean try each problem; count how often it solves each."""
    better = chances + (1 - chances) * gain / (1 - chances.mean())
    return rng.binomial(samples, better)


def compared(new: Any, old: Any, samples: int) -> Comparison:
    """Compare as the library does, without the interval, which nothing is decided on."""
    gained, lost = int((new > old).sum()), int((old > new).sum())
    if samples == 1:
        better = p_better(gained, lost)
    elif (new - old).mean() < FAR * (new - old).std() / len(new) ** 0.5:
        better = 1.0  # some 0.1 or more, far from any level: nothing is drawn for that
    else:  # with fewer drawings than the library: 20,000 campaigns are many
        better = sign_flip_p(list((new - old) / samples), RESAMPLES, seed=gained)
    return Comparison(
        n=len(new),
        gained=gained,
        lost=lost,
        difference=float((new - old).mean()) / samples,
        interval=_NO_INTERVAL,
        p_better=better,
        p_worse=1 - better,
    )


def decision(made: Comparison, round_: int, arm: int, alpha: float) -> Decision:
    """Decide on one arm as `steps.decide` does."""
    return decide(made, round_=round_, arm=str(arm), alpha=alpha, min_gain=0.0, adapter="new", best="old")


def campaign(
    rng: Any, n: int, arms: int, gains: tuple[float, ...], samples: int, spread: tuple[float, float]
) -> Iterator[bool]:
    """Run one campaign whose students are better than the base by `gains`; say of each round whether it promoted."""
    chances = rng.beta(*spread, n)
    best, before = outcomes(rng, chances, 0.0, samples), list[Decision]()
    for round_, gain in enumerate(gains, 1):
        alpha = alpha_of_round(ALPHA, round_, arms, carried_on(before))
        made = [outcomes(rng, chances, gain, samples) for _ in range(arms)]
        before = [decision(compared(new, best, samples), round_, arm, alpha) for arm, new in enumerate(made)]
        passed = [at for at, one in enumerate(before) if one.outcome == "promote"]
        if passed:
            best = made[max(passed, key=lambda at: before[at].comparison.difference)]
        yield bool(passed)


def simulate(
    n: int,
    arms: int,
    gains: tuple[float, ...],
    seed: int,
    samples: int = 1,
    campaigns: int = CAMPAIGNS,
    spread: tuple[float, float] = SPREAD,
) -> Campaigns:
    """Run many campaigns."""
    rng = np.random.default_rng(seed)
    rounds = np.array([list(campaign(rng, n, arms, gains, samples, spread)) for _ in range(campaigns)])
    return Campaigns(rounds.any(axis=1), rounds[:, 0], rounds.sum(axis=1))


def bare(n: int, seed: int) -> float:
    """How often the test alone, at 5 %, calls an equal student better."""
    rng, false = np.random.default_rng(seed), 0
    for _ in range(CAMPAIGNS):
        chances = rng.beta(*SPREAD, n)
        old, new = outcomes(rng, chances, 0.0), outcomes(rng, chances, 0.0)
        false += p_better(int((new > old).sum()), int((old > new).sum())) <= ALPHA
    return false / CAMPAIGNS


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
    upper, sizes = 0.0, (200, 400, 1000)
    print(f"{CAMPAIGNS:,} campaigns of {ROUNDS} rounds without any change, alpha {ALPHA}: share with a false promotion")
    for arms in range(1, 5):
        for n in sizes:
            wrong = int(simulate(n, arms, (0.0,) * ROUNDS, seed=1000 * arms + n).any_promoted.sum())
            high = wilson(wrong, CAMPAIGNS).high
            upper = max(upper, high)
            print(f"    {arms} arms, {n:>5} problems: {100 * wrong / CAMPAIGNS:.2f} % (upper limit {100 * high:.2f})")
    for arms in (1, 4):
        wrong = int(simulate(200, arms, (0.0,) * ROUNDS, seed=50 + arms, samples=SAMPLES).any_promoted.sum())
        high = wilson(wrong, CAMPAIGNS).high
        upper = max(upper, high)
        told = f"{100 * wrong / CAMPAIGNS:.2f} % (upper limit {100 * high:.2f})"
        print(f"    {arms} arms,   200 problems, {SAMPLES} samples each: {told}")
    for samples in (1, SAMPLES):
        made = simulate(400, 1, (0.0,) * ROUNDS, seed=60 + samples, samples=samples, spread=FLOOR)
        wrong = int(made.any_promoted.sum())
        high = wilson(wrong, CAMPAIGNS).high
        upper = max(upper, high)
        told = f"{100 * wrong / CAMPAIGNS:.2f} % (upper limit {100 * high:.2f})"
        print(f"    a student at the floor, 400 problems, {samples} samples each: {told}")
    alone = bare(400, 5)
    print(f"the bare test at 5 %, 400 problems: {100 * alone:.2f} %")
    power = {}
    for arms in (1, 4):
        made = simulate(500, arms, (0.08,) * ROUNDS, seed=77 + arms)
        power[arms] = float(made.first_promoted.mean())
        print(f"+8 points at 500 problems, {arms} arms: promoted in round 1 {100 * power[arms]:.1f} %")
    few = float(simulate(500, 4, (0.08,), seed=80, samples=SAMPLES, campaigns=CAMPAIGNS // 5).first_promoted.mean())
    print(f"+8 points at 500 problems, 4 arms, {SAMPLES} samples each: promoted in round 1 {100 * few:.1f} %")
    took = bootstrap_ms()
    print(f"10,000 resamples of 1,319 pairs: {took:.1f} ms")
    climb = simulate(400, 1, (0.06, 0.12, 0.18, 0.24, 0.30), seed=9)
    print(f"a climb of 6 points a round at 400 problems: {climb.promoted.mean():.2f} of {ROUNDS} rounds promoted")
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
                "rounds_promoted_of_a_climb": round(float(climb.promoted.mean()), 3),
            }
        )
    )


if __name__ == "__main__":
    main()

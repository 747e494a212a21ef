"""How often does a campaign promote a student that is not better, and how often does it see one that is?

Campaigns are simulated. Each dev problem has a chance of being solved; a student solves it or not, once, as greedy
decoding does; dev is the same in all rounds, and what was promoted is what the next round is compared with. Under "no
change" all students have the same chances, so every promotion is false. The decisions are the library's own
(`steps.decide` with its levels, mid-p McNemar).

make bench-statistics       keys: false_promotion_upper (goal <= 0.055), bare_test (0.04 to 0.055), power
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from selfimprove.records import Comparison, Decision, Interval
from selfimprove.stats import mcnemar_mid_p, wilson
from selfimprove.steps.decide import alpha_of_round, carried_on, decide

QUICK = bool(os.environ.get("QUICK"))
CAMPAIGNS = 1_000 if QUICK else 20_000
ROUNDS, ALPHA = 5, 0.05
SPREAD = 0.35
"""Chances are drawn from Beta(0.35, 0.35): two students of equal chances differ on 20 % of the problems."""
_NO_INTERVAL = Interval(low=-1.0, high=1.0)


class Campaigns(NamedTuple):
    """What simulated campaigns came to, a row each, shape `[campaigns]`."""

    any_promoted: Any
    first_promoted: Any
    promoted: Any
    """How many rounds were promoted."""


p_better = cache(mcnemar_mid_p)


def outcomes(rng: Any, chances: Any, gain: float) -> Any:
    """Let a student that is better by `gain` in the mean solve each problem or not, shape of the chances."""
    better = chances + (1 - chances) * gain / (1 - chances.mean())
    return rng.random(chances.shape) < better


def decision(new: Any, old: Any, round_: int, arm: int, alpha: float) -> Decision:
    """Decide on one arm as `steps.decide` does."""
    gained, lost = int((new & ~old).sum()), int((old & ~new).sum())
    p = p_better(gained, lost)
    compared = Comparison(
        n=len(new),
        gained=gained,
        lost=lost,
        difference=(gained - lost) / len(new),
        interval=_NO_INTERVAL,
        p_better=p,
        p_worse=1 - p,
    )
    return decide(compared, round_=round_, arm=str(arm), alpha=alpha, min_gain=0.0, adapter="new", best="old")


def campaign(rng: Any, n: int, arms: int, gains: tuple[float, ...]) -> Iterator[bool]:
    """Run one campaign whose students are better than the base by `gains`; say of each round whether it promoted."""
    chances = rng.beta(SPREAD, SPREAD, n)
    best, before = outcomes(rng, chances, 0.0), list[Decision]()
    for round_, gain in enumerate(gains, 1):
        alpha = alpha_of_round(ALPHA, round_, arms, carried_on(before))
        made = [outcomes(rng, chances, gain) for _ in range(arms)]
        before = [decision(new, best, round_, arm, alpha) for arm, new in enumerate(made)]
        passed = [at for at, one in enumerate(before) if one.outcome == "promote"]
        if passed:
            best = made[max(passed, key=lambda at: before[at].comparison.difference)]
        yield bool(passed)


def simulate(n: int, arms: int, gains: tuple[float, ...], seed: int) -> Campaigns:
    """Run many campaigns."""
    rng = np.random.default_rng(seed)
    rounds = np.array([list(campaign(rng, n, arms, gains)) for _ in range(CAMPAIGNS)])
    return Campaigns(rounds.any(axis=1), rounds[:, 0], rounds.sum(axis=1))


def bare(n: int, seed: int) -> float:
    """How often the test alone, at 5 %, calls an equal student better."""
    rng, false = np.random.default_rng(seed), 0
    for _ in range(CAMPAIGNS):
        chances = rng.beta(SPREAD, SPREAD, n)
        old, new = outcomes(rng, chances, 0.0), outcomes(rng, chances, 0.0)
        false += p_better(int((new & ~old).sum()), int((old & ~new).sum())) <= ALPHA
    return false / CAMPAIGNS


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
    alone = bare(400, 5)
    print(f"the bare test at 5 %, 400 problems: {100 * alone:.2f} %")
    power = {}
    for arms in (1, 4):
        made = simulate(500, arms, (0.08,) * ROUNDS, seed=77 + arms)
        power[arms] = float(made.first_promoted.mean())
        print(f"+8 points at 500 problems, {arms} arms: promoted in round 1 {100 * power[arms]:.1f} %")
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
                "rounds_promoted_of_a_climb": round(float(climb.promoted.mean()), 3),
            }
        )
    )


if __name__ == "__main__":
    main()

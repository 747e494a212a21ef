"""The result in one sentence, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from selfimprove.arms import is_told
from selfimprove.config import Config
from selfimprove.report.decided_schema import Difference, RoundSummary
from selfimprove.report.schema import Best, TestSummary
from selfimprove.stats import problems_needed, smallest_gain, usual_spread
from selfimprove.steps.decide import p_text

_CLAIM: Final = 0.05


def outcome(rounds: Sequence[RoundSummary], test: TestSummary | None, best: Best) -> str:
    """Say what came out; "better" only where the test split shows it, and how often that was seen before."""
    said = _said(rounds, test, best)
    looks = test.opened + test.opened_elsewhere if test else 1
    return said if looks <= 1 else f"{said} These problems were opened {looks} times: only the first look is a proof."


def _said(rounds: Sequence[RoundSummary], test: TestSummary | None, best: Best) -> str:
    if test is None:
        return (
            f"The campaign has not opened its test split yet; {len({r.round for r in rounds})} round(s) are finished."
        )
    if test.base is None or test.best is None or test.difference is None:
        return f"No significant change: no round was promoted; the base answers {_held_out(test, 'base')}."
    change, now = test.difference, _held_out(test, "best")
    before = _share(test, "base") if test.sampled else test.base.correct
    control = f"; the unselected control {_share(test, 'control')}" if test.control else ""
    claim = "better" if change.points > 0 else "worse"
    if (change.p_value if change.points > 0 else 1 - change.p_value) > _CLAIM:
        return (
            f"No significant change: round {best.round} answers {now}, {before} before ({_spread(change)}, "
            f"p {p_text(change.p_value)}){control}."
        )
    return (
        f"Round {best.round} answers {now}, {before} before: {claim} by {abs(change.points):.0f} points, "
        f"{_spread(change)}, p {p_text(change.p_value)}{control}."
    )


def next_step(rounds: Sequence[RoundSummary], test: TestSummary | None, best: Best, config: Config, train: int) -> str:
    """Say what to do now: load the adapter, or what would show or make a gain.

    Args:
        rounds: one entry a round and arm.
        test: None where test was not opened yet.
        best: the best adapter.
        config: the campaign's settings.
        train: training problems that the task gave, at most as many as the settings ask for.
    """
    if test is None:
        return "Run the same command again to go on."
    change = test.difference
    if change is not None and change.points > 0 and change.p_value <= _CLAIM:
        return f"Load the adapter of round {best.round} from {best.path}."
    base = test.base.accuracy if test.base else 0.0
    draws, spread = test.groups or test.n, usual_spread(config.evaluate.samples)
    of = f" of {test.groups} groups" if test.groups else ""
    advice = [f"{test.n} problems{of} show gains from about {100 * smallest_gain(draws, spread, _CLAIM):.0f} points on"]
    seen = max((r.difference.points for r in rounds if not is_told(r.arm)), default=0.0)
    if seen > 0:  # which is part of what the students differ by
        needed = problems_needed(seen / 100, max(spread, seen / 100), _CLAIM) * test.n / draws
        advice.append(f"{math.ceil(needed)} would show the {seen:.1f} points seen on dev")
    floor = base < 0.05  # noqa: PLR2004 - a student that solves next to nothing is at the floor
    more = f"rows (data.train, now {train})" if train == config.data.train else f"problems (these {train} are all)"
    remedy = "try a larger student" if floor else f"try more {more} or a larger student"
    return f"{'; '.join(advice)}. Otherwise {remedy}."


def _held_out(test: TestSummary, name: str) -> str:
    """Say how a model answers the held-out problems, by samples of each where dev was decided on those."""
    sampled = test.sampled.get(name)
    each = f" of {sampled.samples} samples of each of {test.n}" if sampled else ""
    return f"{_share(test, name)}{each} held-out problems"


def _share(test: TestSummary, name: str) -> str:
    sampled, score = test.sampled.get(name), getattr(test, name)
    if sampled:
        return f"{100 * sampled.accuracy:.1f} %"
    return f"{score.correct} of {score.n}" if score else "an unknown share of"


def _spread(change: Difference) -> str:
    low, high = change.interval
    return f"95 % interval {low:.0f} to {high:.0f}"

"""The result in one sentence, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from selfimprove.arms import is_told
from selfimprove.config import Config
from selfimprove.formats import percent
from selfimprove.graphs.approving import Waiting
from selfimprove.report.decided_schema import Difference, RoundSummary, ScoreSummary
from selfimprove.report.schema import Best, TestSummary
from selfimprove.stats import problems_needed, smallest_gain, usual_spread
from selfimprove.steps.decide import p_text

_CLAIM: Final = 0.05
_MANY: Final = 0.1
"""Share of the base's answers without a verdict from which on that is said beside its score."""


def outcome(rounds: Sequence[RoundSummary], test: TestSummary | None, best: Best) -> str:
    """Say what came out; "better" only where the test split shows it, and how often that was seen before."""
    said = _said(rounds, test, best)
    looks = test.opened + test.opened_elsewhere if test else 1
    return said if looks <= 1 else f"{said} These problems were opened {looks} times: only the first look is a proof."


def _said(rounds: Sequence[RoundSummary], test: TestSummary | None, best: Best) -> str:
    if test is None:
        finished = len({r.round for r in rounds})
        return f"The best student has not met the test problems yet; {finished} round(s) are finished."
    if test.base is None or test.best is None or test.difference is None:
        asked = _held_out(test, "base")
        return f"No significant change: no round was promoted; the base answers {asked}{_unread(test.base)}."
    change, now = test.difference, _held_out(test, "best")
    before = f"{_share(test, 'base') if test.sampled else test.base.correct} before{_unread(test.base)}"
    control = f"; the unselected control {_share(test, 'control')}" if test.control else ""
    claim = "better" if change.points > 0 else "worse"
    if (change.p_value if change.points > 0 else 1 - change.p_value) > _CLAIM:
        return (
            f"No significant change: round {best.round} answers {now}, {before} ({_spread(change)}, "
            f"p {p_text(change.p_value)}){control}."
        )
    return (
        f"Round {best.round} answers {now}, {before}: {claim} by {abs(change.points):.1f} points, "
        f"{_spread(change)}, p {p_text(change.p_value)}{control}."
    )


def to_go_on(asked: Waiting | None, stopped: str | None, rounds: int) -> str:
    """Say how a campaign goes on that has not come to its test.

    Args:
        asked: what a person has to answer first.
        stopped: why it stopped; None: it has not.
        rounds: that are decided.
    """
    again = "run the same command again to go on"
    if asked is not None:
        return f"Say selfimprove approve or reject to what it waits for ({asked.sentence.rstrip('.')}), then {again}."
    if stopped == "budget":
        ending = f", or end with what is decided: --set campaign.rounds={rounds}" if rounds else ""
        return f"Raise the cap that was reached and {again}{ending}."
    return f"{again[0].upper()}{again[1:]}."


def next_step(rounds: Sequence[RoundSummary], test: TestSummary, best: Best, config: Config, train: int) -> str:
    """Say what to do now: load the adapter, or what would show or make a gain.

    Args:
        rounds: one entry a round and arm.
        test: what the best came to.
        best: the best adapter.
        config: the campaign's settings.
        train: training problems that the task gave, at most as many as the settings ask for.
    """
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


def _unread(base: ScoreSummary | None) -> str:
    """Say how many answers of the base have no verdict, where a part of a gain may be that answers end."""
    if base is None or base.no_verdict <= _MANY * base.n:
        return ""
    return f" ({base.no_verdict} of the base's {base.n} greedy answers were cut off or unreadable)"


def _share(test: TestSummary, name: str) -> str:
    sampled, score = test.sampled.get(name), getattr(test, name)
    if sampled:
        return percent(sampled.accuracy)
    return f"{score.correct} of {score.n}" if score else "an unknown share of"


def _spread(change: Difference) -> str:
    low, high = (f"{end:.1f}".replace("-0.0", "0.0") for end in change.interval)
    return f"95 % interval {low} to {high}"

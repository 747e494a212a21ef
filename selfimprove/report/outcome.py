"""The result in one sentence, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from selfimprove.arms import is_told
from selfimprove.config import Config
from selfimprove.report.decided_schema import Difference, RoundSummary, ScoreSummary
from selfimprove.report.schema import Best, TestSummary
from selfimprove.stats import problems_needed, smallest_gain
from selfimprove.steps.decide import p_text

_CLAIM: Final = 0.05
_DISCORDANT: Final = 0.2
"""Share of problems that two students answer differently, at least; a gain is part of it."""


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
        return f"No significant change: no round was promoted; the base answers {_share(test.base)} held-out problems."
    change = test.difference
    control = f"; the unselected control {_share(test.control)}" if test.control else ""
    claim = "better" if change.points > 0 else "worse"
    if (change.p_value if change.points > 0 else 1 - change.p_value) > _CLAIM:
        return (
            f"No significant change: round {best.round} answers {_share(test.best)} held-out problems, "
            f"{test.base.correct} before ({_spread(change)}, p {p_text(change.p_value)}){control}."
        )
    return (
        f"Round {best.round} answers {_share(test.best)} held-out problems, {test.base.correct} before: {claim} by "
        f"{abs(change.points):.0f} points, {_spread(change)}, p {p_text(change.p_value)}{control}."
    )


def next_step(rounds: Sequence[RoundSummary], test: TestSummary | None, best: Best, config: Config) -> str:
    """Say what to do now: load the adapter, or what would show or make a gain."""
    if test is None:
        return "Run the same command again to go on."
    change = test.difference
    if change is not None and change.points > 0 and change.p_value <= _CLAIM:
        return f"Load the adapter of round {best.round} from {best.path}."
    base = test.base.accuracy if test.base else 0.0
    shown = smallest_gain(test.n, _DISCORDANT, _CLAIM)
    advice = [f"{test.n} problems show gains from about {100 * shown:.0f} points on"]
    seen = max((r.difference.points for r in rounds if not is_told(r.arm)), default=0.0)
    if seen > 0:
        needed = problems_needed(seen / 100, max(_DISCORDANT, seen / 100), _CLAIM)
        advice.append(f"{needed} would show the {seen:.1f} points seen on dev")
    floor = base < 0.05  # noqa: PLR2004 - a student that solves next to nothing is at the floor
    remedy = (
        "try a larger student" if floor else f"try more rows (data.train, now {config.data.train}) or a larger student"
    )
    return f"{'; '.join(advice)}. Otherwise {remedy}."


def _share(score: ScoreSummary | None) -> str:
    return f"{score.correct} of {score.n}" if score else "an unknown share of"


def _spread(change: Difference) -> str:
    low, high = change.interval
    return f"95 % interval {low:.0f} to {high:.0f}"

"""Asking any step scorer: its scores are checked, and the first step that it calls wrong is told beside them.

Besides what `StepScorer` asks for, a scorer may say three things of itself: `threshold`, below which its score calls a
step wrong; `judge(items)`, which names the first wrong step in the same call; and `measured_as`, the identity that its
card holds, where that is not its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

from selfimprove.errors import InputError
from selfimprove.protocols import StepScorer
from selfimprove.records import Record, StepItem
from selfimprove.scorers.metrics import first_below

HALF: Final = 0.5
"""A score below it calls a step wrong, unless the scorer says otherwise."""


class Judgement(Record):
    """What is said of one solution."""

    scores: tuple[float, ...]
    """How likely each step is right, in [0, 1]."""
    first_wrong: int | None
    """Index of the first wrong step, None where all are right."""
    calls: tuple[str, ...] = ()
    """Keys of the ledger's rows."""


@runtime_checkable
class Judging(Protocol):
    """A scorer that names the first wrong step itself, in the same call."""

    def judge(self, items: Sequence[StepItem]) -> Sequence[Judgement | None]:
        """Judge each solution, shape `[items]`."""
        ...


def threshold_of(scorer: StepScorer) -> float:
    """Give the score below which a scorer calls a step wrong."""
    return float(getattr(scorer, "threshold", HALF))


def card_name(scorer: StepScorer) -> str:
    """Give the identity that a scorer's card holds."""
    return str(getattr(scorer, "measured_as", scorer.identity))


def judged(scorer: StepScorer, items: Sequence[StepItem]) -> list[Judgement | None]:
    """Ask a scorer, shape `[items]`; None is no verdict on that solution.

    Raises:
        InputError: its scores do not fit the steps.
    """
    if isinstance(scorer, Judging):
        found = list(scorer.judge(items))
        _check([None if one is None else one.scores for one in found], items, scorer.identity)
        return found
    given, below = list(scorer.score(items)), threshold_of(scorer)
    _check(given, items, scorer.identity)
    return [
        None
        if some is None
        else Judgement(scores=tuple(float(score) for score in some), first_wrong=first_below(some, below))
        for some in given
    ]


def _check(scores: Sequence[Sequence[float] | None], items: Sequence[StepItem], name: str) -> None:
    if len(scores) != len(items):
        raise InputError(
            f"{name} gave scores for {len(scores)} attempts of {len(items)}; "
            "a step scorer gives a list for each item, in order"
        )
    for some, item in zip(scores, items, strict=True):
        if some is not None and (len(some) != len(item.steps) or not all(0 <= score <= 1 for score in some)):
            raise InputError(
                f"{name} gave {str(list(some))[:80]} for {len(item.steps)} steps; "
                "a step scorer gives each step one score in [0, 1]"
            )

"""Where the student fails, as types: a part of the summary, see `schema`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from selfimprove.report.part import Part


class GroupRound(Part):
    """A group of problems in the pool of one round, tried before that round's training."""

    round: int
    """Counted from 1."""
    tried: int
    """Problems with a verdict; for a first wrong step those of the whole pool."""
    failed: int
    """Those that are wrong, inconsistent or lucky."""
    no_verdict: int
    """Problems whose attempt was cut off, unreadable or failed; they are in neither."""
    rate: float | None
    """Share of failures, in [0, 1]; null where nothing was tried."""
    interval: tuple[float, float]
    """95 % confidence interval of the share, in [0, 1]."""
    kinds: Mapping[str, int] = Field(default_factory=dict)
    """Problems of each kind: `right`, `lucky`, `inconsistent`, `wrong`, and the technical ones."""


class GroupExample(Part):
    """A training problem of a group that the student failed."""

    round: int
    question: str
    answer: str
    """The reference answer."""
    text: str
    """What the student wrote, greedily."""
    kind: str
    """How it failed: `wrong`, `inconsistent` or `lucky`."""


class FailureGroup(Part):
    """Training problems that share something, and how their failure rate moves from round to round."""

    by: str
    """What they share: a label's name, `reasoning steps`, `first wrong step`, `wording`, or `all`."""
    value: str
    rounds: tuple[GroupRound, ...]
    """The rounds in whose pool the group was."""
    change: float | None = None
    """Failure rate of the last round less that of the first, in percentage points; under 0 it got better. Null where
    fewer than two are known."""
    interval: tuple[float, float] | None = None
    """95 % confidence interval of the change, in percentage points; null where the two rounds tried some of the same
    problems."""
    examples: tuple[GroupExample, ...] = ()
    """Failures of the last round that had any."""


class RepairRound(Part):
    """What one arm of one round made of the dev problems of a group."""

    round: int
    arm: str
    failed: int
    """Dev problems that the best model before the round did not answer correctly."""
    repaired: int
    """Those of them that this arm's model does."""
    solved: int
    """Dev problems that the best model before the round answered correctly."""
    lost: int
    """Those of them that this arm's model does not."""


class Repairs(Part):
    """How failures became successes on dev, for the problems that share a label."""

    by: str
    """A label's name, or `all`."""
    value: str
    rounds: tuple[RepairRound, ...]

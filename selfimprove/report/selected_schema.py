"""How lessons were chosen, as types: a part of the summary, see `schema`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from selfimprove.report.part import Part


class QuotaSummary(Part):
    """One part of a selection."""

    name: str
    """A level, or a range of reasoning steps."""
    asked: int
    """Problems wanted of it."""
    there: int
    """Problems that the pool had of it."""
    taken: int
    """Problems chosen; more than asked where a neighbour was short."""


class SelectionSummary(Part):
    """How a round chose its lessons."""

    policy: str
    """The policy in force, see `select.policy`; under `probe` the one that the probe took."""
    order: str
    """How training rows are put: `shuffled` or `easy_to_hard`."""
    lessons: int
    """Problems chosen."""
    library: str = ""
    """The graded library that stood for this round's mining; empty: the round mined."""
    quotas: tuple[QuotaSummary, ...] = ()
    """Empty for policies without quotas."""
    notes: tuple[str, ...] = ()
    """What could not be had as asked, and where it was filled from."""


class LevelSummary(Part):
    """How hard the problems of a round's pool are for the student; counts by level, from level 0 on, shape `[6]`."""

    round: int
    """Counted from 1."""
    all: tuple[int, ...]
    """All graded problems; what has no verdict has no level."""
    by_label: Mapping[str, Mapping[str, tuple[int, ...]]] = Field(default_factory=dict)
    """The same by label and value, for labels with at most 50 values."""
    graded_by: Mapping[str, int] = Field(default_factory=dict)
    """Problems by what graded them: `pass_rate`, or a step scorer's name."""


class CandidateSummary(Part):
    """One policy that the probe tried."""

    policy: str
    rows: int
    """Training rows."""
    trained_tokens: int
    """Tokens that carried loss."""
    correct: int
    """Problems of the probe set answered correctly after that training."""
    points: float | None
    """Accuracy less that of the default, in percentage points; null for the default itself."""
    interval: tuple[float, float] | None
    """95 % confidence interval of the difference, in percentage points."""
    p_value: float | None
    """One-sided, against `not better than the default`."""


class ProbeSummary(Part):
    """How the policy was found: candidates tried on a small part of the budget."""

    policy: str
    """The one that was taken."""
    default: str
    """The one that is taken where none is better."""
    sentence: str
    """What came out, in words."""
    problems: int
    """Of the probe set: training problems that no candidate was trained on, neither dev nor test."""
    rows: int
    """Rows that all candidates were trained on."""
    budget_rows: int
    """Rows that the settings let the whole campaign train on."""
    alpha: float
    """What each comparison with the default could spend."""
    candidates: tuple[CandidateSummary, ...] = ()
    """Empty where the budget was too small to try any."""

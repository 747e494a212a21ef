"""What a report says of rounds: arms, the decisions about them, and what those rest on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from selfimprove.records import Comparison, Score
from selfimprove.report.part import Part
from selfimprove.report.selected_schema import SelectionSummary

Outcome = Literal["promote", "hold", "roll back"]


class ScoreSummary(Part):
    """A share of correct answers with its uncertainty."""

    n: int
    """Problems."""
    correct: int
    """Problems answered correctly."""
    accuracy: float
    """Share of correct answers, in [0, 1]."""
    interval: tuple[float, float]
    """95 % confidence interval of the accuracy, in [0, 1]."""
    no_verdict: int = 0
    """Problems whose completion was truncated, unreadable or failed; they count as not correct."""

    @classmethod
    def of(cls, score: Score) -> ScoreSummary:
        """Take over an evaluation's score."""
        between = (score.interval.low, score.interval.high)
        return cls(
            n=score.n, correct=score.correct, accuracy=score.accuracy, interval=between, no_verdict=score.no_verdict
        )


class Difference(Part):
    """How much better one model is than another on the same problems."""

    points: float
    """Accuracy of the new less accuracy of the old, in percentage points."""
    interval: tuple[float, float]
    """95 % confidence interval, in percentage points."""
    p_value: float
    """One-sided, against `not better`."""
    test: str = "mid-p McNemar"
    """Where the p-value comes from: `mid-p McNemar`, or `paired sign flips` over samples or groups of problems."""
    groups: int = 0
    """Groups of problems that belong together, which are what is tested; 0: each stands alone."""

    @classmethod
    def of(cls, comparison: Comparison) -> Difference:
        """Take over a paired comparison."""
        between = (100 * comparison.interval.low, 100 * comparison.interval.high)
        return cls(
            points=100 * comparison.difference,
            interval=between,
            p_value=comparison.p_better,
            test=comparison.test,
            groups=comparison.groups,
        )


class SampledSummary(Part):
    """What several samples a problem came to."""

    samples: int
    """Drawn a problem."""
    accuracy: float
    """Mean over problems of the share of samples that are correct."""
    interval: tuple[float, float]
    """95 % interval of that mean, clustered by problem."""
    pass_at_k: float
    """Share of problems that at least one of the samples solves."""
    consistency: float
    """Share of problems whose samples all give the same answer."""


class WatchedSummary(Part):
    """Something that a promotion may not make worse."""

    name: str
    before: float
    """A share, or nats a token for a text's loss."""
    after: float
    p_worse: float
    """One-sided."""
    fell: bool


class ArmPair(Part):
    """Two arms of one round, on the same dev problems. For reading: nothing is decided on it."""

    round: int
    arm: str
    other: str
    difference: Difference
    """The arm less the other."""
    same_start: bool = True
    """Whether both went on from the same student; false: what they differ by is not the way of training alone."""


class AnswerCounts(Part):
    """How yes and no are spread on dev, greedy and by the lenient reading."""

    reference: Mapping[str, int]
    """Right answers."""
    base: Mapping[str, int]
    """What the better baseline says; `no verdict` where it cannot be read."""
    best: Mapping[str, int] | None = None
    """What the best adapter says; null where the base is still the best."""


class RoundSummary(Part):
    """One arm of one round, with the decision about it."""

    round: int
    """Counted from 1."""
    arm: str
    """How it was trained."""
    decision: Outcome
    """What the round ended in for this arm."""
    sentence: str
    """The decision with the test that led to it, in words."""
    dev: ScoreSummary
    """Score on dev, by the lenient reading."""
    strict: ScoreSummary
    """Score on dev, by the strict reading."""
    difference: Difference
    """Against the best model before this round, on dev."""
    rows: int
    """Training rows."""
    trained_tokens: int
    """Tokens that carried loss."""
    pool: int
    """Training problems that the student tried in this round."""
    failures: int
    """Tried problems that it got wrong at its first try."""
    pool_no_verdict: int
    """Tried problems whose first try was cut off or could not be read; the others were solved."""
    pool_pass_rate: float
    """Share right among the first tries with a verdict, in [0, 1]."""
    wall_s: float
    """Time this round (or arm) took, in seconds."""
    rungs: tuple[str, ...] = ()
    """Ladder: the levels that were worked on."""
    selection: SelectionSummary | None = None
    """How the round chose its lessons; null where an older version made the run."""
    by_label: Mapping[str, Mapping[str, ScoreSummary]] = Field(default_factory=dict)
    """Scores on dev by label and value."""
    truncated: int = 0
    """Completions on dev that the token limit cut off."""
    sampled: SampledSummary | None = None
    """Where evaluate.samples asks for samples, which then decide."""
    watched: tuple[WatchedSummary, ...] = ()
    """What was watched for a fall."""
    informative_groups: float | None = None
    """Where it practised: share of its groups of tries that held both right and wrong ones; others teach nothing."""
    alarms: tuple[str, ...] = ()
    """What went wrong in its training, a sentence each."""
    phase: int = 0
    """Of the campaign, from 0."""
    start: str = ""
    """The adapter that it went on from, relative to the run folder; empty: the base."""


class DevSummary(Part):
    """How often the dev split was looked at: each look makes the next one worth a little less."""

    looks: int
    """Baselines, arms decided on and merged models, in this run folder."""
    elsewhere: int = 0
    """The same of forks and other run folders of this machine, on the same problems."""
    forked_from: str = ""
    """The campaign that this one was made of, with its round; empty: none."""

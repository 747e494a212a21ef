"""What a student is measured to be, and what is decided on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from selfimprove.records.base import Record
from selfimprove.records.problems import Split


class Interval(Record):
    """A confidence interval, by default 95 %."""

    low: float
    high: float


class Score(Record):
    """A share of correct answers with its uncertainty."""

    n: int
    correct: int
    accuracy: float
    interval: Interval
    no_verdict: int


class Sampled(Record):
    """What several samples a problem come to."""

    samples: int
    """Drawn a problem."""
    accuracy: float
    """Mean over problems of the share of samples that are correct."""
    interval: Interval
    """Of that mean, clustered by problem."""
    pass_at_k: float
    """Share of problems that at least one of the samples solves."""
    consistency: float
    """Share of problems whose samples all give the same answer."""


class Evaluation(Record):
    """What one model did on one split."""

    split: Split
    round: int
    arm: str
    model: str
    """Identity of the evaluated model."""
    program: str
    render_hash: str
    shots: int = 0
    lenient: Score
    strict: Score
    truncated: int
    by_label: Mapping[str, Mapping[str, Score]]
    completion_tokens: int
    sampled: Sampled | None = None
    """Where `evaluate.samples` asks for samples."""

    @property
    def accuracy(self) -> float:
        """What is decided on: the mean over samples where some are drawn, else the share of greedy answers."""
        return self.sampled.accuracy if self.sampled else self.lenient.accuracy


class Comparison(Record):
    """A paired comparison of two models on the same problems."""

    n: int
    gained: int
    """Problems only the new one solves."""
    lost: int
    """Problems only the old one solves."""
    difference: float
    """Accuracy of the new less accuracy of the old, in [-1, 1]."""
    interval: Interval
    p_better: float
    """One-sided, against `not better`."""
    p_worse: float
    test: Literal["mid-p McNemar", "paired sign flips"] = "mid-p McNemar"
    groups: int = 0
    """Groups of problems that belong together, which are what is tested; 0: each stands alone."""
    spread: float | None = None
    """Mean square of what is tested, a problem: what the number of problems needed goes with; None in older files."""


class Watched(Record):
    """Something that a promotion may not make worse, before and after."""

    name: str
    before: float
    after: float
    p_worse: float
    """One-sided, against `not worse than is let pass`."""
    fell: bool


class Decision(Record):
    """What a round ended in, with the test that led to it."""

    round: int
    arm: str
    outcome: Literal["promote", "hold", "roll back"]
    comparison: Comparison
    alpha: float
    """What this comparison could spend."""
    min_gain: float
    adapter: str
    """Best adapter after the decision, relative to the run folder; empty: the base."""
    sentence: str
    watched: tuple[Watched, ...] = ()
    """What was watched for a fall."""

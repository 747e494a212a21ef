"""Examples that a report shows, as types: lessons, and what is still wrong."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from selfimprove.records import Verdict
from selfimprove.report.part import Part


class ClarificationExample(Part):
    """A clarifying question with its answer."""

    question: str
    answer: str
    """Empty where no answer was let through."""
    refused: tuple[str, ...] = ()
    """Answers that gave the solution away."""


class LessonExample(Part):
    """One pass through the clarifying loop."""

    problem: str
    """Id of the problem."""
    question: str
    answer: str
    """The reference answer."""
    draft: str
    """The student's first text."""
    draft_verdict: Verdict
    clarifications: tuple[ClarificationExample, ...] = ()
    rewrite: str = ""
    """The student's last text; empty where it wrote none."""
    rewrite_verdict: Verdict | None = None
    rationale: str = ""
    """The chain of thought that was harvested; empty where none was."""
    rationale_source: str = ""
    """Who wrote it: `reference`, `self`, or a model's identity."""
    round: int | None = None
    """The round of the lesson."""


class FailureExample(Part):
    """A dev problem that the best model still gets wrong."""

    question: str
    answer: str
    """The reference answer."""
    text: str
    """What the model wrote."""
    verdict: Verdict
    labels: Mapping[str, str] = Field(default_factory=dict)

"""What a student is trained on."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from selfimprove.records.base import Record
from selfimprove.records.problems import Problem


class TrackRow(Record):
    """One training example, kept as a record and rendered when training."""

    id: str
    track: str
    program: str
    """Name of the program whose prompt it is trained under."""
    inputs: Mapping[str, str]
    target: str
    answer: str
    problem: str
    lesson: str = ""
    source: str
    round: int
    calls: tuple[str, ...] = ()
    labels: Mapping[str, str] = Field(default_factory=dict)


class PreferenceRow(Record):
    """A verified completion over a wrong one, for the same prompt."""

    id: str
    program: str
    inputs: Mapping[str, str]
    chosen: str
    rejected: str
    problem: str
    lesson: str
    """Empty where both are the student's own samples."""
    round: int
    calls: tuple[str, ...] = ()


class VerdictRow(Record):
    """A completion of the student's own, and whether it was right."""

    id: str
    program: str
    inputs: Mapping[str, str]
    text: str
    right: bool
    problem: str
    round: int
    calls: tuple[str, ...] = ()


class PracticeRow(Record):
    """A problem that a reinforced student tries again and again, and how it fared so far."""

    id: str
    program: str
    inputs: Mapping[str, str]
    problem: Problem
    passed: int = 0
    failed: int = 0
    """Wrong tries; those without a verdict are in neither."""
    round: int = 0

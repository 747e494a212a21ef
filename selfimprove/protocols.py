"""The five plugs: what satisfies one of these plugs in, with nothing to register or subclass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from selfimprove.records import (
    Adapter,
    Answer,
    Completion,
    Parsed,
    Problem,
    Question,
    Rationale,
    Request,
    Split,
    StepItem,
    TrainingJob,
    Verdict,
)


@runtime_checkable
class LanguageModel(Protocol):
    """What programs run on."""

    @property
    def identity(self) -> str:
        """Hash of weights, dtype and engine, or `provider/model@endpoint`."""
        ...

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order. A request that fails is a completion with an error."""
        ...


@runtime_checkable
class Student(LanguageModel, Protocol):
    """A language model that can be trained."""

    def with_adapter(self, path: Path | None) -> Student:
        """Give the same student with another adapter, or with none."""
        ...


@runtime_checkable
class Teacher(Protocol):
    """Who answers clarifying questions and reasons. Meaning, not text."""

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Answer each clarifying question, in order."""
        ...

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Give up to `samples` chains of thought a problem, shape `[P][<= samples]`."""
        ...


@runtime_checkable
class Rationaliser(Protocol):
    """A teacher that can also explain an answer it is shown."""

    def rationalise(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Explain the reference answer of each problem, shape `[P][<= samples]`."""
        ...


@runtime_checkable
class Task(Protocol):
    """Problems, and how their answers are read and compared."""

    @property
    def name(self) -> str:
        """Short name, part of every file."""
        ...

    @property
    def instruction(self) -> str:
        """What the student is told about the form of its answer."""
        ...

    def problems(self, split: Split) -> Iterator[Problem]:
        """Walk a split, in a fixed order."""
        ...

    def parse(self, text: str) -> Parsed:
        """Find the answer in a completion."""
        ...

    def compare(self, answer: str, problem: Problem) -> Verdict:
        """Compare a found answer with the reference."""
        ...

    def conclude(self, rationale: str, answer: str) -> str:
        """Write a rationale and an answer in the strict form that `parse` reads."""
        ...


@runtime_checkable
class StepScorer(Protocol):
    """A process reward model, or anything else that judges steps; `scorers.scoring` tells what more it may say."""

    @property
    def identity(self) -> str:
        """What scored: a kind and what it is made of."""
        ...

    def score(self, items: Sequence[StepItem]) -> Sequence[Sequence[float] | None]:
        """Score each step in [0, 1], shape `[items][steps]`; None is no verdict on that solution."""
        ...


@runtime_checkable
class Trainer(Protocol):
    """What turns rows into an adapter."""

    def train(self, job: TrainingJob) -> Adapter:
        """Train, or find the adapter already there."""
        ...

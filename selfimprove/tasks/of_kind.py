"""Tasks whose answers are of one kind, see `answers.kinds`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from selfimprove.answers.kinds import Kind
from selfimprove.records import Parsed, Problem, Split, Verdict
from selfimprove.tasks.cuts import Splits


class OfKind(ABC):
    """A task that reads its splits once and leaves answers to their kind."""

    @property
    @abstractmethod
    def _kind(self) -> Kind: ...

    @property
    @abstractmethod
    def _splits(self) -> Splits: ...

    @property
    def instruction(self) -> str:
        """What the kind of answer asks for."""
        return self._kind.instruction

    def problems(self, split: Split) -> Iterator[Problem]:
        """Walk a split, in the order of its file."""
        yield from self._splits[split]

    def parse(self, text: str) -> Parsed:
        """Read as the kind of answer does."""
        return self._kind.read(text)

    def compare(self, answer: str, problem: Problem) -> Verdict:
        """Compare as the kind of answer does."""
        return self._kind.compare(answer, problem)

    def conclude(self, rationale: str, answer: str) -> str:
        """Write the rationale and the answer in the strict form."""
        return self._kind.conclude(rationale, answer)

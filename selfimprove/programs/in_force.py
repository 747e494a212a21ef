"""The programs in force in a campaign or a curation, kept in its folder: what lies elsewhere may change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from pydantic import Field

from selfimprove.programs.program import Program
from selfimprove.programs.saved import Card, Compiled
from selfimprove.records import Record

FROZEN: Final = "programs.json"
"""The programs that a folder was begun with; those that a round optimised lie in the round's."""


class InForce(Mapping[str, Program]):
    """The programs of a campaign, by name: those it began with, and those that were optimised since.

    Args:
        base: programs it began with.
        cards: of those among them that were optimised.
    """

    def __init__(self, base: Mapping[str, Program], cards: Mapping[str, Card] | None = None) -> None:
        self._base = dict(base)
        self._now = dict(base)
        self.cards = dict(cards or {})

    def __getitem__(self, name: str) -> Program:
        return self._now[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._now)

    def __len__(self) -> int:
        return len(self._now)

    def take(self, changed: Mapping[str, Program]) -> None:
        """Put these over those it began with, and none that were put over them before."""
        self._now = {**self._base, **changed}

    @contextmanager
    def instead(self, others: Mapping[str, Program]) -> Iterator[None]:
        """Let others be in force inside the block, in one thread."""
        before, self._now = self._now, {**self._now, **others}
        try:
            yield
        finally:
            self._now = before


class Frozen(Record):
    """Programs as they are kept in a folder."""

    programs: Mapping[str, str]
    """Name to the program's saved state."""
    cards: Mapping[str, Card] = Field(default_factory=dict)
    """Of those that were optimised."""

    @classmethod
    def of(cls, programs: Mapping[str, Program], cards: Mapping[str, Card] | None = None) -> Frozen:
        """Take programs in."""
        return cls(programs={name: program.dump() for name, program in programs.items()}, cards=cards or {})

    @classmethod
    def of_compiled(cls, compiled: Mapping[str, Compiled]) -> Frozen:
        """Take compiled programs in, with their cards."""
        return cls.of(
            {name: each.program for name, each in compiled.items()},
            {name: each.card for name, each in compiled.items()},
        )

    def thaw(self) -> dict[str, Program]:
        """Give the programs back."""
        return {name: Program.load(text) for name, text in self.programs.items()}

    def compiled(self) -> dict[str, Compiled]:
        """Give those back that have a card."""
        return {name: Compiled(Program.load(self.programs[name]), card) for name, card in self.cards.items()}

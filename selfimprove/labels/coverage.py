"""What a library of problems holds of each cell of a taxonomy, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from selfimprove.labels.given import Given
from selfimprove.labels.quotas import quotas
from selfimprove.labels.taxonomy import LEVELS, TRAITS, Cell, Path, Taxonomy, match


class Held(NamedTuple):
    """A number of problems that are there, and how many are wanted."""

    have: int
    want: int

    @property
    def missing(self) -> int:
        """How many more are wanted."""
        return max(0, self.want - self.have)

    @property
    def surplus(self) -> int:
        """How many there are beyond what is wanted."""
        return max(0, self.have - self.want)


class Counted(NamedTuple):
    """One problem and the cell it counts towards.

    Attributes:
        given: the problem.
        cell: None where its labels name none.
        why: what its labels lack, or hold that the taxonomy does not; empty where it has a cell.
    """

    given: Given
    cell: Cell | None
    why: str


@dataclass(frozen=True)
class Coverage:
    """A library held against a taxonomy.

    Attributes:
        taxonomy: whose quotas are to be met.
        by: traits that cells are divided by.
        problems: in the order of their file.
    """

    taxonomy: Taxonomy
    by: tuple[str, ...]
    problems: tuple[Counted, ...]

    @cached_property
    def cells(self) -> Mapping[Cell, Held]:
        """Every cell in the order of the taxonomy; last those that hold something and of which nothing is wanted."""
        wanted = quotas(self.taxonomy, self.by)
        there = Counter(one.cell for one in self.problems if one.cell is not None)
        return {
            cell: Held(there[cell], wanted.get(cell, 0)) for cell in (*wanted, *(c for c in there if c not in wanted))
        }

    @property
    def counted(self) -> int:
        """Problems that have a cell."""
        return sum(one.cell is not None for one in self.problems)

    def subjects(self) -> Iterator[tuple[str, list[Held]]]:
        """Walk the subjects, each with its cells."""
        for subject in self.taxonomy.subjects:
            yield subject.name, [held for cell, held in self.cells.items() if cell.path[0] == subject.name]

    def crossed(self, depth: int) -> Mapping[Path, Mapping[tuple[str, str], Held]]:
        """Cross the paths of some depth with the values of every trait, and with nothing.

        Args:
            depth: 2 gives a row for each topic, 4 for each question type.

        Returns:
            path -> (trait, value) -> what is there and what is wanted; `("", "")` is all of the path.
        """
        found: dict[Path, dict[tuple[str, str], Held]] = {}
        for trait in ("", *reversed(TRAITS)):  # the answer form first, as quotas are divided by it
            wanted: Counter[tuple[Path, str]] = Counter()
            for cell, want in quotas(self.taxonomy, (trait,) if trait else ()).items():
                wanted[cell.path[:depth], getattr(cell, trait) if trait else ""] += want
            there = self._there(depth, trait)
            for path, value in dict.fromkeys((*wanted, *there)):
                found.setdefault(path, {})[trait, value] = Held(there[path, value], wanted[path, value])
        return found

    def _there(self, depth: int, trait: str) -> Counter[tuple[Path, str]]:
        """Count the problems of each path, or of each of a trait's values there."""
        there: Counter[tuple[Path, str]] = Counter()
        for one in self.problems:
            if one.cell is None:
                continue
            value: str | None = ""
            if trait:
                values = self.taxonomy.values(trait, one.cell.path[:1])
                value = match(one.given.labels.get(trait, ""), values)
            if value is not None:
                there[one.cell.path[:depth], value] += 1
        return there


def cover(given: Sequence[Given], taxonomy: Taxonomy, by: Sequence[str] = ("form",)) -> Coverage:
    """Count what a library holds.

    Args:
        given: the problems with their labels; one whose labels name no cell is told apart and not counted.
        taxonomy: whose cells they count towards.
        by: traits that cells are divided by, of `TRAITS`.

    Raises:
        InputError: there is no such trait.
    """
    quotas(taxonomy, by)
    counted = []
    for one in given:
        cell = taxonomy.cell_of(one.labels, by)
        why = taxonomy.complaint(one.labels, (*LEVELS, *by)) if cell is None else ""
        counted.append(Counted(one, cell, why or ("" if cell else "its leaf takes no problems of that kind")))
    return Coverage(taxonomy, tuple(by), tuple(counted))

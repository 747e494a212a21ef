"""What is known of a curation in memory, built from the files of its finished rounds.

It holds no more than it needs for the next round: texts to compare with, families, counts. A process that goes on reads
the same files and knows the same.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from selfimprove.curating.diversity import Sample
from selfimprove.curating.forms import Form, form_of
from selfimprove.curating.near import Seen
from selfimprove.curating.orders import Herd
from selfimprove.curating.rows import Grown, Order, Rejected, Vote
from selfimprove.curating.trust import Tally, pattern_of
from selfimprove.curating.yields import RoundYield, Yield
from selfimprove.labels.taxonomy import LEVELS, Cell, Path, Taxonomy
from selfimprove.records import Problem


def leaf_name(path: Path) -> str:
    """Write a sub-type's path as one name."""
    return " > ".join(path)


@dataclass
class Library:
    """All that the next round depends on.

    Attributes:
        quotas: problems wanted, by cell.
        there: problems that count, by cell.
        herds: what may be varied, by sub-type.
        seen: what a new problem must differ from.
        answers: votes on answers.
        labels: votes on labels.
        spread: a sample by generation.
        yields: of each finished round.
    """

    taxonomy: Taxonomy
    quotas: Mapping[Cell, int]
    depth: int
    seen: Seen
    by: Sequence[str] = ("form",)
    there: Counter[Cell] = field(default_factory=Counter)
    herds: dict[Path, Herd] = field(default_factory=dict)
    answers: Tally = field(default_factory=Tally)
    labels: Tally = field(default_factory=Tally)
    spread: Sample = field(default_factory=Sample)
    yields: list[RoundYield] = field(default_factory=list)
    seeds: dict[Path, list[Problem]] = field(default_factory=lambda: defaultdict(list))
    _texts: dict[str, bytes] = field(default_factory=dict)
    _forms: dict[Cell, Form] = field(default_factory=dict)
    _noted: int = -1

    def plant(self, seeds: Sequence[Problem], *, count: bool) -> None:
        """Take the user's own problems in."""
        wanted = {cell.path for cell in self.quotas}
        for seed in seeds:
            path = tuple(seed.labels[level] for level in LEVELS)
            cell = self.taxonomy.cell_of(seed.labels, self.by)
            self._take(seed, path, seed.id, 0)
            self.seeds[path].append(seed)
            if count and cell is not None and cell in self.quotas:
                self.there[cell] += 1
        for path in wanted:
            self.seen.learn(leaf_name(path), self.seeds[path])
        self.seen.add([(seed, leaf_name(path)) for path, some in self.seeds.items() for seed in some])

    def form(self, cell: Cell) -> Form:
        """Give the form of a cell's answers."""
        if cell not in self._forms:
            self._forms[cell] = form_of(cell, self.seeds[cell.path])
        return self._forms[cell]

    def problem(self, name: str) -> Problem:
        """Give a problem that may be varied, by its id."""
        return Problem.model_validate_json(self._texts[name])

    def note(self, round_: int, orders: Sequence[Order], *, drawn: bool) -> None:
        """Count a round's orders once: `drawn` where the herds have counted them already."""
        if round_ > self._noted and not drawn:
            for order in orders:
                self.herds[order.place.path].note(order)
        self._noted = max(self._noted, round_)

    def finish(
        self,
        round_: int,
        orders: Sequence[Order],
        grown: Sequence[Grown],
        rejected: Sequence[Rejected],
        counted: RoundYield,
    ) -> None:
        """Take a finished round in."""
        self.note(round_, orders, drawn=False)
        for row in grown:
            made = row.candidate
            self._take(made.problem, made.place.path, made.root, made.generation)
            self.there[made.place.cell] += 1
            self._count(made.place.path, row.votes, row.label_votes)
        self.seen.add([(row.candidate.problem, leaf_name(row.candidate.place.path)) for row in grown])
        for out in rejected:
            if out.candidate is not None:
                self._count(out.place.path, out.votes, out.label_votes)
        self.yields.append(counted)

    def by_cell(self) -> dict[Cell, Yield]:
        """Add up all rounds."""
        found: dict[Cell, Yield] = {}
        for one in self.yields:
            for cell, counted in one.by_cell().items():
                found[cell] = found.get(cell, Yield()) + counted
        return found

    def _take(self, problem: Problem, path: Path, root: str, generation: int) -> None:
        herd = self.herds.setdefault(path, Herd(self.depth))
        herd.add(problem.id, root, generation)
        self.spread.add(leaf_name(path), generation, problem)
        if generation < self.depth:
            self._texts[problem.id] = problem.model_dump_json(exclude={"labels", "rationale"}).encode()

    def _count(self, path: Path, votes: Sequence[Vote], label_votes: Sequence[Vote]) -> None:
        self.answers.add(leaf_name(path), pattern_of(votes))
        self.labels.add(leaf_name(path), pattern_of(label_votes))

"""Who and what a curation works with, bound into its graph when it is built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from selfimprove import progress
from selfimprove.config.curating import CurateConfig
from selfimprove.curating.checks import NamedCheck
from selfimprove.curating.library import Library
from selfimprove.curating.making import Generator
from selfimprove.curating.near import HELD_OUT, Embed, Seen
from selfimprove.curating.orders import Growth
from selfimprove.curating.trust import Rule
from selfimprove.curating.voting import Checkers, Solvers
from selfimprove.labels.taxonomy import Cell, Path, Taxonomy
from selfimprove.leakage import Guard
from selfimprove.ledger import Ledger, stage_of_calls
from selfimprove.programs import Program, plain
from selfimprove.programs.saved import Compiled
from selfimprove.protocols import LanguageModel, StepScorer
from selfimprove.records import Problem, Sampling
from selfimprove.store import RunFolder


@dataclass(frozen=True)
class Growers:
    """Who does what for a part of the taxonomy, by names of `Nursery.models`."""

    generate: str
    solve: tuple[str, ...]
    check: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Nursery:
    """The parts of one curation.

    Attributes:
        quotas: problems wanted by cell; each sub-type has a seed.
        seeds: the user's own problems, with labels.
        models: every language model by name, behind the ledger.
        sampling: how each solves and reasons; its longest answer.
        who: says who works on a sub-type.
        guard: knows what is held out.
        held_out: the same problems, for nearness.
        check_of: exact checks by sub-type.
        embed: vectors of texts.
        scorer: scores steps of chains of thought.
        programs: compiled programs by name; plain ones stand in for the others.
    """

    config: CurateConfig
    folder: RunFolder
    ledger: Ledger
    taxonomy: Taxonomy
    quotas: Mapping[Cell, int]
    seeds: Sequence[Problem]
    models: Mapping[str, LanguageModel]
    sampling: Mapping[str, Sampling]
    who: Callable[[Path], Growers]
    guard: Guard
    held_out: Sequence[Problem] = ()
    check_of: Callable[[Path], NamedCheck | None] = lambda _: None
    embed: Embed | None = None
    scorer: StepScorer | None = None
    programs: Mapping[str, Compiled] = field(default_factory=dict)

    def library(self) -> Library:
        """Make what is known before the first round."""
        grow = self.config.grow
        seen = Seen(
            grow.near or None,
            numbers_only=grow.numbers_only == "allow",
            embed=self.embed,
            near_meaning=grow.near_meaning,
        )
        made = Library(self.taxonomy, self.quotas, grow.depth, seen, self.config.curate.by)
        made.plant(self.seeds, count=self.config.curate.count_seeds)
        if self.held_out:
            seen.add([(problem, HELD_OUT) for problem in self.held_out])
        return made

    def counted(self) -> Iterator[tuple[Cell, Problem]]:
        """Give the seeds that count towards a quota, each with its cell."""
        for seed in self.seeds if self.config.curate.count_seeds else ():
            cell = self.taxonomy.cell_of(seed.labels, self.config.curate.by)
            if cell is not None and cell in self.quotas:
                yield cell, seed

    def growth(self) -> Growth:
        """Give how fast and far it grows."""
        grow = self.config.grow
        return Growth(grow.variants, grow.factor, grow.depth, grow.window, grow.floor, grow.floor_after)

    def rules(self) -> tuple[Rule, Rule]:
        """Give when votes on answers and on labels are enough: each has half of the doubt."""
        admit = self.config.admit
        each = admit.precision**0.5 if admit.label_votes else admit.precision
        return (
            Rule(each, admit.refuse, admit.votes, admit.correlation),
            Rule(each, admit.refuse, admit.label_votes, admit.correlation),
        )

    def generator(self, name: str) -> Generator:
        """Give what writes problems with a model."""
        how = Sampling(temperature=self.config.grow.temperature, max_tokens=self.sampling[name].max_tokens)
        allowed = self.config.grow.numbers_only == "allow"
        return Generator(self.models[name], how, allowed, self._program("generate"), self.config.curate.seed)

    def solvers(self) -> Solvers:
        """Give what solves problems with each model."""
        how = {
            name: Sampling(temperature=self.config.admit.temperature, max_tokens=one.max_tokens)
            for name, one in self.sampling.items()
        }
        return Solvers(self.models, how, self.config.curate.seed, self.programs)

    def checkers(self) -> Checkers:
        """Give what checks labels with each model."""
        admit, seed = self.config.admit, self.config.curate.seed
        program = self._program("check_label")
        return Checkers(self.taxonomy, self.models, admit.temperature, admit.label_from, seed, program)

    def _program(self, name: str) -> Program:
        """Give a program that ends in no answer: the compiled one, else the plain one."""
        return self.programs[name].program if name in self.programs else plain(name)

    def voters(self, role: str) -> dict[Path, tuple[str, ...]]:
        """Give who votes on each sub-type, as `solve` or `check`."""
        return {path: getattr(self.who(path), role) for path in {cell.path: None for cell in self.quotas}}

    @contextmanager
    def stage(self, name: str, total: int = 0) -> Iterator[progress.Watcher]:
        """Name what is being done, to the watcher and to the ledger."""
        token = stage_of_calls.set(name)
        watcher = progress.current()
        watcher.stage(name, total)
        try:
            with self.ledger.span(name):
                yield watcher
        finally:
            watcher.spent(self.ledger.spent_usd, self.ledger.budget_usd)
            stage_of_calls.reset(token)

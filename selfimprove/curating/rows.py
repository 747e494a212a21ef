"""The rows of a curation: each knows where it came from."""

from __future__ import annotations

from typing import Literal

from selfimprove.labels.taxonomy import TRAITS, Cell, Path
from selfimprove.records import Problem, Record, Verdict

Reason = Literal[
    "unreadable",
    "structure",
    "check",
    "duplicate",
    "near duplicate",
    "numbers only",
    "held out",
    "wrong answer",
    "undecided answer",
    "wrong label",
    "undecided label",
    "surplus",
]
"""Why a candidate was not admitted; `surplus` is as good as those admitted, but its quota was met by then."""


class Place(Record):
    """A cell of the taxonomy, as a row writes it."""

    path: Path
    form: str = ""
    difficulty: str = ""
    key_stage: str = ""

    @property
    def cell(self) -> Cell:
        """The same as the taxonomy has it."""
        return Cell(self.path, self.form, self.difficulty, self.key_stage)

    @classmethod
    def of(cls, cell: Cell) -> Place:
        """Write a cell."""
        return cls(path=cell.path, **{name: getattr(cell, name) for name in TRAITS})


class Order(Record):
    """One call of a generator: so many variants of one seed, for one cell."""

    id: str
    place: Place
    seed: str
    """Id of the problem that is varied."""
    root: str
    """Id of the user's own problem that the seed comes from, over all generations."""
    generation: int
    """Of what is ordered: variants of the user's own seeds are generation 1."""
    variants: int
    sample: int
    """How many orders this seed had before: the sample index of the call."""


class Candidate(Record):
    """A problem that a generator wrote, in the form that was asked for."""

    id: str
    """The problem's."""
    problem: Problem
    place: Place
    seed: str
    root: str
    generation: int
    order: str
    index: int
    """Place in the generator's reply, from 0."""
    program: str
    """Name and hash of the generator's program."""
    model: str
    """Identity of the generator."""
    call: str
    """Key of the ledger's row."""


class Vote(Record):
    """What one solver, or one checker of labels, made of one candidate."""

    candidate: str
    voter: str
    """Name of the model in the settings."""
    sample: int
    verdict: Verdict
    """`correct`: it agrees with what is stated. The others but `wrong` are no vote."""
    answer: str = ""
    call: str = ""


class Trace(Record):
    """A chain of thought that a reasoning teacher wrote for an admitted problem."""

    problem: str
    text: str = ""
    """Empty where none of the tries was verified."""
    verified: int = 0
    tried: int = 0
    score: float | None = None
    call: str = ""


class Grown(Record):
    """An admitted problem with its origin."""

    candidate: Candidate
    answer_right: float
    label_right: float
    votes: tuple[Vote, ...] = ()
    label_votes: tuple[Vote, ...] = ()
    check: str = ""
    """What showed its answer to be right, as the settings name it; empty: the votes did."""
    round: int = 0


class Rejected(Record):
    """What was not admitted, and why."""

    reason: Reason
    detail: str
    """In words: which rule, which other problem, which votes."""
    round: int
    place: Place
    generation: int
    seed: str
    order: str
    call: str
    candidate: Candidate | None = None
    """None where nothing could be read."""
    text: str = ""
    """What could not be read, shortened."""
    votes: tuple[Vote, ...] = ()
    label_votes: tuple[Vote, ...] = ()

    @classmethod
    def of(
        cls,
        candidate: Candidate,
        reason: Reason,
        detail: str,
        round_: int,
        votes: tuple[Vote, ...] = (),
        label_votes: tuple[Vote, ...] = (),
    ) -> Rejected:
        """Reject a candidate."""
        return cls(
            reason=reason,
            detail=detail,
            round=round_,
            place=candidate.place,
            generation=candidate.generation,
            seed=candidate.seed,
            order=candidate.order,
            call=candidate.call,
            candidate=candidate,
            votes=votes,
            label_votes=label_votes,
        )

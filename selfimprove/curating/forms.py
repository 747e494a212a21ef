"""The forms of answers of a cell: how a generator is told, how a solver's answer is read and compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from selfimprove.answers.kinds import Kind, guess, kind
from selfimprove.labels.taxonomy import Cell
from selfimprove.records import Parsed, Problem, Split, Verdict

MULTIPLE: Final = "multiple choice"
_TOLD: Final = {
    "number": "The answer is one number, without a unit.",
    "expression": "The answer is one number or formula.",
    "yes_no": "The answer is yes or no; about half of the problems have each.",
    "text": "The answer is a few words or signs, written exactly as in the examples.",
    "choice": (
        "Multiple choice: under the problem, four options, each on a line of its own that begins with its letter, such "
        "as A. No two mean the same, exactly one is right, and its place varies. The answer is its letter."
    ),
}


@dataclass(frozen=True)
class Form:
    """One form of answers. Satisfies `Task`, with no problems of its own."""

    kind: Kind
    name: str = "curated"

    @property
    def instruction(self) -> str:
        """What a solver is told."""
        return self.kind.instruction

    @property
    def told(self) -> str:
        """What a generator is told."""
        return _TOLD[self.kind.name]

    def problems(self, split: Split) -> Iterator[Problem]:  # noqa: ARG002 - as in Task
        """Give none."""
        return iter(())

    def parse(self, text: str) -> Parsed:
        """Read as the kind of answer does."""
        return self.kind.read(text)

    def compare(self, answer: str, problem: Problem) -> Verdict:
        """Compare as the kind of answer does."""
        return self.kind.compare(answer, problem)

    def conclude(self, rationale: str, answer: str) -> str:
        """Write the rationale and the answer in the strict form."""
        return self.kind.conclude(rationale, answer)


def form_of(cell: Cell, seeds: Sequence[Problem]) -> Form:
    """Give the form of a cell's answers: its own where it names one, else that of its sub-type's seeds.

    Args:
        cell: of the taxonomy.
        seeds: of its sub-type; the narrowest kind that fits all their answers is taken.
    """
    if cell.form == MULTIPLE or (not cell.form and seeds and all(seed.choices for seed in seeds)):
        return Form(kind("choice"))
    answers = [_said(seed) for seed in seeds]
    return Form(kind(guess(answers, choices=False) if answers else "text"))


def _said(seed: Problem) -> str:
    """Give a seed's answer in words: the option that its letter names."""
    place = ord(seed.answer) - ord("A") if len(seed.answer) == 1 else -1
    return seed.choices[place] if 0 <= place < len(seed.choices) else seed.answer

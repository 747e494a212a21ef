"""Procedural arithmetic with exact worked solutions, for measuring that learning really happens.

A level is a number of steps. Every question has a canonical form that does not change when its
operands are reordered or its story is told with other words; a hash of that form decides whether it
belongs to train, dev or test. So the splits are disjoint for every seed, and held-out accuracy
cannot be memory: from two steps on every kind has over a thousand canonical forms, from four on millions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from selfimprove.answers import number
from selfimprove.answers.kinds import labelled_conclusion
from selfimprove.errors import InputError, nearest
from selfimprove.records import Parsed, Problem, Split, Verdict
from selfimprove.tasks.arithmetic_kinds import KINDS, Worked

_BUCKETS: Final[Mapping[Split, range]] = {"test": range(10), "dev": range(10, 20), "train": range(20, 100)}
_TRIES: Final = 100_000


@dataclass(frozen=True)
class Arithmetic:
    """Questions of the chosen kinds and levels, in equal shares.

    Args:
        kinds: some of `sum`, `story`, `product`, `bracket`, `equation`.
        levels: numbers of steps, each from 1 to 8.
        largest: largest number that a step adds or takes away; questions begin with numbers up to twice as large.
        sizes: problems a split.
        seed: another seed draws other questions, never across splits.
    """

    kinds: tuple[str, ...] = tuple(KINDS)
    levels: tuple[int, ...] = (2, 3, 4)
    largest: int = 9
    sizes: Mapping[Split, int] = field(default_factory=lambda: {"train": 4000, "dev": 400, "test": 400})
    seed: int = 0

    name = "arithmetic"
    instruction = "Work step by step. End with: Answer: NUMBER"

    def __post_init__(self) -> None:
        for kind in self.kinds:
            if kind not in KINDS:
                raise InputError(f'arithmetic has no kind "{kind}"; {nearest(kind, KINDS)}')
        if not self.kinds or not self.levels or not all(1 <= level <= 8 for level in self.levels):  # noqa: PLR2004
            raise InputError(f"arithmetic needs a kind and levels from 1 to 8, not {self.levels}")

    def problems(self, split: Split) -> Iterator[Problem]:
        """Draw the split's problems, kinds and levels taking turns."""
        rng = Random(f"arithmetic {self.seed} {split}")
        cells = [(kind, level) for level in self.levels for kind in self.kinds]
        seen: set[str] = set()
        for index in range(self.sizes.get(split, 0)):
            kind, level = cells[index % len(cells)]
            yield _draw(kind, level, self.largest, split, rng, seen)

    def parse(self, text: str) -> Parsed:
        """Read `Answer: N` strictly, a stated or the last number leniently, see `answers.number`."""
        return number.read(text)

    def compare(self, answer: str, problem: Problem) -> Verdict:
        """Compare by value."""
        return number.compare(answer, problem.answer)

    def conclude(self, rationale: str, answer: str) -> str:
        """Write the steps and the answer line."""
        return labelled_conclusion(rationale, answer)


def split_of(canonical: str) -> Split:
    """Say which split a canonical form belongs to, the same for every seed and version."""
    bucket = int(hashlib.sha256(f"arithmetic:{canonical}".encode()).hexdigest(), 16) % 100
    return next(split for split, buckets in _BUCKETS.items() if bucket in buckets)


def _draw(kind: str, level: int, largest: int, split: Split, rng: Random, seen: set[str]) -> Problem:
    for _ in range(_TRIES):
        worked = KINDS[kind](rng, level, largest)
        if worked is None or worked.canonical in seen or split_of(worked.canonical) != split:
            continue
        seen.add(worked.canonical)
        return _problem(kind, level, worked)
    raise InputError(f"arithmetic: no further {kind} question of level {level}; ask for fewer problems")


def _problem(kind: str, level: int, worked: Worked) -> Problem:
    return Problem.of(
        worked.question,
        str(worked.answer),
        rationale="\n".join(worked.steps),
        decomposition=tuple(f"What is {step.rpartition(' = ')[0]}?" for step in worked.steps),
        labels={"kind": kind, "level": str(level)},
        canonical=worked.canonical,
    )

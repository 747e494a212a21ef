"""Splits: frozen when a campaign starts, and guarded from then on.

Here the guard is exact: normalised question text, and the canonical form where the task has one. What it finds is
refused and recorded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from selfimprove.errors import InputError
from selfimprove.protocols import Task
from selfimprove.records import Problem, Split

_HYPHEN: Final = re.compile(r"(?<=[^\W\d])\s*[-\u2010-\u2015]\s*(?=[^\W\d])")
_SIGN: Final = re.compile(r"([-+*/=<>^%])")
_REST: Final = re.compile(r"[^\w+\-*/=<>^%]+")


class Splits(NamedTuple):
    """The problems of a campaign."""

    train: list[Problem]
    dev: list[Problem]
    test: list[Problem]
    leaked: list[Problem]
    """Training problems that were dropped because dev or test hold them."""


def normalised(text: str) -> str:
    """Fold case, width, punctuation and white space; signs that make another sum are kept.

    >>> normalised("What  is 2+2 ?") == normalised("what is 2 + 2")
    True
    >>> normalised("What is 5 - 3?") == normalised("What is 5 + 3?")
    False
    """
    plain = _HYPHEN.sub(" ", unicodedata.normalize("NFKC", text).casefold())
    return _REST.sub(" ", _SIGN.sub(r" \1 ", plain)).strip()


class Guard:
    """Knows the held-out problems, and whether a text or problem is one of them."""

    def __init__(self, held_out: Iterable[Problem]) -> None:
        held = list(held_out)
        self._texts = {normalised(f"{p.context} {p.question}") for p in held}
        self._texts |= {normalised(p.question) for p in held if not p.context}
        self._forms = {p.canonical for p in held if p.canonical}

    def holds(self, problem: Problem) -> bool:
        """Say whether dev or test hold this problem."""
        text = normalised(f"{problem.context} {problem.question}")
        return text in self._texts or (bool(problem.canonical) and problem.canonical in self._forms)

    def holds_text(self, text: str) -> bool:
        """Say whether a text is a held-out question."""
        return normalised(text) in self._texts


def freeze(task: Task, sizes: dict[Split, int]) -> Splits:
    """Take the splits from a task.

    Raises:
        InputError: a split is empty, or dev and test share a problem.
    """
    taken: dict[Split, list[Problem]] = {}
    for split, size in sizes.items():
        taken[split] = _distinct(islice(task.problems(split), size))
        if not taken[split]:
            raise InputError(f'task "{task.name}" has no {split} problems; give it some')
    shared = {p.id for p in taken["dev"]} & {p.id for p in taken["test"]}
    if shared or any(Guard(taken["test"]).holds(p) for p in taken["dev"]):
        raise InputError(f'task "{task.name}" has problems that stand in dev and in test; separate them')
    guard = Guard([*taken["dev"], *taken["test"]])
    clean = [p for p in taken["train"] if not guard.holds(p)]
    leaked = [p for p in taken["train"] if guard.holds(p)]
    if not clean:
        raise InputError(f'every training problem of task "{task.name}" also stands in dev or test; give it others')
    return Splits(clean, taken["dev"], taken["test"], leaked)


def _distinct(problems: Iterable[Problem]) -> list[Problem]:
    found: dict[str, Problem] = {}
    for problem in problems:
        found.setdefault(problem.id, problem)
    return list(found.values())


def rungs(problems: Sequence[Problem], label: str) -> list[str]:
    """Give a label's values in natural order, numbers by size.

    Raises:
        InputError: no problem carries the label.
    """
    values = {p.labels[label] for p in problems if label in p.labels}
    if not values:
        known = sorted({name for p in problems for name in p.labels})
        raise InputError(f'select.label = "{label}": no problem carries it; labels: {", ".join(known) or "none"}')
    return sorted(values, key=lambda v: (0, float(v), "") if re.fullmatch(r"-?\d+(\.\d+)?", v) else (1, 0.0, v))

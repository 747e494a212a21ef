"""Splits: frozen when a campaign starts, and guarded from then on.

What of dev, test or a public test set stands in the training problems is dropped, and written down; so is what belongs
together with a problem of dev or test.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from selfimprove.errors import InputError
from selfimprove.leakage import Guard, HeldOut, Hit, text_of
from selfimprove.protocols import Task
from selfimprove.records import Problem, Split


class Overlap(NamedTuple):
    """A problem that shares something with what is held out."""

    problem: Problem
    hit: Hit


class Splits(NamedTuple):
    """The problems of a campaign."""

    train: list[Problem]
    dev: list[Problem]
    test: list[Problem]
    leaked: list[Overlap]
    """Training problems that were dropped because dev, test or a public test set holds them, or one of their group."""
    phrases: list[Overlap]
    """Training problems that only share phrases with held-out ones, and were kept."""
    between: list[Overlap]
    """Dev problems that are near twins of test problems; both stay, as neither is trained on."""
    guard: Guard
    """Knows dev, test and the public test sets, and the phrases of this campaign's training problems."""


def freeze(task: Task, sizes: dict[Split, int], public: Iterable[HeldOut] = ()) -> Splits:
    """Take the splits from a task.

    Args:
        task: gives the problems.
        sizes: the most problems of each split.
        public: held out besides dev and test: the public test sets of the task's family.

    Raises:
        InputError: a split is empty, dev and test share a problem or a group, or no training problem is left.
    """
    taken: dict[Split, list[Problem]] = {}
    for split, size in sizes.items():
        taken[split] = distinct(islice(task.problems(split), size))
        if not taken[split]:
            raise InputError(f'task "{task.name}" has no {split} problems; give it some')
    train, dev, test = (taken[split] for split in ("train", "dev", "test"))
    between = _between(task.name, dev, test)
    held = [HeldOut.of(p, where) for where, some in (("dev", dev), ("test", test)) for p in some]
    guard = Guard([*held, *public])
    leaked = _together(train, {"dev": dev, "test": test})
    of_group = {overlap.problem.id for overlap in leaked}
    train = [p for p in train if p.id not in of_group]
    guard.learn(text_of(p) for p in train)
    clean, phrases = list[Problem](), list[Overlap]()
    for problem in train:
        leak = guard.leak_of(problem)
        if leak is not None:
            leaked.append(Overlap(problem, leak))
            continue
        clean.append(problem)
        phrases += [Overlap(problem, hit) for hit in guard.hits(text_of(problem))[:1]]
    if not clean:
        sets = sorted({overlap.hit.where for overlap in leaked})
        raise InputError(
            f'every training problem of task "{task.name}" also stands in {", ".join(sets)}; give it others'
        )
    return Splits(clean, dev, test, leaked, phrases, between, guard)


def _together(train: Sequence[Problem], held: Mapping[str, Sequence[Problem]]) -> list[Overlap]:
    """Find training problems that belong together with held-out ones, whatever their words."""
    whose = {
        p.group: Hit(held_out=p.id, where=where, how="group", verdict="leak")
        for where, some in held.items()
        for p in some
        if p.group
    }
    return [Overlap(p, whose[p.group]) for p in train if p.group in whose]


def _between(name: str, dev: Sequence[Problem], test: Sequence[Problem]) -> list[Overlap]:
    """Find dev problems that are near twins of test problems.

    Raises:
        InputError: one is the same problem, or of the same group.
    """
    groups = {p.group for p in dev if p.group} & {p.group for p in test}
    if groups:
        raise InputError(
            f'task "{name}" has problems of one group in dev and in test, such as "{min(groups):.60}"; separate them'
        )
    guard = Guard(HeldOut.of(p, "test") for p in test)
    found = [Overlap(p, hit) for p in dev if (hit := guard.leak_of(p)) is not None]
    same = next((overlap for overlap in found if overlap.hit.how in {"exact", "canonical"}), None)
    if same is not None:
        raise InputError(
            f'task "{name}" has problems that stand in dev and in test, such as "{same.problem.question:.60}"; '
            "separate them"
        )
    return found


def distinct(problems: Iterable[Problem]) -> list[Problem]:
    """Give each problem once, where it first stands."""
    found: dict[str, Problem] = {}
    for problem in problems:
        found.setdefault(problem.id, problem)
    return list(found.values())


def values_of(problems: Iterable[Problem], setting: str, label: str) -> set[str]:
    """Give a label's values.

    Args:
        problems: that may carry it.
        setting: what names it.
        label: its name.

    Raises:
        InputError: no problem carries the label.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for problem in problems:
        for name, value in problem.labels.items():
            found[name].add(value)
    if label not in found:
        raise InputError(f'{setting} = "{label}": no problem carries it; labels: {", ".join(sorted(found)) or "none"}')
    return found[label]


def rungs(problems: Sequence[Problem], label: str) -> list[str]:
    """Give a label's values in natural order, numbers by size.

    Raises:
        InputError: no problem carries the label.
    """
    values = values_of(problems, "select.label", label)
    return sorted(values, key=lambda v: (0, float(v), "") if re.fullmatch(r"-?\d+(\.\d+)?", v) else (1, 0.0, v))

"""Problems to be labelled, as their file gives them, with the labels they have already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from selfimprove.errors import InputError, nearest
from selfimprove.labels.taxonomy import DIMENSIONS, LEVELS, TRAITS, Leaf, Taxonomy, match
from selfimprove.records import Problem
from selfimprove.tasks.choice import options
from selfimprove.tasks.source import Row, read_rows


class Given(NamedTuple):
    """A row of a file of problems.

    Attributes:
        row: as it stands there.
        problem: what a model is shown; its labels are the file's own.
        labels: those of the file's own that are dimensions, as the taxonomy writes them.
    """

    row: Row
    problem: Problem
    labels: Mapping[str, str]


def read_given(path: Path, question_field: str = "question") -> list[Given]:
    """Read a file of problems, JSON Lines or a JSON list.

    A row needs a question; it may have an answer, `choices`, a `context`, and labels under the names of `DIMENSIONS`,
    beside the question or inside `labels`. Nothing is asked of these labels yet: see `checked`.

    Raises:
        InputError: the file cannot be read, or a row has no question or the same one as another row.
    """
    found = [_given(row, question_field) for row in read_rows(path)]
    first: dict[str, Row] = {}
    for one in found:
        if (before := first.setdefault(one.problem.id, one.row)) is not one.row:
            raise InputError(f"{one.row.where}: the problem of {before.where.rpartition(', ')[2]} again; keep it once")
    return found


def _given(row: Row, question_field: str) -> Given:
    question = row.text(question_field)
    answer = row.fields.get("answer")
    choices = options(row, "choices") if row.fields.get("choices") else ()
    labels = labels_of(row)
    problem = Problem.of(
        question,
        "" if answer is None else str(answer),
        choices=choices,
        context="\n".join(row.texts("context")),
        labels=labels,
    )
    return Given(row, problem, _in_order(labels))


def labels_of(row: Row) -> dict[str, str]:
    """Read the labels that a row has: a field named like one of `DIMENSIONS`, else the same name inside `labels`.

    Whatever else stands inside `labels` is given as text; what is empty or null is no label.

    Raises:
        InputError: one of `DIMENSIONS` is no text and no number.
    """
    inside = row.fields.get("labels")
    found = dict(inside) if isinstance(inside, Mapping) else {}
    found |= {name: row.fields[name] for name in DIMENSIONS if not _empty(row.fields.get(name))}
    for name, value in found.items():
        if name in DIMENSIONS and (isinstance(value, bool) or not isinstance(value, str | int | float | None)):
            raise InputError(f'{row.where}: "{name}" is {value!r:.80}, which is no label; give it as text')
    return {str(name): str(value).strip() for name, value in found.items() if not _empty(value)}


def _empty(value: object) -> bool:
    return value is None or not str(value).strip()


def unlabelled(fields: Mapping[str, object]) -> dict[str, object]:
    """Give a row's fields without the labels that `labels_of` reads of `DIMENSIONS`, wherever they stand."""
    found = {name: value for name, value in fields.items() if name not in DIMENSIONS}
    if isinstance(inside := found.get("labels"), Mapping):
        found["labels"] = {name: value for name, value in inside.items() if name not in DIMENSIONS}
        if not found["labels"]:
            del found["labels"]
    return found


def joined(own: Mapping[str, str], said: Mapping[str, str], taxonomy: Taxonomy) -> dict[str, str]:
    """Give a problem's own labels with what was said of it, as far as one leaf of the taxonomy takes both.

    Own labels stay. What was said of a level is left out where no leaf below it takes the own labels, and so is all
    that was said below it; a trait where what is left of the path does not take it. Between own levels, and above
    them, a name that they leave no choice of is filled in.

    Args:
        own: labels that were `checked`.
        said: what a `Labeller` says.
        taxonomy: of both.
    """
    found: dict[str, str] = {}
    leaves = [leaf for leaf in taxonomy.leaves if _takes(leaf, own)]
    lowest = max((depth for depth, level in enumerate(LEVELS) if level in own), default=-1)
    follows = True
    for depth, level in enumerate(LEVELS):
        names = list(dict.fromkeys(leaf.path[depth] for leaf in leaves))
        follows = follows and said.get(level) in names
        if not follows and (depth > lowest or len(names) != 1):
            break
        found[level] = said[level] if follows else names[0]
        leaves = [leaf for leaf in leaves if leaf.path[depth] == found[level]]
    for name in (name for name in TRAITS if name in said and name not in own):
        if taking := [leaf for leaf in leaves if said[name] in leaf.shares(name)]:
            found[name], leaves = said[name], taking
    return _in_order({**found, **own})


def _takes(leaf: Leaf, labels: Mapping[str, str]) -> bool:
    path = zip(LEVELS, leaf.path, strict=True)
    return all(labels.get(level, name) == name for level, name in path) and all(
        labels[trait] in leaf.shares(trait) for trait in TRAITS if trait in labels
    )


def _in_order(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: labels[name] for name in DIMENSIONS if name in labels}


def checked(given: Sequence[Given], taxonomy: Taxonomy) -> list[Given]:
    """Give the rows with their own labels as the taxonomy writes them.

    A row may have some of the dimensions only; a level is looked up below the levels that are given above it, and a
    trait in the leaves that take all of them and the traits before it.

    Raises:
        InputError: a label is not in the taxonomy.
    """
    return [one._replace(labels=_checked(one, taxonomy)) for one in given]


def _checked(one: Given, taxonomy: Taxonomy) -> dict[str, str]:
    found: dict[str, str] = {}
    leaves = taxonomy.leaves
    for depth, level in enumerate(LEVELS):
        if level not in one.labels:
            continue
        found[level] = _known(one, level, list(dict.fromkeys(leaf.path[depth] for leaf in leaves)), taxonomy)
        leaves = tuple(leaf for leaf in leaves if leaf.path[depth] == found[level])
    for trait in (name for name in TRAITS if name in one.labels):
        values = list(dict.fromkeys(value for leaf in leaves for value in leaf.shares(trait)))
        found[trait] = _known(one, trait, values, taxonomy)
        leaves = tuple(leaf for leaf in leaves if found[trait] in leaf.shares(trait))
    return _in_order(found)


def _known(one: Given, name: str, known: Sequence[str], taxonomy: Taxonomy) -> str:
    value = one.labels[name]
    if (found := match(value, known)) is None:
        raise InputError(
            f'{one.row.where}: "{name}" is {value!r:.80}, which is not in the taxonomy "{taxonomy.name}" there; '
            f"{nearest(value, known)} (or give --no-gold: labels that the file has are then not read)"
        )
    return found

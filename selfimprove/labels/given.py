"""Problems to be labelled, as their file gives them, with the labels they have already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from selfimprove.errors import InputError, nearest
from selfimprove.labels.taxonomy import DIMENSIONS, LEVELS, TRAITS, Taxonomy, match
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
    labels = {name: text for name in DIMENSIONS if (text := _label(row, name))}
    problem = Problem.of(
        question,
        "" if answer is None else str(answer),
        choices=choices,
        context="\n".join(row.texts("context")),
        labels=labels,
    )
    return Given(row, problem, labels)


def _label(row: Row, name: str) -> str:
    inside = row.fields.get("labels")
    value = row.fields.get(name, inside.get(name) if isinstance(inside, Mapping) else None)
    if value is None or value == "":
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(f'{row.where}: "{name}" is {value!r:.80}, which is no label; give it as text')
    return str(value).strip()


def checked(given: Sequence[Given], taxonomy: Taxonomy) -> list[Given]:
    """Give the rows with their own labels as the taxonomy writes them.

    A row may have some of the dimensions only; a level is looked up below the levels that are given above it.

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
    return {name: found[name] for name in DIMENSIONS if name in found}


def _known(one: Given, name: str, known: Sequence[str], taxonomy: Taxonomy) -> str:
    value = one.labels[name]
    if (found := match(value, known)) is None:
        raise InputError(
            f'{one.row.where}: "{name}" is {value!r:.80}, which is not in the taxonomy "{taxonomy.name}" there; '
            f"{nearest(value, known)}"
        )
    return found

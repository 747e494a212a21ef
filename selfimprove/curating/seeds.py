"""Seeds from a file: problems with labels that a taxonomy has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from selfimprove.curating.checks import part_of
from selfimprove.curating.forms import MULTIPLE
from selfimprove.curating.reading import same_value
from selfimprove.errors import InputError
from selfimprove.labels.given import labels_of
from selfimprove.labels.taxonomy import DIMENSIONS, LEVELS, TRAITS, Cell, Taxonomy, folded, match
from selfimprove.programs import stated
from selfimprove.records import Problem
from selfimprove.tasks.choice import options, right_option
from selfimprove.tasks.source import Row, read_rows

_SHOWN: Final = 3
_SHORT: Final = "short answer"


def read_seeds(path: Path, taxonomy: Taxonomy, by: Sequence[str] = ("form",)) -> list[Problem]:
    """Read seeds, each once, with their labels as the taxonomy writes them.

    Args:
        path: JSON Lines with `question`, `answer`, perhaps `choices`, `context`, `rationale`; labels stand under
            `labels`, or as fields of their own, which come first.
        taxonomy: that the labels are of.
        by: traits that they need beside the levels; the form follows from the options.

    Raises:
        InputError: a row cannot be read, a label is missing or not in the taxonomy, or a problem is given twice with
            different answers or labels.
    """
    found: dict[str, tuple[Problem, Row]] = {}
    for row in read_rows(path):
        problem = _seed(row, taxonomy, by)
        before, first = found.setdefault(stated(problem), (problem, row))
        _refuse_contradiction(row, problem, first.where.rpartition(", ")[2], before)
    return [problem for problem, _ in found.values()]


def _refuse_contradiction(row: Row, problem: Problem, where: str, before: Problem) -> None:
    """Refuse a problem that was given before with another answer, or under another label."""
    was, now = ({"answer": each.answer, **each.labels} for each in (before, problem))
    for name in ("answer", *DIMENSIONS):
        old, new = was.get(name, ""), now.get(name, "")
        if old and new and old != new:
            raise InputError(
                f'{row.where}: the problem of {where} again, whose "{name}" is {old!r:.80} there and {new!r:.80} here; '
                "keep the one that is right"
            )


def _seed(row: Row, taxonomy: Taxonomy, by: Sequence[str]) -> Problem:
    question = row.text("question")
    choices = options(row, "choices") if row.fields.get("choices") else ()
    if len(set(choices)) < len(choices):
        raise InputError(f'{row.where}: "choices" holds the same option twice; make them differ')
    if pair := same_value(choices):
        raise InputError(f'{row.where}: "choices" holds "{pair[0]}" and "{pair[1]}", the same number; make them differ')
    answer = right_option(row, "answer", choices) if choices else _answer(row)
    labels = labels_of(row)
    labels["form"] = MULTIPLE if choices else _SHORT
    needed = [*LEVELS, *(trait for trait in by if trait != "form")]
    if complaint := taxonomy.complaint(labels, needed):
        raise InputError(f"{row.where}: the label {complaint}; correct it (selfimprove label writes labels)")
    leaf = taxonomy.leaf_of(labels)
    if leaf is not None:
        labels |= dict(zip(LEVELS, leaf.path, strict=True))
        labels |= {name: found for name in TRAITS if (found := match(labels.get(name, ""), leaf.shares(name)))}
    rest = {name: "\n".join(row.texts(name)) for name in ("rationale", "context")}
    return Problem.of(question, answer, choices=choices, labels=labels, **rest)


def _answer(row: Row) -> str:
    value = row.fields.get("answer")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int | float) else row.text("answer")


def wanted_of(quotas: Mapping[Cell, int], only: Sequence[str], taxonomy: Taxonomy) -> dict[Cell, int]:
    """Give the quotas of the parts that are to be grown.

    Raises:
        InputError: a part is not in the taxonomy, or nothing is wanted.
    """
    parts = [part_of(text) for text in only]
    for text, part in zip(only, parts, strict=True):
        if not taxonomy.leaves_under(part):
            raise InputError(f'curate.only: "{text}" is not in the taxonomy "{taxonomy.name}"; name a part of it')
    found = {
        cell: count
        for cell, count in quotas.items()
        if count and (not parts or any(tuple(map(folded, cell.path))[: len(part)] == part for part in parts))
    }
    if not found:
        raise InputError(f'the taxonomy "{taxonomy.name}" asks for no problems; give its subjects a size')
    return found


def refuse_barren(quotas: Mapping[Cell, int], seeds: Sequence[Problem], *, skip: bool) -> dict[Cell, int]:
    """Give the quotas of the sub-types that have a seed.

    Args:
        quotas: wanted.
        seeds: there.
        skip: leave sub-types without a seed out, rather than refuse them.

    Raises:
        InputError: a sub-type has no seed and is not to be skipped, or none has.
    """
    there = {tuple(seed.labels[level] for level in LEVELS) for seed in seeds}
    bare = dict.fromkeys(cell.path for cell in quotas if cell.path not in there)
    left = {cell: count for cell, count in quotas.items() if cell.path not in bare}
    if bare and not (skip and left):
        named = "; ".join(" > ".join(path) for path in list(bare)[:_SHOWN])
        more = f" and {len(bare) - _SHOWN} more" if len(bare) > _SHOWN else ""
        raise InputError(
            f"there is no seed for {named}{more}; give at least one problem of each, narrow curate.only, or set "
            'curate.without_seeds = "skip"'
        )
    return left

"""Rows that belong together: variants of one problem are not spread over splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from selfimprove.errors import InputError
from selfimprove.records import Problem, Split
from selfimprove.tasks.source import Row

GROUP: Final = "lineage.root"
"""Where a row of `curate` names the seed that it was grown from."""


def group_of(row: Row, name: str) -> str:
    """Give the value that a row shares with those it belongs to; empty: it stands alone.

    Args:
        row: of a file.
        name: of the field, dots before a field in a field; empty: nothing belongs together.

    Raises:
        InputError: it is a list, or holds fields.

    >>> group_of(Row({"lineage": {"root": "a1"}}, "line 1"), "lineage.root")
    'a1'
    """
    value: object = row.fields.get(name) if name in row.fields else _inner(row.fields, name)
    if isinstance(value, list | Mapping):
        raise InputError(f'{row.where}: "{name}" must be one text or number to group rows by; name another group_field')
    return "" if value is None else str(value)


def _inner(fields: Mapping[str, object], name: str) -> object:
    value: object = fields
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def kept_apart(pools: Mapping[Split, Sequence[tuple[str, Problem]]]) -> dict[Split, list[Problem]]:
    """Take out of dev what is of a group in test, and out of train what is of a group in either.

    Args:
        pools: groups and problems.
    """
    taken: set[str] = set()
    kept: dict[Split, list[Problem]] = {}
    order: tuple[Split, ...] = ("test", "dev", "train")
    for split in order:
        kept[split] = [problem for group, problem in pools[split] if group not in taken]
        taken |= {group for group, _ in pools[split] if group}
    return {split: kept[split] for split in reversed(order)}


def move_nearest(pools: Mapping[Split, list[tuple[str, Problem]]], split: Split, place: Callable[[str], float]) -> None:
    """Move one whole group from train into a split that nothing fell into; none where train would be left empty.

    Args:
        pools: groups and problems; changed.
        split: that is empty.
        place: of a group, in [0, 1); train's are the highest.
    """
    groups = {group for group, _ in pools["train"]}
    named = sorted(groups - {""}, key=lambda group: (place(group), group))
    if not named or len(groups) == 1:
        return
    pools[split].extend(pair for pair in pools["train"] if pair[0] == named[0])
    pools["train"][:] = [pair for pair in pools["train"] if pair[0] != named[0]]

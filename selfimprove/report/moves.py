"""Which groups of failures the page shows, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from selfimprove.formats import percent
from selfimprove.mining.kinds import Kind
from selfimprove.mining.patterns import ALL
from selfimprove.report.failing_schema import FailureGroup, GroupExample, GroupRound, RepairRound
from selfimprove.report.figures import Cell, Heat, in_order
from selfimprove.report.schema import Summary

_ROWS: Final = 10
_EXAMPLES: Final = 3


@dataclass(frozen=True)
class Moves:
    """Groups that share one thing, and their failure rates round by round."""

    by: str
    rounds: tuple[int, ...]
    rows: tuple[tuple[FailureGroup, tuple[GroupRound | None, ...]], ...]
    left_out: int
    """Groups that are not shown: those with the fewest failures."""
    examples: tuple[tuple[FailureGroup, GroupExample], ...]
    """Of the groups that fail most."""


def move_tables(summary: Summary) -> list[Moves]:
    """Lay out the failure rates of the pools by what groups share; the whole pool leads the first table."""
    everything = [group for group in summary.failing if group.by == ALL]
    rest = [group for group in summary.failing if group.by != ALL]
    rounds = tuple(sorted({made.round for group in everything for made in group.rounds}))
    shown: set[str] = set()
    made = list[Moves]()
    for by, groups in groupby(rest, key=lambda group: group.by):
        table = _table(by, list(groups), rounds, shown)
        if not made or _counts(table) != _counts(made[-1]):  # a level may be the number of steps by another name
            made.append(table)
    if everything and not made:
        return [_table(ALL, everything, rounds, shown)]
    return [_led(table, everything, rounds) if at == 0 else table for at, table in enumerate(made)]


def _counts(table: Moves) -> list[tuple[str, tuple[GroupRound | None, ...]]]:
    return [(group.value, cells) for group, cells in table.rows]


def _table(by: str, groups: Sequence[FailureGroup], rounds: tuple[int, ...], seen: set[str]) -> Moves:
    """Lay out one table; problems that were `seen` as examples are not shown again, and its own are added."""
    shown = groups[:_ROWS]
    named = {group.value: group for group in shown}
    if all(value.isdecimal() for value in named):
        shown = [named[value] for value in in_order(named)]
    worst = sorted(shown, key=lambda group: -(group.rounds[-1].rate or 0.0))
    examples: list[tuple[FailureGroup, GroupExample]] = []
    for group in worst:
        new = next((one for one in group.examples if one.question not in seen), None)
        if new is not None and len(examples) < _EXAMPLES:
            seen.add(new.question)
            examples.append((group, new))
    rows = tuple((group, _cells(group, rounds)) for group in shown)
    return Moves(by, rounds, rows, len(groups) - len(shown), tuple(examples))


def _led(table: Moves, everything: Sequence[FailureGroup], rounds: tuple[int, ...]) -> Moves:
    lead = tuple((group, _cells(group, rounds)) for group in everything)
    return Moves(table.by, rounds, (*lead, *table.rows), table.left_out, table.examples)


def _cells(group: FailureGroup, rounds: Sequence[int]) -> tuple[GroupRound | None, ...]:
    known = {made.round: made for made in group.rounds}
    return tuple(known.get(round_) for round_ in rounds)


def kind_table(summary: Summary) -> Heat | None:
    """Lay out how many problems of each round's pool were of each kind; None where nothing was mined."""
    pools = [made for group in summary.failing if group.by == ALL for made in group.rounds]
    kinds = [kind.value for kind in Kind if any(kind.value in made.kinds for made in pools)]
    if not pools:
        return None
    rows = [(f"round {made.round}", tuple(_kind(made, kind) for kind in kinds)) for made in pools]
    return Heat("How it fails, round by round", tuple(kinds), tuple(rows))


def _kind(made: GroupRound, kind: str) -> Cell:
    count, total = made.kinds.get(kind, 0), sum(made.kinds.values())
    share = count / total if total else 0.0
    return Cell(share, f"{count}", f"{percent(share, 0)} of {total}")


@dataclass(frozen=True)
class Mended:
    """Dev problems of one label: failures that became successes, and successes that were lost, round by round."""

    by: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[RepairRound | None, ...]], ...]


def repair_tables(summary: Summary) -> list[Mended]:
    """Lay out what each round made of the dev problems; labels of many values are not shown."""
    arms = list(dict.fromkeys((row.round, row.arm) for row in summary.rounds))
    several = len({arm for _, arm in arms}) > 1
    heads = tuple(f"round {n}" + (f", {arm}" if several else "") for n, arm in arms)
    made = []
    for by, groups in groupby(summary.repairs, key=lambda group: group.by):
        values: Mapping[str, Sequence[RepairRound]] = {group.value: group.rounds for group in groups}
        if not arms or len(values) > _ROWS:
            continue
        rows = [(value, {(one.round, one.arm): one for one in values[value]}) for value in in_order(values)]
        made.append(Mended(by, heads, tuple((value, tuple(known.get(a) for a in arms)) for value, known in rows)))
    return made

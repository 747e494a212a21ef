"""Where the student fails, and what became of its failures: read from the pools and predictions of the rounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from selfimprove.graphs.places import round_folder
from selfimprove.mining.library import Graded
from selfimprove.mining.patterns import ALL, Group, Movement, Patterns, movements
from selfimprove.records import Attempt, Problem, Verdict
from selfimprove.report.failing_schema import FailureGroup, GroupExample, GroupRound, RepairRound, Repairs
from selfimprove.store import RunFolder

_MOST_GROUPS: Final = 50
"""Of one `by`: those with the most failures."""
_MOST_VALUES: Final = 50
"""Of one label, in the table of repairs."""


class _Pool(NamedTuple):
    """What one round found out about its pool."""

    round: int
    patterns: Patterns
    graded: Mapping[str, Graded]
    tried: frozenset[str]


def failure_groups(folder: RunFolder, rounds: int) -> tuple[FailureGroup, ...]:
    """Follow the groups of failures over the rounds, `all` first, then those with the most failures of each kind.

    Args:
        folder: the run folder.
        rounds: how many there are at most.
    """
    pools = list(_pools(folder, rounds))
    by_id = {p.id: p for p in folder.rows("data/train.jsonl", Problem)} if pools else {}
    by_key = [{(g.by, g.value): g for g in pool.patterns.groups} for pool in pools]
    seen: dict[str, int] = {}
    found = []
    all_moved = movements([pool.patterns for pool in pools], [pool.tried for pool in pools])
    for moved in sorted(all_moved, key=lambda m: _place(m, by_key)):
        seen[moved.by] = seen.get(moved.by, 0) + 1
        if seen[moved.by] <= _MOST_GROUPS:
            groups = [known.get((moved.by, moved.value)) for known in by_key]
            found.append(_followed(moved, pools, groups, by_id))
    return tuple(found)


def _place(moved: Movement, by_key: Sequence[Mapping[tuple[str, str], Group]]) -> tuple[bool, str, int, str]:
    failed = sum(known[moved.by, moved.value].failed for known in by_key if (moved.by, moved.value) in known)
    return moved.by != ALL, moved.by, -failed, moved.value


def _pools(folder: RunFolder, rounds: int) -> Iterator[_Pool]:
    for round_ in range(1, rounds + 1):
        here = round_folder(round_)
        if folder.has(f"{here}/patterns.json"):
            graded = {g.problem: g for g in folder.rows(f"{here}/grades.jsonl", Graded)}
            patterns = folder.record(f"{here}/patterns.json", Patterns)
            yield _Pool(round_, patterns, graded, _tried(folder, round_))


def _tried(folder: RunFolder, round_: int) -> frozenset[str]:
    name = f"{round_folder(round_)}/drafts.jsonl"
    return frozenset(attempt.problem for attempt in folder.rows(name, Attempt)) if folder.has(name) else frozenset()


def tried_again(folder: RunFolder, rounds: int) -> int:
    """Count what rounds tried that an earlier one had tried before, for want of others."""
    known, again = set[str](), 0
    for round_ in range(1, rounds + 1):
        tried = _tried(folder, round_)
        again += len(known & tried)
        known |= tried
    return again


def _followed(
    moved: Movement, pools: Sequence[_Pool], groups: Sequence[Group | None], by_id: Mapping[str, Problem]
) -> FailureGroup:
    there = [(pool, group) for pool, group in zip(pools, groups, strict=True) if group is not None]
    shown: Sequence[GroupExample] = ()
    found = moved.interval
    for pool, group in there:
        shown = [e for i in group.examples if (e := _example(pool, i, by_id)) is not None] or shown
    return FailureGroup(
        by=moved.by,
        value=moved.value,
        rounds=tuple(_in_round(pool.round, group) for pool, group in there),
        change=None if moved.change is None else round(100 * moved.change, 4),
        interval=None if found is None else (round(100 * found.low, 2), round(100 * found.high, 2)),
        examples=tuple(shown),
    )


def _in_round(round_: int, group: Group) -> GroupRound:
    return GroupRound(
        round=round_,
        tried=group.tried,
        failed=group.failed,
        no_verdict=group.technical,
        rate=group.rate if group.tried else None,
        interval=(group.interval.low, group.interval.high),
        kinds=group.kinds,
    )


def _example(pool: _Pool, problem: str, by_id: Mapping[str, Problem]) -> GroupExample | None:
    row, asked = pool.graded.get(problem), by_id.get(problem)
    if row is None or asked is None:
        return None
    return GroupExample(round=pool.round, question=asked.question, answer=asked.answer, text=row.attempt, kind=row.kind)


class _Change(NamedTuple):
    """The dev predictions of an arm, beside those of the best before it."""

    round: int
    arm: str
    before: Mapping[str, bool]
    after: Mapping[str, bool]


def repairs(folder: RunFolder, arms: Sequence[tuple[int, str]]) -> tuple[Repairs, ...]:
    """Count, on dev, the failures that each arm of each round repaired and the successes that it lost, by label.

    Args:
        folder: the run folder.
        arms: round and name of each arm that was decided on, in order.
    """
    changes = [_change(folder, round_, arm) for round_, arm in arms]
    if not changes:
        return ()
    groups: dict[tuple[str, str], list[str]] = {}
    for problem in folder.rows("data/dev.jsonl", Problem):
        for key in ((ALL, ALL), *sorted(problem.labels.items())):
            groups.setdefault(key, []).append(problem.id)
    values: dict[str, int] = {}
    for by, _ in groups:
        values[by] = values.get(by, 0) + 1
    return tuple(
        Repairs(by=by, value=value, rounds=tuple(_repaired(change, ids) for change in changes))
        for (by, value), ids in sorted(groups.items(), key=lambda pair: (pair[0][0] != ALL, pair[0]))
        if values[by] <= _MOST_VALUES
    )


def _change(folder: RunFolder, round_: int, arm: str) -> _Change:
    before = folder.json(f"{round_folder(round_ - 1)}/decision.json")["predictions"]
    after = f"{round_folder(round_)}/arms/{arm}/predictions.jsonl"
    return _Change(round_, arm, _right(folder, before), _right(folder, after))


def _right(folder: RunFolder, name: str) -> dict[str, bool]:
    return {a.problem: a.verdict is Verdict.CORRECT for a in folder.rows(name, Attempt)}


def _repaired(change: _Change, ids: Sequence[str]) -> RepairRound:
    known = [i for i in ids if i in change.before and i in change.after]
    failed = [i for i in known if not change.before[i]]
    solved = [i for i in known if change.before[i]]
    return RepairRound(
        round=change.round,
        arm=change.arm,
        failed=len(failed),
        repaired=sum(change.after[i] for i in failed),
        solved=len(solved),
        lost=sum(not change.after[i] for i in solved),
    )

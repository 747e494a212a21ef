"""Where failures lie: groups of problems that fail more often than others, and how that moves from round to round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final, NamedTuple

from pydantic import Field

from selfimprove.mining.kinds import Kind, Mined
from selfimprove.records import Interval, Problem, Record
from selfimprove.stats import wilson

_EXAMPLES: Final = 3
STEPS: Final = "reasoning steps"
FIRST_WRONG: Final = "first wrong step"
TEXT: Final = "wording"
ALL: Final = "all"
OTHER: Final = "(other)"
"""Value of the group that sums up what is too rare to be told apart."""
_MOST: Final = 500
"""Values of one label that are told apart, unless told otherwise: the most frequent ones."""
_ROOM: Final = 10
"""Times as many are counted before the rarest are folded, so that a frequent value is not among them."""


class Group(Record):
    """Problems that share something, and how many of them fail."""

    by: str
    """What they share: a label's name, `reasoning steps`, `first wrong step`, `wording`, or `all`."""
    value: str
    tried: int
    """Problems with a verdict; for a first wrong step those of the whole pool, as only failures have one."""
    failed: int
    """Those that are wrong, inconsistent or lucky."""
    technical: int
    """Problems without a verdict; in neither."""
    rate: float
    """Share of failures, 0 where nothing was tried."""
    interval: Interval
    """95 % interval of the share."""
    kinds: Mapping[str, int] = Field(default_factory=dict)
    """Problems of each kind, see `kinds.Kind`."""
    examples: tuple[str, ...] = ()
    """Ids of some failures."""


class Patterns(Record):
    """The groups of one round, those of one `by` together, the most failing first."""

    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()
    """Which labels have too many values, and how many problems are summed as `(other)`: one sentence each."""


class Found(NamedTuple):
    """A mined problem, and what else it is grouped by."""

    problem: Problem
    mined: Mined
    first_wrong: int | None = None
    """The first wrong step, counted from 1, where a scorer or an exact check can tell."""
    wording: str = ""
    """Name of its text cluster, see `wording.Wording`."""


class _Count:
    """The kinds of the problems of one group, and some failures among them."""

    def __init__(self) -> None:
        self.kinds: Counter[Kind] = Counter()
        self.examples: list[str] = []

    def add(self, kinds: Mapping[Kind, int], failures: Sequence[str]) -> None:
        self.kinds.update(kinds)
        self.examples += failures[: _EXAMPLES - len(self.examples)]


class _Values:
    """The groups of one `by`, of which the rarest are folded into one when there are too many to keep."""

    def __init__(self) -> None:
        self.counts: dict[str, _Count] = {}
        self.other = _Count()

    def fold(self, most: int) -> None:
        """Keep the most frequent values, those seen first before others as frequent."""
        ranked = sorted(self.counts, key=lambda value: -self.counts[value].kinds.total())
        for value in ranked[most:]:
            folded = self.counts.pop(value)
            self.other.add(folded.kinds, folded.examples)


class Tally:
    """Counts groups as problems come, without keeping the problems: for pools of any size.

    A label can have a value of its own for each problem, so only the most frequent values are told apart and the rest
    are summed as `(other)`. Up to ten times `most` values of a label this is exact. Beyond, the rarest are folded
    while problems come, and one that comes again counts from there on, what was folded of it staying in `(other)`.

    Args:
        most: values of one label that are told apart.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._by: dict[str, _Values] = {}

    def add(self, found: Iterable[Found]) -> None:
        """Count some problems."""
        for one in found:
            kind = one.mined.kind
            for by, value in _keys(one):
                values = self._by.setdefault(by, _Values())
                values.counts.setdefault(value, _Count()).add({kind: 1}, [one.problem.id] if kind.failure else [])
                if len(values.counts) > _ROOM * self._most:
                    values.fold(self._most)

    def patterns(self) -> Patterns:
        """Give the groups."""
        pool = self._by[ALL].counts[ALL].kinds if self._by else Counter[Kind]()
        groups, notes = list[Group](), list[str]()
        for by, values in sorted(self._by.items()):
            values.fold(self._most)
            among = pool if by == FIRST_WRONG else None
            made = [_group((by, value), count, among or count.kinds) for value, count in values.counts.items()]
            groups += sorted(made, key=lambda g: (-g.rate, -g.tried, g.value))
            if rest := values.other.kinds.total():
                groups.append(_group((by, OTHER), values.other, among or values.other.kinds))
                notes.append(
                    f"{by}: the {len(made)} most frequent values are told apart, and the {rest} problems of the others "
                    f"are summed as {OTHER}"
                )
        return Patterns(groups=tuple(groups), notes=tuple(notes))


def find_patterns(found: Iterable[Found]) -> Patterns:
    """Group mined problems by all of their labels, by reasoning steps, by first wrong step and by wording."""
    tally = Tally()
    tally.add(found)
    return tally.patterns()


def steps_of(problem: Problem) -> int:
    """Count the reasoning steps of a problem: its label `steps`, else its sub-questions, else its rationale's lines."""
    stated = problem.labels.get("steps", "")
    if stated.isdecimal():
        return int(stated)
    return len(problem.decomposition) or sum(bool(line.strip()) for line in problem.rationale.splitlines())


class Movement(Record):
    """How a group's failure rate moved over rounds.

    None: none of its problems was tried in that round, or so few that they were not told apart.
    """

    by: str
    value: str
    rates: tuple[float | None, ...]
    """Share of failures, a round each."""
    tried: tuple[int, ...]
    change: float | None
    """Last rate known less the first; under 0 it got better. None where fewer than two are known."""
    interval: Interval | None
    """95 % interval of the change. None where the two rounds share problems, so that their shares are not
    independent."""


def movements(rounds: Sequence[Patterns], tried: Sequence[AbstractSet[str]]) -> list[Movement]:
    """Follow each group over the rounds, the most improved first within what groups share.

    What is summed as `(other)` is left out: it holds other values each round. A change is between rounds in which most
    of a group have a verdict: where few have one, those are not like the rest.

    Args:
        rounds: the patterns of each, in order.
        tried: ids of the problems that each tried.
    """
    by_round = [{(g.by, g.value): g for g in patterns.groups} for patterns in rounds]
    keys = dict.fromkeys(key for groups in by_round for key in groups if key[1] != OTHER)
    moved = [_movement(key, [groups.get(key) for groups in by_round], tried) for key in keys]
    return sorted(moved, key=lambda m: (m.by, m.change if m.change is not None else 1.0, m.value))


def _movement(key: tuple[str, str], groups: Sequence[Group | None], tried: Sequence[AbstractSet[str]]) -> Movement:
    known = [(g, ids) for g, ids in zip(groups, tried, strict=True) if g is not None and g.tried > g.technical]
    (first, before), (last, after) = (known[0], known[-1]) if len(known) > 1 else ((None, set()), (None, set()))
    return Movement(
        by=key[0],
        value=key[1],
        rates=tuple(g.rate if g is not None and g.tried else None for g in groups),
        tried=tuple(g.tried if g is not None else 0 for g in groups),
        change=round(last.rate - first.rate, 6) if first and last else None,
        interval=_difference(first, last) if first and last and not before & after else None,
    )


def _difference(old: Group, new: Group) -> Interval:
    """Give Newcombe's interval of a difference of independent shares (1998, method 10)."""
    low = ((new.rate - new.interval.low) ** 2 + (old.interval.high - old.rate) ** 2) ** 0.5
    high = ((new.interval.high - new.rate) ** 2 + (old.rate - old.interval.low) ** 2) ** 0.5
    change = new.rate - old.rate
    return Interval(low=round(max(-1.0, change - low), 4), high=round(min(1.0, change + high), 4))


def _keys(one: Found) -> list[tuple[str, str]]:
    keys = [(ALL, ALL), *one.problem.labels.items(), (STEPS, str(steps_of(one.problem)))]
    if one.first_wrong is not None and one.mined.kind.failure:
        keys.append((FIRST_WRONG, str(one.first_wrong)))
    return [*keys, (TEXT, one.wording)] if one.wording else keys


def _group(key: tuple[str, str], counted: _Count, among: Counter[Kind]) -> Group:
    failed = sum(count for kind, count in counted.kinds.items() if kind.failure)
    technical = sum(count for kind, count in among.items() if kind.technical)
    tried = among.total() - technical
    return Group(
        by=key[0],
        value=key[1],
        tried=tried,
        failed=failed,
        technical=technical,
        rate=round(failed / tried, 6) if tried else 0.0,
        interval=wilson(failed, tried),
        kinds={kind.value: count for kind, count in sorted(counted.kinds.items())},
        examples=tuple(counted.examples),
    )

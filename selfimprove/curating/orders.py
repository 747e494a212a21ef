"""What is ordered next: the largest deficits, and variants of the seeds that were copied least."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from selfimprove.curating.rows import Order, Place
from selfimprove.curating.yields import Yield
from selfimprove.labels.taxonomy import Cell, Path
from selfimprove.records import digest

_SPARE: Final = 1.05
"""More is ordered than the yield asks for, so that a quota seldom needs another round for its last few."""
_PRIOR_YIELD: Final = 0.6
_PRIOR_WEIGHT: Final = 20.0


class Growth(NamedTuple):
    """How fast and how far problems are grown.

    Attributes:
        variants: asked for in one call.
        factor: the most that a sub-type's problems are multiplied by in one round: 10 goes 10, 100, 1000.
        depth: generations, at most; problems of the last one are no seeds.
        window: variants ordered in one round, at most, over all cells.
        floor: yield under which a cell is given up.
        floor_after: variants that a yield is looked at over.
    """

    variants: int = 5
    factor: float = 10.0
    depth: int = 3
    window: int = 4000
    floor: float = 0.05
    floor_after: int = 100


class _Member(NamedTuple):
    id: str
    root: str
    generation: int


@dataclass
class Herd:
    """The problems of one sub-type that may be varied, each with how often it was.

    The next seed is of the family (the user's own problem and all that grew from it) that was ordered from least, and
    in that family the problem that was copied least; ties by a hash. So a problem that has many descendants is not
    drawn more often for that, and neither is one whose variants passed.
    """

    depth: int
    members: dict[str, _Member] = field(default_factory=dict)
    _copies: dict[str, int] = field(default_factory=dict)
    _families: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, problem: str, root: str, generation: int) -> None:
        """Take a problem in."""
        if problem not in self.members:
            self.members[problem] = _Member(problem, root, generation)
            self._families[root] += 0

    def note(self, order: Order) -> None:
        """Count an order."""
        self._copies[order.seed] = self._copies.get(order.seed, 0) + 1
        self._families[order.root] += 1

    def draw(self, place: Place, sizes: Sequence[int], seed: int) -> list[Order]:
        """Order variants, one order for each size, of this sub-type's problems only.

        Args:
            place: what is ordered.
            sizes: variants of each order.
            seed: of the ties.
        """
        by_family: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
        for one in self.members.values():
            if one.generation < self.depth:
                by_family[one.root].append((self._copies.get(one.id, 0), digest(seed, one.id), one.id))
        for listed in by_family.values():
            heapq.heapify(listed)
        families = [(self._families[root], digest(seed, root), root) for root in by_family]
        heapq.heapify(families)
        made: list[Order] = []
        for variants in sizes if families else ():
            count, luck, root = heapq.heappop(families)
            copies, own_luck, name = heapq.heappop(by_family[root])
            order = _order(place, self.members[name], variants, copies)
            self.note(order)
            made.append(order)
            heapq.heappush(by_family[root], (copies + 1, own_luck, name))
            heapq.heappush(families, (count + 1, luck, root))
        return made


def _order(place: Place, member: _Member, variants: int, sample: int) -> Order:
    identity = digest("order", place.model_dump(), member.id, sample)
    return Order(
        id=identity,
        place=place,
        seed=member.id,
        root=member.root,
        generation=member.generation + 1,
        variants=variants,
        sample=sample,
    )


class Need(NamedTuple):
    """A cell that is not full."""

    cell: Cell
    missing: int


def deficits(quotas: Mapping[Cell, int], there: Mapping[Cell, int], closed: Iterable[Cell] = ()) -> list[Need]:
    """Give the cells that lack problems, the largest deficit first, without those that are given up."""
    gone = set(closed)
    needs = [Need(cell, wanted - there.get(cell, 0)) for cell, wanted in quotas.items() if cell not in gone]
    return sorted((need for need in needs if need.missing > 0), key=lambda need: (-need.missing, need.cell))


def order_round(
    needs: Sequence[Need], herds: Mapping[Path, Herd], yields: Mapping[Cell, Yield], growth: Growth, seed: int
) -> list[Order]:
    """Order one round: what the largest deficits take at their yield, as far as growth and the window allow.

    Where the window is too small for all, the deficits that are left are made equal.

    Args:
        needs: the largest first.
        herds: of each sub-type; counts the orders.
        yields: of each cell so far.
        growth: how fast.
        seed: of the ties.
    """
    wanted = {need.cell: _wanted(need, herds[need.cell.path], yields.get(need.cell, Yield()), growth) for need in needs}
    given = _share(needs, wanted, growth.window)
    made: list[Order] = []
    for need in needs:
        count = given[need.cell]
        whole, rest = divmod(count, growth.variants)
        sizes = [growth.variants] * whole + ([rest] if rest else [])
        made += herds[need.cell.path].draw(Place.of(need.cell), sizes, seed)
    return made


def _wanted(need: Need, herd: Herd, so_far: Yield, growth: Growth) -> int:
    rate = (so_far.admitted + _PRIOR_YIELD * _PRIOR_WEIGHT) / (so_far.ordered + _PRIOR_WEIGHT)
    most = max(growth.variants, math.floor((growth.factor - 1) * len(herd.members)))
    return math.ceil(_SPARE * min(need.missing, most) / max(rate, growth.floor))


def _share(needs: Sequence[Need], wanted: Mapping[Cell, int], window: int) -> dict[Cell, int]:
    """Give the window to the largest deficits first, so that those left are equal: by the level they come down to."""
    if sum(wanted.values()) <= window:
        return dict(wanted)

    def at(level: float) -> dict[Cell, int]:
        shares = {need.cell: max(0.0, 1 - level / need.missing) for need in needs}
        return {cell: math.floor(wanted[cell] * share) for cell, share in shares.items()}

    low, high = 0.0, float(max(need.missing for need in needs))
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if sum(at(middle).values()) <= window else (middle, high)
    return (
        at(high)
        if sum(at(high).values())
        else {needs[0].cell: min(window, wanted[needs[0].cell])} | {need.cell: 0 for need in needs[1:]}
    )

"""What became of what was ordered, by sub-type and generation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pydantic import Field

from selfimprove.curating.rows import Grown, Order, Place, Rejected
from selfimprove.labels.taxonomy import Cell
from selfimprove.records import Record


class Yield(Record):
    """Of one cell, over all or some generations."""

    ordered: int = 0
    """Variants asked for."""
    read: int = 0
    """Problems that could be read in the replies."""
    admitted: int = 0
    surplus: int = 0
    """As good as the admitted ones, but the quota was met."""
    reasons: Mapping[str, int] = Field(default_factory=dict)
    """Rejected ones by reason; one unreadable reply counts for all its variants."""

    @property
    def rate(self) -> float:
        """Share of what was ordered that was good enough."""
        return (self.admitted + self.surplus) / self.ordered if self.ordered else 0.0

    def __add__(self, other: Yield) -> Yield:
        reasons = Counter(self.reasons)
        reasons.update(other.reasons)
        return Yield(
            ordered=self.ordered + other.ordered,
            read=self.read + other.read,
            admitted=self.admitted + other.admitted,
            surplus=self.surplus + other.surplus,
            reasons=dict(sorted(reasons.items())),
        )


class CellYield(Record):
    """A yield with what it is of."""

    place: Place
    generation: int
    counted: Yield


class RoundYield(Record):
    """What a round came to."""

    round: int
    yields: tuple[CellYield, ...]

    def by_cell(self) -> dict[Cell, Yield]:
        """Add up the generations of each cell."""
        found: dict[Cell, Yield] = {}
        for one in self.yields:
            found[one.place.cell] = found.get(one.place.cell, Yield()) + one.counted
        return found


def count_round(
    round_: int, orders: Sequence[Order], admitted: Iterable[Grown], rejected: Iterable[Rejected]
) -> RoundYield:
    """Count what became of a round's orders."""
    ordered: Counter[tuple[Cell, int]] = Counter()
    good: Counter[tuple[Cell, int]] = Counter()
    reasons: dict[tuple[Cell, int], Counter[str]] = {}
    read: Counter[tuple[Cell, int]] = Counter()
    for order in orders:
        ordered[order.place.cell, order.generation] += order.variants
    for row in admitted:
        key = row.candidate.place.cell, row.candidate.generation
        good[key] += 1
        read[key] += 1
    for out in rejected:
        key = out.place.cell, out.generation
        reasons.setdefault(key, Counter())[out.reason] += 1
        read[key] += out.candidate is not None
    return RoundYield(
        round=round_,
        yields=tuple(
            CellYield(
                place=Place.of(cell),
                generation=generation,
                counted=Yield(
                    ordered=ordered[cell, generation],
                    read=read[cell, generation],
                    admitted=good[cell, generation],
                    surplus=reasons.get((cell, generation), Counter())["surplus"],
                    reasons=dict(sorted(reasons.get((cell, generation), Counter()).items())),
                ),
            )
            for cell, generation in sorted(ordered)
        ),
    )


def given_up(rounds: Sequence[RoundYield], floor: float, after: int) -> dict[Cell, float]:
    """Give the cells whose yield over the last `after` variants, or a little more, is under the floor."""
    found: dict[Cell, float] = {}
    last: dict[Cell, Yield] = {}
    for one in reversed(rounds):
        for cell, counted in one.by_cell().items():
            known = last.get(cell, Yield())
            if known.ordered < after:
                last[cell] = known + counted
    for cell, counted in last.items():
        if counted.ordered >= after and counted.rate < floor:
            found[cell] = counted.rate
    return found

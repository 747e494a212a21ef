"""Which problems a reinforced student practises on: those whose group of tries is likely to hold both right and wrong.

A group that is all right or all wrong has no advantage and teaches nothing. Pass rates start from what mining counted,
follow what training sees, and forget, as the student moves.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any, Final

_KEPT: Final = 0.8
"""Weight of what was counted before, each time a problem is tried again."""
_KEENNESS: Final = 8
"""Power of the chance to be informative by which problems are drawn (Efraimidis and Spirakis 2006,
doi:10.1016/j.ipl.2005.11.003): 0 draws all alike, more takes the likeliest ever oftener."""
_LEAST: Final = 1e-30
_PRIOR: Final = 0.5
"""Jeffreys' prior of a pass rate, on either side."""


class PassRates:
    """Pass rates of problems, by place.

    Args:
        passed: right tries of each problem, shape `[P]`.
        failed: wrong ones.
        group: tries that a problem gets at a time.
    """

    def __init__(self, passed: Sequence[float], failed: Sequence[float], group: int) -> None:
        self._passed, self._failed, self.group = list(map(float, passed)), list(map(float, failed)), group
        self.mixed = self.seen = self.right = self.decided = 0
        self._told: tuple[int, ...] = (0, 0, 0, 0)

    def update(self, place: int, right: int, wrong: int) -> None:
        """Take in a group of tries; those without a verdict are in neither count."""
        self._passed[place] = _KEPT * self._passed[place] + right
        self._failed[place] = _KEPT * self._failed[place] + wrong
        self.seen += 1
        self.mixed += bool(right and wrong)
        self.right += right
        self.decided += right + wrong

    def informative(self, place: int) -> float:
        """Give the chance that a group holds both right and wrong tries, with the pass rate's own uncertainty.

        Under a Beta posterior a group is all right with the chance of `group` successes in a row.
        """
        a, b = self._passed[place] + _PRIOR, self._failed[place] + _PRIOR
        return 1.0 - _in_a_row(a, a + b, self.group) - _in_a_row(b, a + b, self.group)

    def state(self) -> dict[str, Any]:
        """Give what was counted."""
        counts = {"counts": list(self._counts), "told": list(self._told)}
        return {"passed": self._passed, "failed": self._failed, **counts}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self._passed, self._failed = list(state["passed"]), list(state["failed"])
        self.mixed, self.seen, self.right, self.decided = state["counts"]
        self._told = tuple(state["told"])

    @property
    def _counts(self) -> tuple[int, ...]:
        return self.mixed, self.seen, self.right, self.decided

    @property
    def share(self) -> float:
        """Share of the groups seen that held both."""
        return self.mixed / self.seen if self.seen else 0.0

    def lately(self) -> tuple[float | None, float | None]:
        """Give the same of the groups since this was last asked, and the share of right tries; None without any."""
        mixed, seen, right, decided = (now - told for now, told in zip(self._counts, self._told, strict=True))
        self._told = self._counts
        return mixed / seen if seen else None, right / decided if decided else None


def _in_a_row(a: float, total: float, times: int) -> float:
    """Give the chance of `times` successes in a row under a Beta posterior with `a` of `total`.

    >>> _in_a_row(1, 2, 1)
    0.5
    """
    chance = 1.0
    for n in range(times):
        chance *= (a + n) / (total + n)
    return chance


class Practice:
    """Draws problems for a trainer that asks for one group after another, for as long as it asks.

    What was drawn is remembered: a trainer that goes on from a checkpoint asks for all of it again, to pass over it.

    Args:
        rates: of the problems, as they now are.
        groups: different problems in a batch.
        again: times each batch is given, see TRL's `RepeatSampler`.
        seed: of the draw.
        length: problems that it gives at most.
    """

    def __init__(self, rates: PassRates, groups: int, again: int, seed: int, length: int) -> None:
        self.rates, self.groups, self.again, self.length = rates, groups, again, length
        self._rng, self._count = Random(f"practice {seed}"), len(rates._passed)  # noqa: SLF001 - its own module
        self._drawn: list[list[int]] = []

    def __len__(self) -> int:
        """Give how many places are given in all."""
        return self.length * self.rates.group * self.again

    def __iter__(self) -> Iterator[int]:
        """Give places, each as often as a group has tries."""
        given, at = 0, 0
        while given < self.length:
            if at == len(self._drawn):
                self._drawn.append(self._draw(frozenset(self._drawn[-1] if self._drawn else ())))
            batch, at = self._drawn[at], at + 1
            given += len(batch)
            for _ in range(self.again):
                for place in batch:
                    yield from [place] * self.rates.group

    def state(self) -> dict[str, Any]:
        """Give what was drawn, and where the draw stands."""
        version, internal, gauss = self._rng.getstate()
        return {"drawn": self._drawn, "rng": [version, list(internal), gauss]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        version, internal, gauss = state["rng"]
        self._drawn = [list(batch) for batch in state["drawn"]]
        self._rng.setstate((version, tuple(internal), gauss))

    def _draw(self, resting: frozenset[int]) -> list[int]:
        """Draw a batch without replacement, likelier the more a group would tell; what was just tried rests."""
        able = [place for place in range(self._count) if place not in resting] or list(range(self._count))
        lot = {  # by logarithms, as the powers themselves would all be 0
            p: math.log(1 - self._rng.random()) / max(_LEAST, self.rates.informative(p) ** _KEENNESS) for p in able
        }
        batch = sorted(able, key=lambda place: -lot[place])[: self.groups]
        while len(batch) < self.groups:  # fewer problems than a batch holds
            batch.append(self._rng.choice(able))
        return batch

"""How many problems each cell of a taxonomy wants, in whole numbers that add up."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Final

from selfimprove.errors import InputError
from selfimprove.labels.taxonomy import LEVELS, TRAITS, Cell, Path, Taxonomy

_ORDER: Final = ("form", "difficulty", "key_stage")
"""Traits come above topics, so that a subject's ratio of answer forms holds exactly and not only leaf by leaf."""


def shares(taxonomy: Taxonomy, by: Sequence[str] = ("form",)) -> Mapping[Cell, Fraction]:
    """Give what each cell wants exactly, before it is made a whole number; cells that want none are left out.

    Args:
        taxonomy: of the cells.
        by: traits that leaves are divided by, of `TRAITS`.

    Raises:
        InputError: there is no such trait.
    """
    for trait in by:
        if trait not in TRAITS:
            raise InputError(f'quotas cannot be divided by "{trait}"; choose of {", ".join(TRAITS)}')
    cells: dict[Cell, Fraction] = {Cell(leaf.path): leaf.wanted for leaf in taxonomy.leaves}
    for trait in (name for name in _ORDER if name in by):
        cells = {
            Cell(**{**cell._asdict(), trait: value}): wanted * share
            for cell, wanted in cells.items()
            for value, share in _leaf_shares(taxonomy, cell, trait).items()
        }
    return {cell: wanted for cell, wanted in cells.items() if wanted}


def quotas(taxonomy: Taxonomy, by: Sequence[str] = ("form",)) -> Mapping[Cell, int]:
    """Give how many problems each cell wants: whole numbers that add up to each subject's size.

    Largest remainders, from the subject down: a subject is divided into answer forms (then difficulties and key stages,
    where asked for), each of those into topics, and so on down to sub-types. Each part, at every one of these
    stages, gets its exact share rounded down or up, so that no cell is a whole problem away from it; where forms round
    differently, a topic that got less in one is first in the next.

    Args:
        taxonomy: of the cells.
        by: traits that leaves are divided by, of `TRAITS`; `()` gives one cell a leaf.

    Raises:
        InputError: there is no such trait.
    """
    exact = shares(taxonomy, by)
    traits = [name for name in _ORDER if name in by]
    steps: dict[Path, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    at: dict[Path, Cell] = {}
    for cell, wanted in exact.items():
        route = _route(cell, traits)
        at[route] = cell
        for depth in range(1, len(route)):
            steps[route[:depth]][route[depth]] += wanted
    lacks: dict[Path, Fraction] = defaultdict(Fraction)
    found = {
        at[route]: number
        for subject in taxonomy.subjects
        for route, number in _divide((subject.name,), subject.size, steps, lacks, len(traits))
    }
    return {cell: found[cell] for cell in exact}


def _leaf_shares(taxonomy: Taxonomy, cell: Cell, trait: str) -> Mapping[str, Fraction]:
    leaf = taxonomy.leaf(cell.path)
    return leaf.shares(trait) if leaf else {}


def _route(cell: Cell, traits: Sequence[str]) -> Path:
    """Give the way to a cell: subject, the values of the traits, then topic to sub-type."""
    return (cell.path[0], *(str(getattr(cell, trait)) for trait in traits), *cell.path[1:])


def _divide(
    route: Path, number: int, steps: Mapping[Path, Mapping[str, Fraction]], lacks: dict[Path, Fraction], traits: int
) -> Iterator[tuple[Path, int]]:
    """Divide a whole number among what lies below a route, down to the cells.

    Args:
        route: to what is divided.
        number: what it got: its exact share, rounded down or up.
        steps: exact shares of what lies below each route.
        lacks: what each topic, sub-topic, ... still lacks over the traits done; changed.
        traits: how many of a route's names behind the first are traits' values.
    """
    if len(route) == len(LEVELS) + traits:
        yield route, number
        return
    parts = steps[route]
    got = {name: math.floor(wanted) for name, wanted in parts.items()}
    places = {name: (*route[:1], *route[1 + traits :], name) if len(route) > traits else () for name in parts}
    short = {name: parts[name] - got[name] for name in parts}
    more = [name for name in parts if short[name] > 0]
    more.sort(key=lambda name: (-(short[name] + lacks[places[name]]), -short[name]))
    for name in more[: number - sum(got.values())]:
        got[name] += 1
    for name, wanted in parts.items():
        if places[name]:
            lacks[places[name]] += wanted - got[name]
        yield from _divide((*route, name), got[name], steps, lacks, traits)

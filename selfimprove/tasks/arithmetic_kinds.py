"""How each kind of arithmetic question is made and solved.

A maker draws numbers and gives a `Worked`, or None when the numbers it drew leave the range that
the kind keeps to; the caller draws again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

TOP: Final = 99
"""Largest value of sums, stories and equations, and of anything between their steps."""


@dataclass(frozen=True)
class Worked:
    """A question with its exact solution."""

    question: str
    steps: tuple[str, ...]
    answer: int
    canonical: str


def _walk(rng: Random, level: int, largest: int) -> tuple[int, list[int]] | None:
    """Draw a start and `level` signed terms whose partial sums stay in [1, TOP]."""
    start = rng.randint(2, 2 * largest + 2)
    value, terms = start, []
    for _ in range(level):
        term = _term(rng, largest)
        value += term
        if not 1 <= value <= TOP:
            return None
        terms.append(term)
    return start, terms


def _term(rng: Random, largest: int) -> int:
    return rng.randint(2, largest) * rng.choice((1, -1))


def _signed(term: int) -> str:
    return f"{'+' if term > 0 else '-'} {abs(term)}"


def _add_up(start: int, terms: list[int]) -> tuple[tuple[str, ...], int]:
    steps, value = [], start
    for term in terms:
        steps.append(f"{value} {_signed(term)} = {value + term}")
        value += term
    return tuple(steps), value


def _sum_form(start: int, terms: list[int]) -> str:
    return "sum " + " ".join(f"{t:+d}" for t in sorted([start, *terms]))


def make_sum(rng: Random, level: int, largest: int) -> Worked | None:
    """`17 + 5 - 8`: a sum or difference of `level + 1` terms."""
    if (walk := _walk(rng, level, largest)) is None:
        return None
    start, terms = walk
    steps, value = _add_up(start, terms)
    question = f"What is {start} {' '.join(_signed(t) for t in terms)}?"
    return Worked(question, steps, value, _sum_form(start, terms))


_PEOPLE: Final = ("Ana", "Ben", "Chen", "Dina", "Emil", "Fay", "Goran", "Hana", "Ivo", "June", "Kofi", "Lena")
_THINGS: Final = (
    "shells",
    "stamps",
    "marbles",
    "books",
    "cards",
    "apples",
    "coins",
    "beads",
    "pens",
    "buttons",
)
_GAINS: Final = ("gets {n} more", "finds {n}", "buys {n}", "is given {n}", "picks up {n}", "wins {n}")
_LOSSES: Final = (
    "loses {n}",
    "gives away {n}",
    "sells {n}",
    "drops {n}",
    "trades away {n}",
    "hands {n} to a friend",
)


def make_story(rng: Random, level: int, largest: int) -> Worked | None:
    """Tell the same walk as a story of `level` events."""
    if (walk := _walk(rng, level, largest)) is None:
        return None
    start, terms = walk
    who, what = rng.choice(_PEOPLE), rng.choice(_THINGS)
    told = [rng.choice(_GAINS if t > 0 else _LOSSES).format(n=abs(t)) for t in terms]
    *earlier, last = told
    events = f"{', '.join(earlier)}, then {last}" if earlier else last
    question = f"{who} has {start} {what}. {who} {events}. How many {what} does {who} have now?"
    steps, value = _add_up(start, terms)
    return Worked(question, steps, value, _sum_form(start, terms))


def make_product(rng: Random, level: int, largest: int) -> Worked | None:
    """`23 * 4 + 5 - 7`: a product of a two-digit and a one-digit number, then `level` terms."""
    a, b = rng.randint(11, 99), rng.randint(2, 9)
    terms = [_term(rng, largest) for _ in range(level)]
    tens, ones = a // 10 * 10, a % 10
    parts = (f"{tens} * {b} = {tens * b}", f"{ones} * {b} = {ones * b}", f"{tens * b} + {ones * b} = {a * b}")
    if min(a * b + sum(terms[: i + 1]) for i in range(level)) < 1:
        return None
    steps, value = _add_up(a * b, terms)
    question = f"What is {a} * {b} {' '.join(_signed(t) for t in terms)}?"
    form = " ".join(f"{t:+d}" for t in sorted(terms))
    return Worked(question, (*parts, *steps), value, f"product {a} {b} {form}")


def make_bracket(rng: Random, level: int, largest: int) -> Worked | None:
    """`(3 + 4) * 2 - 5`: a bracket, a factor, then `level - 1` terms."""
    a, b, factor = rng.randint(2, 30), rng.randint(2, 30) * rng.choice((1, -1)), rng.randint(2, 9)
    terms = [_term(rng, largest) for _ in range(level - 1)]
    inner, value = a + b, (a + b) * factor
    if inner < 1 or any(value + sum(terms[: i + 1]) < 1 for i in range(level - 1)):
        return None
    tail = "".join(f" {_signed(t)}" for t in terms)
    steps, end = _add_up(value, terms)
    first = (f"{a} {_signed(b)} = {inner}", f"{inner} * {factor} = {value}")
    form = f"bracket {sorted((a, b))} {factor} " + " ".join(f"{t:+d}" for t in sorted(terms))
    return Worked(f"What is ({a} {_signed(b)}) * {factor}{tail}?", (*first, *steps), end, form)


def make_equation(rng: Random, level: int, largest: int) -> Worked | None:
    """`3 * x + 4 - 2 = 17`: `level - 1` terms to move and, above level 1, a factor to divide by."""
    factor = rng.randint(2, 5) if level > 1 else 1
    x = rng.randint(2, 2 * largest + 2)
    terms = [_term(rng, largest) for _ in range(max(1, level - 1))]
    values = [factor * x + sum(terms[:i]) for i in range(len(terms) + 1)]
    if not all(1 <= value <= TOP for value in values):
        return None
    steps, value = [], values[-1]
    for term in reversed(terms):
        steps.append(f"{value} {_signed(-term)} = {value - term}")
        value -= term
    if factor > 1:
        steps.append(f"{value} / {factor} = {x}")
    left = "x" if factor == 1 else f"{factor} * x"
    question = f"Solve for x: {left} {' '.join(_signed(t) for t in terms)} = {values[-1]}"
    form = " ".join(f"{t:+d}" for t in sorted(terms))
    return Worked(question, tuple(steps), x, f"equation {factor} {form} = {values[-1]}")


KINDS: Final[Mapping[str, Callable[[Random, int, int], Worked | None]]] = {
    "sum": make_sum,
    "story": make_story,
    "product": make_product,
    "bracket": make_bracket,
    "equation": make_equation,
}

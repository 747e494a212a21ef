"""Exact step checker for the arithmetic task: the ground truth that other scorers are measured against.

A step is right when its equation holds *and* it follows from the problem and the steps before it, in whatever order
they are done: each equation may only use numbers that are still to be used, and uses them up. What a problem has to
offer is read from its canonical form, so no order of steps is preferred and `17 + 6 = 23` is wrong where the problem
adds 5.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from selfimprove.errors import InputError
from selfimprove.records import Problem, StepItem
from selfimprove.tasks.arithmetic import Arithmetic

_EQUATION: Final = re.compile(r"(?<![\w.])(-?\d+(?:\s*[-+*/x\u00d7\u00f7]\s*-?\d+)+)\s*=\s*(?=(-?\d+)(?![\w.]*\d))")
"""The result is only looked at, so that in `17 + 5 = 22 - 8 = 14` it begins the next equation."""
_PARTS: Final = re.compile(r"\s*([-+*/x\u00d7\u00f7])\s*(-?\d+)")
_FORM: Final = re.compile(
    r"(sum(?= [+-]\d)|product(?= \d+ \d)|bracket(?= \[-?\d+, -?\d+\] \d)|equation(?= \d+ [+-]\d.* = \d))"
    r" ([-+=\[\], \d]+)"
)
"""What the arithmetic task calls a problem, see `tasks.arithmetic_kinds`."""
_NUMBER: Final = re.compile(r"[+-]?\d+")


@dataclass
class _Left:
    """What a problem still has to offer."""

    outer: Counter[int]
    """Numbers to be added up."""
    inner: Counter[int] = field(default_factory=Counter)
    """Numbers to be added up and then multiplied, or one by one."""
    factor: int = 1
    divisor: int = 1
    """What the sum of the outer numbers is divided by in the end."""
    done: set[tuple[str, int]] = field(default_factory=set)
    """Equations already used: to write one again is no error."""


@dataclass(frozen=True)
class ExactSteps:
    """Scores 1 up to the first wrong step and 0 from it on. Satisfies `StepScorer`."""

    identity: str = "exact/arithmetic"

    def score(self, items: Sequence[StepItem]) -> list[list[float]]:
        """Check each solution, shape `[items][steps]`.

        Raises:
            InputError: a problem is none of the arithmetic task's.
        """
        found = [first_wrong(item) for item in items]
        return [
            [1.0 if wrong is None or index < wrong else 0.0 for index in range(len(item.steps))]
            for item, wrong in zip(items, found, strict=True)
        ]


def checkable(problem: Problem) -> bool:
    """Say whether a problem's steps can be checked exactly: it comes from the arithmetic task."""
    return _FORM.fullmatch(problem.canonical) is not None


def first_wrong(item: StepItem) -> int | None:
    """Give the index of the first wrong step; None where there is none.

    A step without an equation or an answer says nothing that can be wrong.

    Raises:
        InputError: the problem is none of the arithmetic task's.
    """
    left, task = _offered(item.problem), Arithmetic()
    for index, step in enumerate(item.steps):
        stated = task.parse(step).strict
        if stated is not None and task.compare(stated, item.problem) != "correct":
            return index
        if not all(_use(left, found[1], int(found[2])) for found in _EQUATION.finditer(step)):
            return index
    return None


def _offered(problem: Problem) -> _Left:
    form = _FORM.fullmatch(problem.canonical)
    if form is None:
        raise InputError(
            f'the problem {problem.id} ("{problem.question[:40]}") is not from the arithmetic task '
            f"(canonical form {problem.canonical!r}), so its steps cannot be checked exactly; use another scorer"
        )
    numbers = [int(number) for number in _NUMBER.findall(form[2])]
    match form[1]:
        case "sum":
            return _Left(Counter(numbers))
        case "product":
            return _Left(Counter(numbers[2:]), Counter(numbers[:1]), factor=numbers[1])
        case "bracket":
            return _Left(Counter(numbers[3:]), Counter(numbers[:2]), factor=numbers[2])
        case _:
            factor, *terms, total = numbers
            return _Left(Counter([total, *(-term for term in terms)]), divisor=factor)


def _use(left: _Left, text: str, result: int) -> bool:
    """Say whether an equation holds and may be made now; if so, its numbers are used up."""
    written = (re.sub(r"\s", "", text), result)
    if written in left.done:
        return True
    head = re.match(r"-?\d+", text)
    parts = _PARTS.findall(text[head.end() :]) if head else []
    operators = {operator for operator, _ in parts}
    if head is None or not parts:
        return False
    first = int(head[0])
    if operators <= {"+", "-"}:
        terms = [first, *(int(number) * (1 if operator == "+" else -1) for operator, number in parts)]
        right = sum(terms) == result and _add(left, terms, result)
    elif len(parts) == 1 and operators <= {"*", "x", "\u00d7"}:
        right = first * int(parts[0][1]) == result and _multiply(left, first, int(parts[0][1]))
    elif len(parts) == 1:
        right = _divide(left, first, int(parts[0][1]), result)
    else:
        right = False
    if right:
        left.done.add(written)
    return right


def _add(left: _Left, terms: list[int], result: int) -> bool:
    needed = Counter(term for term in terms if term)  # a zero is always there
    for numbers in (left.outer, left.inner):
        if needed <= numbers:
            numbers.subtract(needed)
            numbers[result] += 1
            return True
    return False


def _multiply(left: _Left, a: int, b: int) -> bool:
    """Multiply a whole inner number, or a part of one (`20 * 4` of `23 * 4`)."""
    for part, factor in ((a, b), (b, a)):
        if part == 0 and factor == left.factor:
            return True
        if factor != left.factor or not +left.inner:
            continue
        whole = part if left.inner[part] > 0 else next((n for n in +left.inner if 0 < part < n), None)
        if whole is not None:
            left.inner[whole] -= 1
            if whole != part:
                left.inner[whole - part] += 1
            left.outer[part * factor] += 1
            return True
    return False


def _divide(left: _Left, total: int, divisor: int, result: int) -> bool:
    """Divide the sum of all outer numbers, which must be added up by then."""
    ready = divisor == left.divisor and divisor != 1 and dict(+left.outer) == {total: 1}
    if not ready or Fraction(total, divisor) != result:
        return False
    left.outer, left.divisor = Counter([result]), 1
    return True

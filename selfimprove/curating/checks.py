"""Exact checks of a stated answer, where the task has one."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final, NamedTuple, TypeVar

from selfimprove.answers import number
from selfimprove.errors import InputError
from selfimprove.labels.taxonomy import Path, folded
from selfimprove.plugs import load_plug
from selfimprove.records import Problem, Verdict

Check = Callable[[Problem], bool | None]
"""Says whether a problem's answer is right; None: it cannot tell."""

_ASKED: Final = re.compile(
    r"(?:(?:what is|calculate|compute|evaluate|work out|find|simplify|the value of|the result of|state the final "
    r"answer to the following arithmetic problem)[\s:]*)*([-+*/x×÷()\d.,\s]+?)\s*=?\s*[?.]?",  # noqa: RUF001
    re.IGNORECASE,
)
_SIGNS: Final = str.maketrans({"×": "*", "÷": "/", "x": "*"})  # noqa: RUF001
_THOUSANDS: Final = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?!\d)")
_DECIMAL: Final = re.compile(r"-?\d*\.?\d+")
_DO: Final[Mapping[type[ast.operator], Callable[[Fraction, Fraction], Fraction]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_LONGEST: Final = 400

T = TypeVar("T")


class NamedCheck(NamedTuple):
    """A check, as the settings name it."""

    name: str
    says: Check


def arithmetic(problem: Problem) -> bool | None:
    """Work out a question that is one sum in digits; None for any other.

    A comma is a sign of thousands; where it can be none, nothing is told. Neither is it where the stated answer is the
    value rounded, as of a value without an end (1/3) any rounding may be meant.

    >>> arithmetic(Problem.of("What is 3 + 4 * 2?", "11")), arithmetic(Problem.of("How old is Ann?", "7"))
    (True, None)
    """
    found = _ASKED.fullmatch(problem.question.strip())
    if found is None or problem.choices or len(problem.question) > _LONGEST:
        return None
    try:
        value = _value(ast.parse(_plain(found[1]), mode="eval").body)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        return None
    verdict = number.compare(problem.answer, str(value))
    return None if not verdict.decided or _rounded(value, problem.answer) else verdict is Verdict.CORRECT


def _plain(asked: str) -> str:
    """Write a sum as Python does; a comma that is left makes it none."""
    return _THOUSANDS.sub(lambda found: found[0].replace(",", ""), asked).translate(_SIGNS).strip()


def _rounded(value: Fraction, answer: str) -> bool:
    """Say whether an answer is a value without an end, rounded to the places that it has."""
    said = (number.canonical(answer) or "").replace(",", "")
    endless = 10 ** value.denominator.bit_length() % value.denominator != 0
    return endless and bool(_DECIMAL.fullmatch(said)) and round(value, len(said.partition(".")[2])) == Fraction(said)


def _value(node: ast.expr) -> Fraction:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return Fraction(str(node.value))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _DO:
        return _DO[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("no sum")


def load_checks(named: Mapping[str, str]) -> Callable[[Path], NamedCheck | None]:
    """Give the check of each part of the taxonomy, the one of the longest part where several fit.

    Raises:
        InputError: there is no such function.
    """
    made: dict[tuple[str, ...], NamedCheck] = {}
    for part, name in named.items():
        check = arithmetic if name == "arithmetic" else load_plug(name, "check") if ":" in name else None
        if not callable(check):
            raise InputError(
                f'admit.checks: "{name}" is no check; name a function as package.module:Name, or arithmetic'
            )
        made[part_of(part)] = NamedCheck(name, check)
    return lambda path: best_part(made, path)


def part_of(text: str) -> tuple[str, ...]:
    """Read a part of a taxonomy, `Maths > Number`."""
    return tuple(folded(name) for name in text.split(">"))


def best_part(by_part: Mapping[tuple[str, ...], T], path: Path) -> T | None:
    """Give what stands at the longest part that holds a path."""
    own = tuple(map(folded, path))
    fitting = [part for part in by_part if own[: len(part)] == part]
    return by_part[max(fitting, key=len)] if fitting else None

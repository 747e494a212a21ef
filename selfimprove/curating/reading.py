"""Whether a problem that a generator wrote has the form that was asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations
from typing import Final

from selfimprove.answers import number
from selfimprove.answers.choice import LETTERS
from selfimprove.answers.kinds import Kind
from selfimprove.answers.signs import clean
from selfimprove.answers.text import normalised
from selfimprove.programs.written import Written
from selfimprove.records import Problem, Verdict

_FEWEST: Final = 3
_LONGEST: Final = 8000
_NUMERIC: Final = re.compile(r"[\s\d.,/+×*^()%-]|percent|hundred|thousand|(?:m|b|tr)illion")  # noqa: RUF001 - as written


def built(written: Written, kind: Kind, labels: dict[str, str]) -> Problem | str:
    """Make a problem of what was written, or say what is wrong with its form.

    Args:
        written: as read.
        kind: of answer; `choice` wants options.
        labels: of the cell that it was ordered for.
    """
    if wrong := _wrong_text(written) or (_wrong_options(written) if kind.name == "choice" else ""):
        return wrong
    answer = kind.canonical(written.answer, written.choices)
    if answer is None:
        return f"its answer {written.answer!r:.60} cannot be read as {kind.name}"
    if kind.name == "choice" and LETTERS.index(answer) >= len(written.choices):
        return f"its answer {answer} is beyond its {len(written.choices)} options"
    made = Problem.of(written.question, answer, choices=written.choices, labels=labels)
    if kind.compare(answer, made) is not Verdict.CORRECT:
        return f"its answer {answer!r:.60} does not compare as right with itself"
    return made


def _wrong_text(written: Written) -> str:
    """Say what is wrong with the question or the answer as text; empty: nothing."""
    if not any(char.isalnum() for char in written.question):
        return "it has no question"
    if len(written.question) > _LONGEST:
        return f"its question has {len(written.question)} characters, more than {_LONGEST}"
    return "" if written.answer else "it states no answer"


def _wrong_options(written: Written) -> str:
    """Say what is wrong with the options; empty: nothing."""
    count = len(written.choices)
    if not _FEWEST <= count <= len(LETTERS):
        return f"it has {count} options, not {_FEWEST} to {len(LETTERS)}"
    letters = [normalised(option) for option in written.choices]
    if len(set(letters)) < count:
        return "two of its options are the same"
    if pair := same_value(written.choices):
        return f"two of its options are the same number, {pair[0]!r:.40} and {pair[1]!r:.40}"
    if any(re.fullmatch(r"(?:all|none|both) of (?:the )?(?:above|these).*", option) for option in letters):
        return "an option speaks about the others"
    return ""


def same_value(options: Sequence[str]) -> tuple[str, str] | None:
    """Give two options that are one number, in the same unit or none; None: there are no two.

    Two fractions of one value are two options: which is in its lowest terms may be the question.

    >>> same_value(["3", "1/2", "0.5"]), same_value(["7 cm", "7 m", "$7", "7"]), same_value(["6/8", "3/4"])
    (('1/2', '0.5'), None, None)
    """
    for pair in combinations(options, 2):
        first, second = map(_value, pair)
        if first is not None and first == second and not all(map(_is_fraction, pair)):
            return pair
    return None


def _is_fraction(option: str) -> bool:
    return "/" in option or "frac" in option


def _value(option: str) -> tuple[Fraction, str] | None:
    """Read an option that is one number: its value, and what stands beside it."""
    found = number.quantity(option)
    return (found.value * found.scale, _NUMERIC.sub("", clean(option).casefold())) if found is not None else None

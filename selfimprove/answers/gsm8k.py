"""GSM8K's answers, read as EleutherAI's lm-evaluation-harness reads them (its `gsm8k.yaml`, version 3).

The strict reading is its `strict-match`: the first `#### N`. The lenient one is the strict one where it is found, else
its `flexible-extract`: the last number. Numbers are then compared by value (`number.compare`), so "18.", "$18" and
"18.00" are 18, where the harness compares strings without commas, dollar signs and a final period. What the harness
cuts out of a longer number ("#### 1/2"), out of several to choose from ("#### 4 or 5") or out of a denial ("not 4") is
no answer here.
"""

from __future__ import annotations

import re

from selfimprove.answers import number
from selfimprove.answers.figures import Quantity
from selfimprove.answers.marks import disagree
from selfimprove.answers.signs import plain_digits, visible
from selfimprove.records import Parsed, Verdict

_LINE = re.compile(r"^[ \t]*####[^\n]*$", re.MULTILINE)
_MOST_LINES = 20  # no more are looked at
_STATED = re.compile(r"#### (?=-?[0-9.,])((?:(?!####)[^\n])*)\s*")


def read(text: str) -> Parsed:
    r"""Find the final number, strictly and leniently.

    >>> read("She sold 48 + 24 = 72 clips.\n#### 72").strict
    '72'
    """
    text = plain_digits(visible(text))
    stated = _first_stated(text)
    if not stated:
        return Parsed(answer=number.last(text))
    found = None if disagree(stated, _value) else number.offered(stated[0])
    return Parsed(answer=found, strict=found)


def _first_stated(text: str) -> list[str]:
    """Give what the first `#### N` holds, and those that stand directly under it."""
    lines: list[str] = []
    mark = _STATED.search(text)
    while mark is not None and len(lines) < _MOST_LINES:
        lines.append(mark[1])
        mark = _STATED.match(text, mark.end())
    return lines


def _value(line: str) -> Quantity | None:
    found = number.offered(line)
    return number.quantity(found) if found is not None else None


def compare(answer: str, reference: str) -> Verdict:
    """Compare by value."""
    return number.compare(answer, reference)


def conclude(rationale: str, answer: str) -> str:
    """Put the `####` line at the end, in place of any that the rationale holds."""
    return f"{_LINE.sub('', rationale).strip()}\n#### {answer}".lstrip()

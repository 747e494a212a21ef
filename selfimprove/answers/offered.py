"""What a text means of the things that it names: which is ruled out, and which is offered beside another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

TAKEN_BACK: Final = re.compile(
    r"\b(?:wait|actually|sorry|correction|mistake|mistaken|hold\son|hmm+|but|however|oops)\b", re.IGNORECASE
)
# words between two things: to choose from, joined, said besides
OFFERING: Final = r"(?:/|(?:or|either|alternatively|possibly|maybe|perhaps|versus|vs)\b)"
CONNECTING: Final = rf"(?:{OFFERING}|(?:and|nor|to|also)\b)"
JOINING: Final = rf"(?:{CONNECTING}|(?:even|the|my|final|correct|right|text|quad)\b)"
OFFERED: Final = re.compile(OFFERING, re.IGNORECASE)
BETWEEN: Final = re.compile(rf"(?:[\s.,;:!?*_$`()\[\]{{}}|&+\\>-]|{JOINING})*", re.IGNORECASE)
_SIGN: Final = r"(?:\\[()]|[\s,;:/|&~±≠_*$\\{}`'\"“”-])"
_BESIDE: Final = re.compile(  # perhaps with a unit after the first of the two
    rf"(?:{_SIGN}*|\s*\.{{2,}}\s*|(?:{_SIGN}|[)\]]|\.(?=\s{OFFERING}))*(?:[^\W\d]{{1,15}}\s{{1,2}})?{CONNECTING}"
    rf"(?:{_SIGN}|[(\[.]|{JOINING})*)(?:[a-z]\s?=\s?)?",
    re.IGNORECASE,
)
_UNIT: Final = (
    r"(?:years?|months?|weeks?|days?|h(?:ou)?rs?|h|min(?:ute)?s?|sec(?:ond)?s?|feet|foot|ft|inch(?:es)?|yards?|miles?"
    r"|(?:kilo|centi|milli)?(?:met(?:er|re)|gram)s?|k?m|cm|mm|k?g|pounds?|lbs?|ounces?|oz|gallons?|quarts?|pints?|cups?"
    r"|(?:milli)?lit(?:er|re)s?|dollars?|cents?)\b"
)
_AND_PART: Final = re.compile(rf"\s?{_UNIT},?\s{{1,2}}", re.IGNORECASE)  # of "2 hours 30 minutes"
_OF_UNIT: Final = re.compile(rf"\s?(?:{_UNIT}|in\b)", re.IGNORECASE)
_IN_BRACKETS: Final = re.compile(rf"{_SIGN}*[(\[](?:{_SIGN}|{JOINING})*", re.IGNORECASE)
_CLOSED: Final = re.compile(r"[\s$\\]*[)\]]")
_DENIAL: Final = re.compile(
    r"(?:\b(?:not|never|cannot|except|neither|nor|other\sthan|rather\sthan|instead\sof|anything\sbut|unlike)\b|n['’]?t\b"  # noqa: RUF001
    r"|≠|!=|\\neq?\b)[\s*_$(]*(?:\\\()?(?:(?:be|equal|to|exactly|just|simply|the|a|an|option|number)\b[\s*_$(]*){0,3}$",
    re.IGNORECASE,
)
_CONTRAST: Final = re.compile(r"\b(?:but|rather|instead|it\sis|it['’]s|is)\b|=", re.IGNORECASE)  # noqa: RUF001
_LONGEST_GAP: Final = 80
_LONGEST_JOINT: Final = 40
_NEAR: Final = 60


class Thing(NamedTuple):
    """A number or a formula in a text: from where to where it stands, and what it is worth."""

    start: int
    end: int
    value: object


def nothing_between(text: str, start: int, end: int) -> bool:
    """Say whether a stretch of text holds nothing but signs and joining words: "4" or "5"."""
    return end - start <= _LONGEST_GAP and BETWEEN.fullmatch(text, start, end) is not None


def first_meant(text: str, things: Sequence[Thing]) -> Thing | None:
    """Give the first thing that a mark's text does not rule out; None when another is offered beside it or instead.

    >>> first_meant("not 4 but 5", [Thing(4, 5, 4), Thing(10, 11, 5)])
    Thing(start=10, end=11, value=5)
    """
    first, *others = things
    if denied(text, first.start):
        others = [other for other in others if _CONTRAST.search(text, first.end, other.start)]
        if not others or denied(text, others[0].start):
            return None
        first, *others = others
    other = next((other for other in others if not denied(text, other.start)), first)
    said = other.value == first.value
    return (
        first if said or not (beside(text, first, other) or TAKEN_BACK.search(text, first.end, other.start)) else None
    )


def beside(text: str, first: Thing, second: Thing) -> bool:
    """Say whether the second of two things stands next to the first: "4 or 5", "4, 5", "4 (5)", "4 feet 5 inches"."""
    gap = first.end, second.start
    if gap[1] - gap[0] > _LONGEST_JOINT:
        return False
    in_brackets = _CLOSED.match(text, second.end) and _IN_BRACKETS.fullmatch(text, *gap)
    in_parts = _OF_UNIT.match(text, second.end) and _AND_PART.fullmatch(text, *gap)
    return bool(in_brackets or in_parts or _BESIDE.fullmatch(text, *gap))


def offered_instead(text: str, first: Thing, second: Thing) -> bool:
    """Say whether one of two things is to be chosen: "4 or 5", but not "4 and 5"."""
    return beside(text, first, second) and OFFERED.search(text, first.end, second.start) is not None


def denied(text: str, at: int) -> bool:
    """Say whether what stands at a place is named only to be ruled out.

    >>> denied("It is not 4", 10), denied("It is 4", 6)
    (True, False)
    """
    return _DENIAL.search(text[max(0, at - _NEAR) : at]) is not None

# ruff: noqa: RUF001 - these are the signs that people write
"""The numbers in a text: what one looks like, what it is worth, and where it is no answer."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from selfimprove.answers.offered import Thing

_POWERS = {"k": 3, "hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "%": -2, "percent": -2}
_MOST_DIGITS = 400  # of a number and of an exponent's worth of zeros: hostile text must not fill the memory

PLAIN = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{2,3}){0,9},[0-9]{3}(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
TOKEN = re.compile(
    rf"""
    (?P<sign>(?<![\w)\].%])(?:-|(?:(?<=[=:(]\ )|(?<![^\n]))-\ ))? (?P<currency>[$€£¥][ ]?)? (?P<inner>(?<=[$€£¥])-)?
    (?<![A-Za-z_0-9.\\^])(?<!\^\{{)(?<!\^-)(?!(?<=[Ss]tep[ ])[0-9]{{1,2}}:)
    (?:
      10\^\{{?(?P<power>-?[0-9]{{1,3}})\}}?
    | (?P<whole>[0-9]{{1,9}})(?:[ ]|[ ]and[ ]|-)(?P<part>[0-9]{{1,9}})/(?P<parts>[0-9]{{1,9}})(?![0-9/])
    | (?P<top>{PLAIN})[ ]?/[ ]?(?P<bottom>{PLAIN})
    | (?P<plain>{PLAIN})
      (?: [eE](?P<e>[+-]?[0-9]{{1,3}})(?!\w)
        | [ ]?[x×*·][ ]?10\^\{{?(?P<ten>-?[0-9]{{1,3}})\}}?
        | (?![0-9.,]{{0,40}}[eE][+-]?[0-9]) )
    )
    (?!\.?[0-9])(?![OОΟ]+(?![^\W_]))
    (?:[ ]?(?P<unit>%|(?<=[0-9])[kK]\b|(?i:per[ ]?cent|(?:hundred|thousand|million|billion|trillion)s?)\b))?
    """,
    re.VERBOSE,
)
OPERATOR = re.compile(  # an operation that is not carried out; M and B, a million and a billion or metres and bytes
    r"\s?(?:[-+*/×x·÷^±]|(?:plus|minus|times|over|choose|(?:divided|multiplied)\sby)\b)\s?[({$]{0,2}-?[0-9]"
    r"|\.{2,}\s?[0-9]|\s?[+^*]\s?\(?[a-z]\b|\s(?:squared|cubed|factorial)\b|(?<=[0-9])[MB]\b"
)
_COMPARED = re.compile(r"(?:\b(?:more|less|greater|fewer|larger|smaller|bigger|higher|lower)\sthan|\S\s?[<>≠])[\s$]*$")
_NEAR = 40


class Quantity(NamedTuple):
    """A number and the factor of its unit: 50 % is (50, 1/100)."""

    value: Fraction
    scale: Fraction


def tokens_of(text: str) -> list[re.Match[str]]:
    """Find the numbers of a text, in order."""
    return [token for token in TOKEN.finditer(text) if value_of(token) is not None]


def value_of(token: re.Match[str]) -> Quantity | None:
    """Work out a token, None when it divides by zero, is too long, or is no proper mixed number."""
    if len(token.group()) > _MOST_DIGITS:
        return None
    at = token.groupdict()
    if at["power"]:
        value = Fraction(10) ** int(at["power"]) if abs(int(at["power"])) <= _MOST_DIGITS else None
    elif at["whole"]:
        top, bottom = int(at["part"]), int(at["parts"])
        value = int(at["whole"]) + Fraction(top, bottom) if top < bottom else None
    elif at["top"]:
        bottom_value = decimal(at["bottom"])
        value = decimal(at["top"]) / bottom_value if bottom_value else None
    else:
        power = int(at["e"] or at["ten"] or 0)
        value = decimal(at["plain"]) if abs(power) <= _MOST_DIGITS else None
        value = value * Fraction(10) ** power if value is not None and power else value
    if value is None:
        return None
    unit = (at["unit"] or "").lower().replace(" ", "").removesuffix("s")
    return Quantity(-value if at["sign"] or at["inner"] else value, Fraction(10) ** _POWERS.get(unit, 0))


def decimal(digits: str) -> Fraction:
    """Read plain digits, with or without thousands commas."""
    return Fraction(digits.replace(",", ""))


def bare(token: re.Match[str]) -> str:
    """Write a token without currency, thousands commas and the space after its sign."""
    minus = "-" if token["sign"] or token["inner"] else ""
    return minus + token.group().lstrip("-$€£¥ ").replace(",", "")


def thing_of(token: re.Match[str]) -> Thing:
    """Give a token as something that a text may name or rule out."""
    return Thing(*token.span(), value_of(token))


def out_of_place(span: str, token: re.Match[str]) -> bool:
    """True when a number is part of an operation, or a bound: `2^10`, "more than 18"."""
    before = span[max(0, token.start() - _NEAR) : token.start()]
    return OPERATOR.match(span, token.end()) is not None or _COMPARED.search(before) is not None

# ruff: noqa: RUF001, RUF002 - these are the signs that people write
r"""Numbers: found in running text, read with their units, compared as exact rationals.

What is read: `1,234.50`, `$18`, `-5` with any minus sign, `1/2`, `1 1/2`, `\frac{1}{2}`, `½`, `50%`,
`1.2e3`, `1.2 × 10^3`, `3 million`, each with a unit before or after it.

A percent sign and a scale word are units that people leave out. With the same unit on both sides, or none,
values must be equal; with a unit on one side only, either the bare number or the scaled one may be:
`50%` equals `50` and `0.5`, but `0.5%` does not equal `50%`.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from selfimprove.answers.marks import concluded, labelled
from selfimprove.records import Parsed, Verdict

_SCALES = {
    "%": Fraction(1, 100),
    "percent": Fraction(1, 100),
    "hundred": Fraction(100),
    "thousand": Fraction(1000),
}
_SCALES |= {"million": Fraction(10**6), "billion": Fraction(10**9), "trillion": Fraction(10**12)}
_WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
]
_MOST_DIGITS = 400  # of a number and of an exponent's worth of zeros: hostile text must not fill the memory

_PLAIN = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{2,3})*,[0-9]{3}(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_TOKEN = re.compile(
    rf"""
    (?P<sign>(?<![\w)\].%])-[ ]?)? (?P<currency>[$€£¥][ ]?)? (?P<inner>(?<=[$€£¥])-)?
    (?<![A-Za-z_0-9.\\^])(?<!\^\{{)
    (?:
      10\^\{{?(?P<power>-?[0-9]{{1,3}})\}}?
    | (?P<whole>[0-9]{{1,9}})(?:[ ]|[ ]and[ ]|-)(?P<part>[0-9]{{1,9}})/(?P<parts>[0-9]{{1,9}})(?![0-9/])
    | (?P<top>{_PLAIN})[ ]?/[ ]?(?P<bottom>{_PLAIN})
    | (?P<plain>{_PLAIN})
      (?: [eE](?P<e>[+-]?[0-9]{{1,3}})(?!\w)
        | [ ]?[x×*·][ ]?10\^\{{?(?P<ten>-?[0-9]{{1,3}})\}}?
        | (?![0-9.,]*[eE][+-]?[0-9]) )
    )
    (?:[ ]?(?P<unit>%|(?:percent|hundred|thousand|million|billion|trillion)\b))?
    """,
    re.VERBOSE,
)
_JOINED = re.compile(
    r"\s{0,2}(?:[,;/]\s{0,2}(?:(?:or|and)\s)?|(?:[^\W\d]{1,15}\s)?(?:or|and|to)\s)\s{0,2}", re.IGNORECASE
)
_SYMBOLIC = re.compile(  # no plain number, though one stands in it
    r"\\(?:sqrt|pi|sum|int|log|ln|sin|cos|tan|infty|binom)|[√π∞]|\b(?:sqrt|pi)\b"
)
_OPERATOR = re.compile(r"\s?[-+*×x·÷/^]\s?[$]?[0-9]")


class Quantity(NamedTuple):
    """A number and the factor of its unit: 50 % is (50, 1/100)."""

    value: Fraction
    scale: Fraction


def read(text: str) -> Parsed:
    r"""Find the number a completion ends in.

    Strictly only on a line "Answer: ...". Leniently in the last mark (see `marks.concluded`), and where there is no
    mark the last number of all. A mark that holds several numbers to choose from gives no answer.

    >>> read("She has 3 + 4 = 7 eggs.").answer
    '7'
    """
    line = labelled(text)
    strict = _only(line) if line is not None else None
    if strict is not None:
        return Parsed(answer=strict, strict=strict)
    span = concluded(text)
    if span is not None and _SYMBOLIC.search(span):
        return Parsed()
    if span is not None and (tokens := _tokens(clean(span))):
        return Parsed(answer=_chosen(clean(span), tokens))
    if span is not None and span.casefold() in _WORDS:
        return Parsed(answer=str(_WORDS.index(span.casefold())))
    tokens = _tokens(clean(text))
    return Parsed(answer=_bare(tokens[-1]) if tokens else None)


def compare(answer: str, reference: str) -> Verdict:
    """Compare two numbers by exact rational value, see the module for percent and scale words."""
    mine, theirs = quantity(answer), quantity(reference)
    if theirs is None:
        return Verdict.ERROR
    if mine is None:
        return Verdict.UNPARSEABLE
    same = mine.value * mine.scale == theirs.value * theirs.scale
    one_unit = (mine.scale == 1) != (theirs.scale == 1)
    return Verdict.CORRECT if same or (one_unit and mine.value == theirs.value) else Verdict.WRONG


@lru_cache(4096)
def quantity(text: str) -> Quantity | None:
    """Read a text that is one number, perhaps with units or as the end of an equation; None otherwise."""
    found = _only(text)
    token = _TOKEN.search(found) if found is not None else None
    return _value(token) if token else None


def canonical(reference: str) -> str | None:
    """Write a reference number plainly, None when it is not one.

    >>> canonical("$1,080.00 dollars")
    '1080.00'
    """
    return _only(reference)


def clean(text: str) -> str:
    """Write LaTeX, typographic signs and number words with signs in plain characters."""
    text = re.sub(r"10\*\*(?=[0-9-])", "10^", text).replace("**", "").replace("\\$", "$").replace("\\%", "%")
    text = re.sub(r"(?<=10)[⁻⁰¹²³⁴-⁹]{1,4}", lambda m: "^" + unicodedata.normalize("NFKC", m.group()), text)
    text = re.sub(r"(?<=[0-9])(?:\\,|\\!|[\u00a0\u202f\u2009])(?=[0-9]{3}(?![0-9]))", "", text)
    text = (
        re.sub(r",\\!\s?", ",", text)
        .replace("{,}", ",")
        .replace("\\!", "")
        .replace("\\times", "×")
        .replace("\\cdot", "·")
    )
    text = re.sub(r"\\[dt]?frac\s?\{?([0-9]{1,9}|(?<!\{)[0-9])\}?\s?\{([0-9]{1,9})\}", r" \1/\2", text)
    text = re.sub(r"\\[dt]?frac\s?([0-9])([0-9])", r" \1/\2", text)
    text = re.sub(r"\\(?:text|mathrm|mbox|textbf|mathbf)\s?\{([^{}]{0,60})\}", r" \1 ", text)
    text = re.sub(r"(?<=[0-9])(?=[¼-¾⅐-⅞])", " ", text)
    text = unicodedata.normalize("NFKC", text).replace("⁄", "/")
    text = re.sub(r"[−‒–﹣]", "-", text)
    text = re.sub(r"- (?=[0-9]{1,9}/)", "-", text)
    return re.sub(r"\b(?:minus|negative) (?=[$]?[0-9.])", "-", text, flags=re.IGNORECASE)


def _tokens(text: str) -> list[re.Match[str]]:
    return [token for token in _TOKEN.finditer(text) if _value(token) is not None]


def _value(token: re.Match[str]) -> Quantity | None:
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
        bottom_value = _decimal(at["bottom"])
        value = _decimal(at["top"]) / bottom_value if bottom_value else None
    else:
        power = int(at["e"] or at["ten"] or 0)
        value = _decimal(at["plain"]) * Fraction(10) ** power if abs(power) <= _MOST_DIGITS else None
    if value is None:
        return None
    return Quantity(-value if at["sign"] or at["inner"] else value, _SCALES.get(at["unit"] or "", Fraction(1)))


def _decimal(digits: str) -> Fraction:
    return Fraction(digits.replace(",", ""))


def _bare(token: re.Match[str]) -> str:
    """Write a token without currency, thousands commas and the space after its sign."""
    minus = "-" if token["sign"] or token["inner"] else ""
    return minus + token.group().lstrip("-$€£¥ ").replace(",", "")


def _only(text: str) -> str | None:
    """Give the one number of a short text, or the right side of its equation; None when there are several."""
    if _SYMBOLIC.search(text):
        return None
    span = clean(text)
    tokens = _tokens(span)
    if len(tokens) > 1 and ("=" in span or "≈" in span):
        return _chosen(span, tokens)
    values = {_value(token) for token in tokens}
    return _bare(tokens[0]) if len(values) == 1 else None


def _chosen(span: str, tokens: list[re.Match[str]]) -> str | None:
    """Give the number that a mark's text means: after its last "=", else its first; None when it names several."""
    equals = max(span.rfind("="), span.rfind("≈"))
    right = [token for token in tokens if token.start() > equals]
    if equals >= 0 and right:
        tokens = right
    first = tokens[0]
    if _OPERATOR.match(span, first.end()):
        return None
    if len(tokens) > 1 and _value(first) != _value(tokens[1]):
        joined = _JOINED.match(span, first.end())
        if joined and joined.end() == tokens[1].start():
            return None
    return _bare(first)

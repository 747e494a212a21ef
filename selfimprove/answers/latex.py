r"""Answers in LaTeX as text: is it whole, do two say the same in other writing, and what algebra must not decide."""

from __future__ import annotations

import re
from typing import Final

from selfimprove.answers.marks import tidy
from selfimprove.answers.signs import plain_digits, unwrapped, visible

_LONGEST: Final = 1_000  # characters; an answer longer than this is no final answer
_DEEPEST: Final = 25  # brackets in brackets; MATH's answers have three
_SPACING: Final = re.compile(r"(?<!\\)\\[,;:!> ]|\\q?quad(?![a-z])|\\left(?![a-z])|\\right(?![a-z])|[\s~]|\\(?=[$%])")
_GROUPED: Final = re.compile(r"(?<=[0-9])(?:\{,\}|,\\!)\s?(?=[0-9]{3})|(?<=[0-9])(?:\s|\\[,;: ])(?=[0-9]{3}(?![0-9]))")
_APART: Final = re.compile(r"(?<=[0-9])(?:\s|\\[,;: ]|~)+(?=[0-9])")
_LISTED: Final = re.compile(r"(?<=[0-9]),\s+(?=[0-9]{3}(?![0-9]))")  # "81, 256" is two numbers, "81,256" one
_ABOUT: Final = re.compile(r"^(?:\\approx|≈)\s*")
_UNFINISHED: Final = re.compile(r"(?:[-+*/^_=<>(]|\\(?:d?frac|sqrt|cdot|times|text|left)|\\)$")
_EMPTY: Final = re.compile(r"\\varnothing(?![a-z])|\\\{\s*\\\}|∅")
_MEANS: Final = re.compile(r"∅|\\\{\s*\\\}|[^\W_]|\\(?!left|right|text|quad|[,;:! ])[A-Za-z]")
_WORDS_ONLY: Final = re.compile(r"\(?[A-Za-z][A-Za-z .,'()-]*\)?")
_OPTION: Final = re.compile(r"\(?([A-Z])\)?")
_OPTIONS: Final = re.compile(r"\(?[A-Z]\)?(?:(?:\s?,\s?|\s?and\s|\s?,\s?and\s)\(?[A-Z]\)?)+")
_WITH_BASE: Final = re.compile(r"(-?[0-9A-Fa-f.]+)_\{?([0-9]{1,2})\}?")
_ONE_NUMBER: Final = re.compile(r"[$-]{0,2}[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_UNIT: Final = re.compile(r"(?:[0-9.})]|\s)\s*(?:(?:square|sq\.?|cubic)\s)?([A-Za-z]{1,12})\.?(?:\^\{?[23]\}?)?$")
_SAME_UNITS: Final = (
    "cm centimeter centimeters centimetre centimetres",
    "mm millimeter millimeters millimetre millimetres",
    "km kilometer kilometers kilometre kilometres",
    "m meter meters metre metres",
    "in inch inches",
    "ft foot feet",
    "yd yard yards",
    "mi mile miles",
    "s sec secs second seconds",
    "min mins minute minutes",
    "h hr hrs hour hours",
    "day days",
    "week weeks",
    "month months",
    "year years",
    "dollar dollars usd",
    "cent cents",
    "g gram grams",
    "kg kilogram kilograms",
    "pound pounds lb lbs",
    "liter liters litre litres",
)
_UNITS: Final = {word: words.split(" ")[0] for words in _SAME_UNITS for word in words.split(" ")}
_WORDED: Final = re.compile(  # a number and a unit in plain words
    r"([0-9})]|\\pi)(?:\s|\\[ ,;:])+((?:[A-Za-z]{2,12}\.?\s){0,2}"
    r"(?:[A-Za-z]{4,20}|[ckm]m|ft|yd|kg|lbs?|hrs?|mins?|secs?|mph|m(?=/))(?:/[A-Za-z]{1,12})?(?:\^\{?[23]\}?)?"
    r"(?:\s[A-Za-z]{2,12}){0,2})$"
)
_NO_UNIT: Final = re.compile(  # words that make another number of it
    r"^(?:to|by|through|itself|times(?!\s(?:as|per|each|every)\b))\s|^inverse$"
    r"|\b(?:roots?|radicals?)\sof\b|\b(?:divided|multiplied)\sby\b|\braised\sto\b"
    r"|\b(?:pi|sqrt|root|(?:arc)?(?:sin|cos|tan)h?|log|ln|alpha|beta|gamma|theta|lambda|omega"
    r"|inf(?:ty|inity)|factorial|squared|cubed|plus|minus|over|choose|mod|modulo|remainder|base|percent"
    r"|(?:hundred|thousand|million|billion|trillion|dozen)s?|hal(?:f|ves)|quarters?"
    r"|(?:third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|twelfth|sixteenth|hundredth|thousandth)s?"
    r"|doubled|tripled|halved|below|under|above|more|less|fewer|most|least|than"
    r"|not|never|wrong|incorrect|false|or|and|but|except|if|when|where|maybe|perhaps|possibly|probably)\b",
    re.IGNORECASE,
)

_BEGUN: Final = re.compile(r"[*/^·×]")  # noqa: RUF001


def whole(text: str) -> bool:
    r"""Say whether a text can be a final answer: it says something, begins and ends whole, and its braces match.

    >>> whole(r"\frac{1}{2}"), whole(r"\frac{1}{"), whole("3 +"), whole("?!")
    (True, False, False, False)
    """
    if len(text) > _LONGEST:
        return False
    shown = tidy(plain_digits(visible(text)))
    ends = _UNFINISHED.search(shown.rstrip()) or _BEGUN.match(shown.lstrip())
    return bool(_MEANS.search(shown)) and not ends and _nesting_is_sane(shown)


def _nesting_is_sane(text: str) -> bool:
    """True when braces match and no kind of bracket is nested absurdly deep."""
    braces = deepest = depth = 0
    for sign in re.findall(r"\\.|[{}()\[\]]", text):
        braces += {"{": 1, "}": -1}.get(sign, 0)
        depth += 1 if sign in "{([" else -1 if sign in "})]" else 0
        deepest = max(deepest, depth)
        if braces < 0:
            return False
    return braces == 0 and deepest <= _DEEPEST


def plain(text: str) -> str:
    r"""Write LaTeX without spacing, text wrappers and equivalent commands.

    >>> plain(r"\dfrac 3 8 \text{ cm}"), plain("1 000"), plain("1 2")
    ('\\frac{3}{8}cm', '1000', '1 2')
    """
    text = _fractions(_GROUPED.sub("", _LISTED.sub(";", _ABOUT.sub("", tidy(plain_digits(visible(text)))))))
    text = _APART.sub("\0", unwrapped(text))  # two numbers side by side are not one
    text = re.sub(r"\^\{?\\circ\}?", "", _SPACING.sub("", text)).replace("\0", " ").replace("\\cdot", "*")
    text = _EMPTY.sub(r"\\emptyset", text)
    text = text.replace(",", "") if _ONE_NUMBER.fullmatch(text) else text
    return text.rstrip(".,")


def alike(text: str, other: str) -> bool:
    """Say whether two are written the same, but for spaces at commas."""
    return len({re.sub(r"\s*,\s*", ",", tidy(each)) for each in (text, other)}) == 1


def prepared(text: str) -> str:
    r"""Write LaTeX as math-verify reads it best.

    No dollar signs, no spacing that it takes for the border of a unit, and units in `\text{}`, since it multiplies the
    letters of words that it does not know.

    >>> prepared("5 marbles"), prepared("5 sqrt")
    ('5\\text{ marbles}', '5 sqrt')
    """
    text = _fractions(_GROUPED.sub("", tidy(plain_digits(visible(text))))).replace("\\$", "").replace("$", "")
    text = _EMPTY.sub(r"\\emptyset ", text)
    text = _ABOUT.sub("", re.sub(r"\\phantom\s?(?:\{[^{}]*\}|-)?", "", text).rstrip(".,; "))
    text = re.sub(
        r"(\\(?:sin|cos|tan|cot|sec|csc|log|ln))\^\{?([0-9n])\}?\s?([a-z0-9])(?![a-z0-9])", r"\1^{\2}{\3}", text
    )
    unit = _WORDED.search(text)
    if unit and not _NO_UNIT.search(unit[2]):
        text = rf"{text[: unit.end(1)]}\text{{ {unit[2]}}}"
    return re.sub(r"(?<![A-Za-z]{2})(?<!,)\s+(?![A-Za-z]{2})", "", text)  # words, commands and lists keep theirs


def _fractions(text: str) -> str:
    text = re.sub(r"\\[dt]frac(?![a-z])", r"\\frac", text)
    text = re.sub(r"\\frac\s*([0-9a-z]|\\pi)\s*([0-9a-z]|\\pi)", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\frac\s*([0-9a-z])\s*\{", r"\\frac{\1}{", text)
    text = re.sub(r"(\\frac\s*\{[^{}]{1,60}\})\s*([0-9a-z])", r"\1{\2}", text)
    return re.sub(r"\\sqrt\s*([0-9a-z])", r"\\sqrt{\1}", text)


def compared_as_written(answer: str, reference: str) -> bool | None:
    r"""Compare what algebra would get wrong: words, letters of options, numbers with a base, units.

    Returns:
        Whether they are the same, None when algebra may decide.

    >>> compared_as_written("B", r"\text{(B)}"), compared_as_written("6_8", "6_7"), compared_as_written("x+1", "1+x")
    (True, False, None)
    """
    mine, theirs = plain(answer), plain(reference)
    ours, base = _WITH_BASE.fullmatch(mine), _WITH_BASE.fullmatch(theirs)
    if base is not None:
        return mine == base[1] if ours is None else ours.groups() == base.groups()
    if is_words(reference):
        return _same_words(_unwrapped(answer), _unwrapped(reference))
    units = [_unit(side) for side in (answer, reference)]
    differ = None not in units and units[0] != units[1]
    return False if differ or " " in mine + theirs else None


def is_words(reference: str) -> bool:
    """True for text such as `Evelyn` or `(B)`; a single letter may be a variable and is left to the algebra."""
    bare = _unwrapped(reference)
    wrapped = bare != reference.strip()
    return bool(_WORDS_ONLY.fullmatch(bare)) and (wrapped or len(bare.strip("()")) > 3)  # noqa: PLR2004 - xyz is a product


def _unwrapped(text: str) -> str:
    return unwrapped(tidy(visible(text))).strip()


def _same_words(mine: str, theirs: str) -> bool:
    """Compare without case and spacing; letters of options also without brackets and in any order."""
    if _OPTION.fullmatch(theirs):
        alone = re.match(r"\(([A-Z])\)(?!\s?(?:,|or|and)\b)", mine) or _OPTION.fullmatch(mine)
        return alone is not None and alone[1] == theirs.strip("()")
    if _OPTIONS.fullmatch(theirs):
        return bool(_OPTIONS.fullmatch(mine)) and set(re.findall("[A-Z]", mine)) == set(re.findall("[A-Z]", theirs))
    return "".join(mine.casefold().split()) == "".join(theirs.casefold().split())


def _unit(side: str) -> str | None:
    found = _UNIT.search(unwrapped(tidy(side), " ").rstrip())
    return _UNITS.get(found[1].lower()) if found else None

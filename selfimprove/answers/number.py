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
from fractions import Fraction
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from selfimprove.answers.marks import disagree, labelled, stated
from selfimprove.answers.offered import Thing, denied, first_meant, offered_instead
from selfimprove.answers.signs import clean, visible
from selfimprove.records import Parsed, Verdict

_POWERS = {"hundred": 2, "thousand": 3, "million": 6, "billion": 9, "trillion": 12, "%": -2, "percent": -2}
_SCALES = {"k": Fraction(1000), "K": Fraction(1000)} | {word: Fraction(10) ** power for word, power in _POWERS.items()}
_WORDS = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty",
)
_MOST_DIGITS = 400  # of a number and of an exponent's worth of zeros: hostile text must not fill the memory

_PLAIN = r"(?:[1-9][0-9]{0,2}(?:,[0-9]{2,3}){0,9},[0-9]{3}(?![0-9])|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+"
_TOKEN = re.compile(
    rf"""
    (?P<sign>(?<![\w)\].%])(?:-|(?:(?<=[=:(]\ )|(?<![^\n]))-\ ))? (?P<currency>[$€£¥][ ]?)? (?P<inner>(?<=[$€£¥])-)?
    (?<![A-Za-z_0-9.\\^])(?<!\^\{{)(?<!\^-)(?!(?<=[Ss]tep[ ])[0-9]{{1,2}}:)
    (?:
      10\^\{{?(?P<power>-?[0-9]{{1,3}})\}}?
    | (?P<whole>[0-9]{{1,9}})(?:[ ]|[ ]and[ ]|-)(?P<part>[0-9]{{1,9}})/(?P<parts>[0-9]{{1,9}})(?![0-9/])
    | (?P<top>{_PLAIN})[ ]?/[ ]?(?P<bottom>{_PLAIN})
    | (?P<plain>{_PLAIN})
      (?: [eE](?P<e>[+-]?[0-9]{{1,3}})(?!\w)
        | [ ]?[x×*·][ ]?10\^\{{?(?P<ten>-?[0-9]{{1,3}})\}}?
        | (?![0-9.,]{{0,40}}[eE][+-]?[0-9]) )
    )
    (?!\.?[0-9])(?![OОΟ]+(?![^\W_]))
    (?:[ ]?(?P<unit>%|(?<=[0-9])[kK]\b|(?:percent|hundred|thousand|million|billion|trillion)\b))?
    """,
    re.VERBOSE,
)
_SYMBOLIC = re.compile(  # no plain number, though one stands in it
    r"\\(?:sqrt|pi|sum|int|log|ln|sin|cos|tan|infty|binom)|[√π∞]|\b(?:sqrt|pi)\b"
)
_OPERATOR = re.compile(  # an operation that is not carried out
    r"\s?(?:[-+*/×x·÷^±]|(?:plus|minus|times|over|choose|(?:divided|multiplied)\sby)\b)\s?[({$]{0,2}-?[0-9]"
    r"|\.{2,}\s?[0-9]|\s?[+^*]\s?\(?[a-z]\b|\s(?:squared|cubed|factorial)\b"
)
_COMPARED = re.compile(r"(?:\b(?:more|less|greater|fewer|larger|smaller|bigger|higher|lower)\sthan|\S\s?[<>≠])[\s$]*$")
_ASIDE = re.compile(  # what an equation after it says is not the answer
    r"\b(?:since|because|as|when|where|if|given|assuming|so|which)\b|(?<!\\)\((?=[^()]*=)|[.!?]\s"
    r"|(?:[,;]|\b(?:for|with|at|and|or)\b)[\s$\\(]*[a-z]\s?=",
    re.IGNORECASE,
)
_BESIDES = re.compile(  # an equation in brackets, a sentence that checks an answer or gives the reason
    r"(?<!\\)\([^()=]*=[^()]*\)|(?<=[.!?]\s)(?:(?:this|that|it)\sis\s(?:because|since|as)\b"
    r"|(?:(?:to|let\sme|let\sus|let['’]s)\s)?(?:double[\s-])?(?:check|verif|note|recall|because))(?:(?![.!?]\s).)*",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"[.!?]\s|\b(?:so|which)\b", re.IGNORECASE)  # with the working, where that is not over
_SENTENCE = re.compile(r"[.!?]\s")
_SO = re.compile(r"so\b|which\smeans\b", re.IGNORECASE)
_FIGURE = re.compile(rf"(?P<after>[=≈][\s$€£¥]*)?(?P<digits>{_PLAIN})")
_LONGEST_SPAN = 2_000  # characters of a mark's text that are read
_NEAR = 40


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
    text = visible(text)
    said = stated(text)
    if disagree(said, _meant):
        return Parsed()
    line = labelled(text)
    strict = _only(line) if line is not None else None
    if strict is not None:
        return Parsed(answer=strict, strict=strict)
    if said and (
        _SYMBOLIC.search(said[-1]) or _tokens(clean(said[-1][:_LONGEST_SPAN])) or said[-1].casefold() in _WORDS
    ):
        return Parsed(answer=offered(said[-1]))
    return Parsed(answer=last(text))


def offered(span: str) -> str | None:
    """Give the number that the text of a mark means, None when it means none or names several to choose from.

    >>> offered("3 + 4 = 7 apples"), offered("4 or 5"), offered("not 4")
    ('7', None, None)
    """
    if _SYMBOLIC.search(span):
        return None
    if span.casefold() in _WORDS:
        return str(_WORDS.index(span.casefold()))
    plain = clean(span[:_LONGEST_SPAN])
    tokens = _tokens(plain)
    return _chosen(plain, tokens) if tokens else None


def last(text: str) -> str | None:
    """Give the last number of a text that is not named to be ruled out; None when it is one of two to choose from.

    >>> last("It is 18, not 19."), last("either 4 or 5")
    ('18', None)
    """
    plain = clean(text)
    counted = (token for token in reversed(list(_TOKEN.finditer(plain))) if _value(token) is not None)
    final, before = [*islice((token for token in counted if not denied(plain, token.start())), 2), None, None][:2]
    if final is None or _OPERATOR.match(plain, final.end()):
        return None
    if before is not None and _value(before) != _value(final):
        listed = "=" not in plain and re.search(r"[^\W\d_]", plain) is None
        if listed or offered_instead(plain, _thing(before), _thing(final)):
            return None
    return _bare(final)


def _meant(span: str) -> Quantity | None:
    found = offered(span)
    return quantity(found) if found is not None else None


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
        value = _decimal(at["plain"]) if abs(power) <= _MOST_DIGITS else None
        value = value * Fraction(10) ** power if value is not None and power else value
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
    if len(text) > _LONGEST_SPAN or _SYMBOLIC.search(text):
        return None
    span = clean(text)
    tokens = _tokens(span)
    if len(tokens) > 1 and ("=" in span or "≈" in span):
        return _chosen(span, tokens)
    values = {_value(token) for token in tokens}
    if len(values) != 1 or denied(span, tokens[0].start()) or _out_of_place(span, tokens[0]):
        return None
    return _bare(tokens[0])


def _chosen(span: str, tokens: list[re.Match[str]]) -> str | None:
    """Give the number that a mark's text means: its first, or what that is worked out to; None where several are."""
    first = tokens[0]
    aside = _ASIDE.search(span, first.end()) if not _ASIDE.search(span, 0, first.start()) else None
    end = aside.start() if aside else len(span)
    found = _reached(span, tokens, end)
    if re.search(r"[^\W\d]{2}", span[: first.start()]) or _OPERATOR.match(span, first.end()):  # no answer came first
        found = _gone_on(span, tokens, found, end)
    return _bare(found) if found else None


def _reached(span: str, tokens: list[re.Match[str]], end: int) -> re.Match[str] | None:
    """Give the number that a text comes to: what its last equation up to a place says, without one its first."""
    shown = _without_besides(span)
    equals = max(shown.rfind("=", 0, end), shown.rfind("≈", 0, end))
    worked_out = [token for token in tokens if token.start() > equals] or tokens
    meant = first_meant(span, [_thing(token) for token in worked_out])
    found = next((token for token in worked_out if meant and token.start() == meant.start), None)
    return found if found and not _out_of_place(span, found) else None


def _without_besides(span: str) -> str:
    return _BESIDES.sub(lambda besides: " " * len(besides.group()), span)


def _gone_on(span: str, tokens: list[re.Match[str]], found: re.Match[str] | None, end: int) -> re.Match[str] | None:
    """Give what a working comes to that goes on, else what it first comes to; None where either may be the answer.

    It goes on where it uses its first result, or says its last again: "16 - 3 = 13 eggs. 13 * 2 = 26 dollars". What
    does neither gives the reason for its answer: "13 * 2 = 26 dollars. 16 - 3 = 13 eggs".
    """
    onward = _GOES_ON.match(span, end) or _SENTENCE.search(span, end)
    last = _reached(span, tokens, len(span))
    if not (found and onward and last) or _size(last) == _size(found):
        return found
    shown = _without_besides(span)
    if _size(last) in _operands(shown, last.end(), len(span)):
        return last
    if _size(found) not in _operands(shown, onward.start(), last.start()):
        return found
    works = re.search("[=≈]", span[tokens[0].end() : found.start()]) or _SO.match(span, end)
    return last if works and _size(last) not in _operands(shown, 0, end) else None


def _operands(span: str, start: int, end: int) -> set[Fraction]:
    """Give the numbers of a stretch of text that no equation in it comes to."""
    figures = _FIGURE.finditer(span, start, end)
    return {_decimal(each["digits"]) for each in figures if not each["after"] or _OPERATOR.match(span, each.end())}


def _size(token: re.Match[str]) -> Fraction | None:
    value = _value(token)
    return abs(value.value) if value else None


def _thing(token: re.Match[str]) -> Thing:
    return Thing(*token.span(), _value(token))


def _out_of_place(span: str, token: re.Match[str]) -> bool:
    """True when a number is part of an operation, or a bound: `2^10`, "more than 18"."""
    before = span[max(0, token.start() - _NEAR) : token.start()]
    return _OPERATOR.match(span, token.end()) is not None or _COMPARED.search(before) is not None

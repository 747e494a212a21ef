# ruff: noqa: RUF002 - these are the signs that people write
r"""Numbers: found in running text, read with their units, compared as exact rationals.

What is read: `1,234.50`, `$18`, `-5` with any minus sign, `1/2`, `1 1/2`, `\frac{1}{2}`, `½`, `50%`,
`1.2e3`, `1.2 × 10^3`, `3 million`, each with a unit before or after it.

A percent sign and a scale word are units that people leave out. With the same unit on both sides, or none,
values must be equal; with a unit on one side only, either the bare number or the scaled one may be:
`50%` equals `50` and `0.5`, but `0.5%` does not equal `50%`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice

from selfimprove.answers.figures import OPERATOR, TOKEN, Quantity, bare, out_of_place, thing_of, tokens_of, value_of
from selfimprove.answers.marks import disagree, labelled, stated
from selfimprove.answers.offered import denied, offered_instead
from selfimprove.answers.signs import clean, visible
from selfimprove.answers.working import worked_out
from selfimprove.records import Parsed, Verdict

_WORDS = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty",
)
_SYMBOLIC = re.compile(  # no plain number, though one stands in it
    r"\\(?:sqrt|pi|sum|int|log|ln|sin|cos|tan|infty|binom)|[√π∞]|\b(?:sqrt|pi)\b"
)
_LONGEST_SPAN = 2_000  # characters of a mark's text that are read


def read(text: str) -> Parsed:
    r"""Find the number a completion ends in.

    Strictly only on a line "Answer: ...". Leniently in the last mark (see `marks.stated`), and where there is no
    mark the last number of all. A mark that holds several numbers to choose from gives no answer.

    >>> read("She has 3 + 4 = 7 eggs.").answer
    '7'
    """
    text = visible(text)
    said = stated(text)
    if disagree(said, _meant):
        return Parsed()
    line = labelled(text, _meant)
    strict = _only(line) if line is not None else None
    if strict is not None:
        return Parsed(answer=strict, strict=strict)
    if said and (
        _SYMBOLIC.search(said[-1]) or tokens_of(clean(said[-1][:_LONGEST_SPAN])) or said[-1].casefold() in _WORDS
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
    tokens = tokens_of(plain)
    return worked_out(plain, tokens) if tokens else None


def last(text: str) -> str | None:
    """Give the last number of a text that is not named to be ruled out; None when it is one of two to choose from.

    >>> last("It is 18, not 19."), last("either 4 or 5")
    ('18', None)
    """
    plain = clean(text)
    counted = (token for token in reversed(list(TOKEN.finditer(plain))) if value_of(token) is not None)
    final, before = [*islice((token for token in counted if not denied(plain, token.start())), 2), None, None][:2]
    if final is None or OPERATOR.match(plain, final.end()):
        return None
    if before is not None and value_of(before) != value_of(final):
        listed = "=" not in plain and re.search(r"[^\W\d_]", plain) is None
        if listed or offered_instead(plain, thing_of(before), thing_of(final)):
            return None
    return bare(final)


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
    token = TOKEN.search(found) if found is not None else None
    return value_of(token) if token else None


def canonical(reference: str) -> str | None:
    """Write a reference number plainly, None when it is not one.

    >>> canonical("$1,080.00 dollars")
    '1080.00'
    """
    return _only(reference)


def _only(text: str) -> str | None:
    """Give the one number of a short text, or the right side of its equation; None when there are several."""
    if len(text) > _LONGEST_SPAN or _SYMBOLIC.search(text):
        return None
    span = clean(text)
    tokens = tokens_of(span)
    if len(tokens) > 1 and ("=" in span or "≈" in span):
        return worked_out(span, tokens)
    values = {value_of(token) for token in tokens}
    if len(values) != 1 or denied(span, tokens[0].start()) or out_of_place(span, tokens[0]):
        return None
    return bare(tokens[0])

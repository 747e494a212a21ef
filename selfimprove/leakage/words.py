"""Texts as the guard compares them: case, width, spaces and punctuation folded away."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HYPHEN: Final = re.compile(r"(?<=[^\W\d])\s*[-\u2010-\u2015]\s*(?=[^\W\d])")
_SIGN: Final = re.compile(r"([-+*/=<>^%])")
_REST: Final = re.compile(r"[^\w+\-*/=<>^%]+|_+")
_WORD: Final = re.compile(r"[^\W_]+")
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_APOSTROPHES: Final = "'\u2018\u2019\u02bc`"
_INVISIBLE: Final = (
    0xAD,
    0x61C,
    0x180E,
    0xFEFF,
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
)
_DROPPED: Final = dict.fromkeys([*map(ord, _APOSTROPHES), *_INVISIBLE])


def folded(text: str) -> str:
    """Fold case and width; take out apostrophes, invisible characters and the commas of thousands.

    >>> folded("Don\u2019t pay $1,000")
    'dont pay $1000'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold().translate(_DROPPED)
    else:
        text = text.lower().replace("'", "").replace("`", "")
    return _THOUSANDS.sub("", text) if "," in text else text


def normalised(text: str) -> str:
    """Fold case, width, punctuation and white space; signs that make another sum are kept.

    >>> normalised("What  is 2+2 ?") == normalised("what is 2 + 2")
    True
    >>> normalised("What is 5 - 3?") == normalised("What is 5 + 3?")
    False
    """
    return _REST.sub(" ", _SIGN.sub(r" \1 ", _HYPHEN.sub(" ", folded(text)))).strip()


def words(text: str) -> list[str]:
    """Give a text's words: runs of letters and digits, lower case, no signs.

    >>> words("Is $x^2$ 1,000 or don't we know?")
    ['is', 'x', '2', '1000', 'or', 'dont', 'we', 'know']
    """
    return _WORD.findall(folded(text))


def grams(of: list[str] | tuple[str, ...], size: int) -> zip[tuple[str, ...]]:
    """Give every run of `size` words, in order."""
    return zip(*(of[start:] for start in range(size)), strict=False)

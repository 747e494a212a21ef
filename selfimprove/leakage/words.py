"""Texts as the guard compares them: case, width, spaces and punctuation folded away."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HYPHEN: Final = re.compile(r"(?<=[^\W\d])\s*[-\u2010-\u2015]\s*(?=[^\W\d])")
_SIGN: Final = re.compile(r"([-+*/=<>^%])")
_REST: Final = re.compile(r"[^\w+\-*/=<>^%]+|_+")
_WORD: Final = re.compile(r"[^\W_]+")
_UNSPACED: Final = (
    "\u3005\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f"  # kana, bopomofo
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\uac00-\ud7a3"  # Chinese characters, hangul
)
_CHARACTER: Final = re.compile(f"[{_UNSPACED}]")
_WORD_OR_CHARACTER: Final = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")
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
    apart = _CHARACTER.sub(r" \g<0> ", folded(text))
    return _REST.sub(" ", _SIGN.sub(r" \1 ", _HYPHEN.sub(" ", apart))).strip()


def words(text: str) -> list[str]:
    """Give a text's words: runs of letters and digits, lower case, no signs.

    Chinese, Japanese and Korean characters are words each, as no space tells where one ends.

    >>> words("Is $x^2$ 1,000 or don't we know?")
    ['is', 'x', '2', '1000', 'or', 'dont', 'we', 'know']
    >>> words("\u5c0f\u660e\u6709 12 \u4e2a")
    ['\u5c0f', '\u660e', '\u6709', '12', '\u4e2a']
    """
    plain = folded(text)
    return (_WORD if plain.isascii() else _WORD_OR_CHARACTER).findall(plain)


def grams(of: list[str] | tuple[str, ...], size: int) -> zip[tuple[str, ...]]:
    """Give every run of `size` words, in order."""
    return zip(*(of[start:] for start in range(size)), strict=False)

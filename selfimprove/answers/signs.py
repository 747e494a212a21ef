# ruff: noqa: RUF001, RUF002 - these are the signs that people write
"""What a reader sees of a text: what does not show and wrappers are off, digits and minus signs written one way."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0e-\x1b\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e007f]"
)
_TURNED: Final = re.compile("[\u202d\u202e][^\u202c\n]*")  # shows in another order than it is written in
_MINUS: Final = re.compile("[−‒–﹣－⁻](?=[$€£]?[0-9.\\\\(])")
_FOREIGN_DIGIT: Final = re.compile(r"(?![0-9])\d")
_TAG: Final = re.compile(r"</?[A-Za-z][^<>\n]{0,40}>")
_SPECIAL: Final = re.compile(  # a model's own marks for where a turn or an answer ends
    r"<\|[^<>|\n]{1,40}\|>|</?s>|<(?:[be]os|pad|(?:start|end)_of_turn)>|</answer>", re.IGNORECASE
)
_WRAPPED: Final = re.compile(r"\\(?:text|mathrm|mbox|textbf|mathbf|textrm|textit|operatorname)\s?\{([^{}]{0,200})\}")
_PART: Final = r"[0-9]{1,9}(?:[.,][0-9]{1,9}){0,3}"
_FRACTION: Final = re.compile(  # with one minus sign at most
    rf"\\[dt]?frac\s?(?:\{{((?:(?<!-\\frac\{{)(?<!-\\[dt]frac\{{)-)?{_PART})\}}|([0-9]))\s?(?:\{{({_PART})\}}|([0-9]))"
)
_AND_A_HALF: Final = re.compile(r"(?<=[0-9])((?:\s[a-z]{1,15})?)\sand\s(?:a|one)[\s-](half|third|quarter)\b")
_PARTS: Final = {"half": "1/2", "third": "1/3", "quarter": "1/4"}
_POWER: Final = re.compile(r"(?<=[0-9A-Za-z)])[⁻⁰¹²³⁴-⁹]{1,4}")


def visible(text: str) -> str:
    r"""Take off what a reader does not see: zero-width signs, stretches whose order on the screen is turned, end marks.

    >>> visible("Answer: 1\u200b8"), visible("Answer: 18<|im_end|>")
    ('Answer: 18', 'Answer: 18\n')
    """
    text = _SPECIAL.sub("\n", text)
    if text.isascii() and "\x00" not in text:
        return text
    return _HIDDEN.sub("", _TURNED.sub("", text))


def unwrapped(text: str, margin: str = "") -> str:
    r"""Take `\text{...}` and its like off words, and put a margin in its place.

    >>> unwrapped(r"\boxed{\text{Paris}}")
    '\\boxed{Paris}'
    """
    return _WRAPPED.sub(lambda found: f"{margin}{found[1]}{margin}", text)


def plain_digits(text: str) -> str:
    """Write every script's digits, and the minus signs before digits, as ASCII does.

    >>> plain_digits("−٤")
    '-4'
    """
    if text.isascii():
        return text
    return _MINUS.sub("-", _FOREIGN_DIGIT.sub(lambda found: str(unicodedata.decimal(found.group())), text))


def clean(text: str) -> str:
    """Write LaTeX, typographic signs and number words with signs in plain characters."""
    text = plain_digits(visible(text))
    text = re.sub(r"(?<=[0-9)])\*\*(?=-?[0-9(])", "^", text).replace("**", "").replace("\\$", "$").replace("\\%", "%")
    text = _POWER.sub(lambda found: "^" + unicodedata.normalize("NFKC", found.group()), text)
    text = re.sub(r"(?<=[0-9])(?:\\,|\\!|[\u00a0\u202f\u2009])(?=[0-9]{3}(?![0-9]))", "", text)
    text = re.sub(r",\\!\s?", ",", _TAG.sub(" ", text)).replace("{,}", ",").replace("\\!", "")
    text = text.replace("\\times", "×").replace("\\cdot", "·")
    text = unwrapped(_FRACTION.sub(r" \1\2/\3\4", text), " ")
    text = _AND_A_HALF.sub(lambda found: f" {_PARTS[found[2]]}{found[1]}", text)
    text = re.sub(r"(?<=[0-9])(?=[¼-¾⅐-⅞])", " ", text)
    text = unicodedata.normalize("NFKC", text).replace("⁄", "/")
    text = re.sub(r"[−‒–﹣]", "-", text)
    text = re.sub(r"- (?=[0-9]{1,9}/)", "-", text)
    return re.sub(r"\b(?:minus|negative) (?=[$]?[0-9.])", "-", text, flags=re.IGNORECASE)

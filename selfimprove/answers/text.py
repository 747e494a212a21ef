"""Short text: a name, a place, a phrase, compared as SQuAD does (Rajpurkar et al. 2016, arXiv:1606.05250).

One difference: signs that make another number or name of it stay ("1.5" is not "15", "-5" not "5", "C++" not "C").
"""

from __future__ import annotations

import re
import string
import unicodedata

from selfimprove.answers.marks import disagree, labelled, sentence, stated, tidy
from selfimprove.answers.signs import plain_digits, unwrapped, visible
from selfimprove.records import Parsed, Verdict

_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION = re.compile(
    rf"(?<=[0-9])(?P<kept>[./:^*%-])(?=[0-9])|(?<!\w)(?P<minus>-)(?=[.]?[0-9])|(?<=[a-z])(?P<name>[+#]{{1,2}})(?!\w)"
    rf"|[{re.escape(string.punctuation)}‘’“”«»„‚–—…¿¡·•′″]"  # noqa: RUF001 - these are the signs that people write
)
_SAID_OF_IT = re.compile(r"\s?[,;(]|\s(?:because|since|as|which|who|where)\b", re.IGNORECASE)
_AFTER_LABEL = re.compile(
    r"^[ \t>*_-]{0,6}(?:final[ \t])?answer[*_]{0,2}[ \t]?:[*_]{0,2}", re.IGNORECASE | re.MULTILINE
)


def read(text: str, *, multiline: bool = False) -> Parsed:
    r"""Find the answer of a completion as text.

    Strictly what stands after "Answer:", to the end of the line. Leniently the sentence of the last mark (see
    `marks.stated`), else the last line.

    Args:
        text: the completion.
        multiline: an answer goes on to the end of the text (grids, code).

    >>> read("It lies in France.\nAnswer: Paris.").strict
    'Paris'
    """
    text = visible(text)
    if multiline:
        labels = list(_AFTER_LABEL.finditer(text))
        block = (text[labels[-1].end() :] if labels else text).strip() or None
        return Parsed(answer=block, strict=block if labels else None)
    text = unwrapped(text)
    said = [sentence(each) for each in stated(text)]
    if disagree(said, normalised):
        return Parsed()
    strict = labelled(text, _named)
    lines = [line for line in (tidy(part) for part in text.splitlines()) if line]
    return Parsed(answer=strict or (said[-1] if said else None) or (lines[-1] if lines else None), strict=strict)


def _named(span: str) -> str | None:
    """Give what a mark's text names, without what it goes on to say of it; None where it is named to be ruled out."""
    named = sentence(span)
    return None if named.startswith("not ") else normalised(_SAID_OF_IT.split(named)[0] or named)


def compare(answer: str, reference: str) -> Verdict:
    """Compare without case, punctuation, articles and spacing."""
    if not reference.strip():
        return Verdict.ERROR
    if not answer.strip():
        return Verdict.UNPARSEABLE
    return Verdict.CORRECT if normalised(answer) == normalised(reference) else Verdict.WRONG


def canonical(reference: str) -> str | None:
    """Give the text without outer spaces, None when nothing is left."""
    return reference.strip() or None


def normalised(text: str) -> str:
    """Lower the case, take out punctuation and articles, squeeze spaces.

    >>> normalised("The  U.S. Army!")
    'us army'
    """
    lower = unicodedata.normalize("NFC", plain_digits(visible(text))).lower()
    plain = " ".join(_ARTICLES.sub(" ", _PUNCTUATION.sub(_kept, lower)).split())
    return plain or " ".join(lower.split())  # "A" and "+" are answers too


def _kept(sign: re.Match[str]) -> str:
    return sign[sign.lastgroup] if sign.lastgroup else ""

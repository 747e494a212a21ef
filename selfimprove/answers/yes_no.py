"""Yes or no: the word a completion decides on, not every "no" that it contains."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from selfimprove.answers.marks import disagree, labelled, stated, tidy
from selfimprove.answers.offered import CONNECTING, JOINING
from selfimprove.answers.signs import unwrapped, visible
from selfimprove.records import Parsed, Verdict

_MEANS = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_BEFORE_NOTHING = (
    r"(?=\s{0,3}(?:[.,;:!?)*\"'_—/-]|$|\n)|\s(?:it|he|she|they|there|we|you|the|this|that|because|and|or|but|yes|no)\b)"
)
_WORD = re.compile(rf"\b(yes|true|false)\b|\b(no)\b{_BEFORE_NOTHING}", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:not|n't|neither|never|cannot|no\slonger)\b|n['’]t\b", re.IGNORECASE)  # noqa: RUF001 - people write it
_JOINT = rf"\W{{0,5}}(?:{JOINING}\W{{0,3}}){{0,3}}"
_SIDE_BY_SIDE = re.compile(_JOINT, re.IGNORECASE)
_TORN = re.compile(
    rf"\b(?:yes|no)\b\W{{0,3}}{CONNECTING}{_JOINT}\b(?:yes|no)\b|\byes\W{{1,2}}no\b|\bno\W{{1,2}}yes\b", re.IGNORECASE
)
_HEDGED = re.compile(
    rf"{_TORN.pattern}|\b(?:true|false)\b\W{{0,3}}{CONNECTING}{_JOINT}\b(?:true|false)\b", re.IGNORECASE
)
_CHANGED = re.compile(r"\b(?:wait|actually|sorry|correction|rather|i\smean)\b", re.IGNORECASE)
_TWISTED = re.compile(r"\b(?:false|untrue|incorrect|wrong|not\strue|doubt(?:ful)?)\sthat\b", re.IGNORECASE)
# at the start of a sentence or after "so"; "no" before a noun ("No one knows") is no answer
_DECIDES = re.compile(
    r"(?:^|[.!?:;\n]|\b(?:so|thus|therefore|hence|answer),?)[\s*_\"'(]{0,6}"
    rf"(?:(yes|true|false)\b|(no)\b{_BEFORE_NOTHING})"
    r"|\b(?:statement|claim|it|this|that)\sis\s(true|false)(?=\s?(?:[.!]|$))",
    re.IGNORECASE,
)


def read(text: str) -> Parsed:
    """Find the decision of a completion.

    Strictly only "Answer: yes" or "Answer: no". Leniently in the last mark (see `marks.stated`), else the last
    sentence that begins with the word. "Yes and no" gives no answer.

    >>> read("No, because whales are mammals.").answer
    'no'
    """
    text = unicodedata.normalize("NFKC", unwrapped(visible(text)))
    said = stated(text)
    if disagree(said, _decided):
        return Parsed()
    line = labelled(text, _decided)
    strict = {"yes": "yes", "no": "no"}.get(line.casefold()) if line is not None else None
    if strict is not None:
        return Parsed(answer=strict, strict=strict)
    if said and _WORD.search(said[-1]):
        return Parsed(answer=_decided(said[-1]))
    if _TORN.search(text) or _TWISTED.search(text):
        return Parsed()
    found = list(_DECIDES.finditer(text))
    if not found:
        return Parsed(answer=canonical(text))
    return Parsed(answer=None if _taken_back(text, found[-2:]) else _meaning(found[-1]))


def _decided(span: str) -> str | None:
    """Give the decision in a mark's text, None when it is hedged or negated: the first, or the one it is changed to."""
    words = list(_WORD.finditer(span))
    if not words or _HEDGED.search(span) or _NEGATED.search(span[: words[0].start()]):
        return None
    for before, after in pairwise(words):
        if _meaning(before) == _meaning(after):
            continue
        between = span[before.end() : after.start()]
        if _CHANGED.search(between):
            return _meaning(after)
        if _SIDE_BY_SIDE.fullmatch(between):
            return None
    return _meaning(words[0])


def _taken_back(text: str, decisions: list[re.Match[str]]) -> bool:
    """True when the last two decisions of a text differ and nothing stands between them."""
    first, last = decisions[0], decisions[-1]
    between = text[first.end() : last.start(last.lastindex or 0)]
    return _meaning(first) != _meaning(last) and _SIDE_BY_SIDE.fullmatch(between) is not None


def _meaning(found: re.Match[str]) -> str:
    return _MEANS[found[found.lastindex or 0].casefold()]


def compare(answer: str, reference: str) -> Verdict:
    """Compare two decisions; "true" means yes."""
    mine, theirs = canonical(answer), canonical(reference)
    if theirs is None:
        return Verdict.ERROR
    if mine is None:
        return Verdict.UNPARSEABLE
    return Verdict.CORRECT if mine == theirs else Verdict.WRONG


def canonical(reference: str) -> str | None:
    """Give "yes" or "no" for a text that is nothing else, None otherwise.

    >>> canonical("True.")
    'yes'
    """
    return _MEANS.get(tidy(reference).casefold())

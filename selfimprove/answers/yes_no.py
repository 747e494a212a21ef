"""Yes or no: the word a completion decides on, not every "no" that it contains."""

from __future__ import annotations

import re

from selfimprove.answers.marks import concluded, labelled, tidy
from selfimprove.records import Parsed, Verdict

_MEANS = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
_WORD = re.compile(r"\b(yes|no|true|false)\b", re.IGNORECASE)
_NEGATED = re.compile(r"\b(?:not|n't|neither|cannot)\b|n't\b", re.IGNORECASE)
_HEDGED = re.compile(r"\b(?:yes|no|true|false)\b\W{0,3}(?:and|or|/|nor)\W{0,3}\b(?:yes|no|true|false)\b", re.IGNORECASE)
# at the start of a sentence or after "so"; "no" before a noun ("No one knows") is no answer
_DECIDES = re.compile(
    r"(?:^|[.!?:;\n]|\b(?:so|thus|therefore|hence|answer),?)[\s*_\"'(]{0,6}"
    r"(?:(yes|true|false)\b"
    r"|(no)\b(?=\s{0,3}(?:[.,;:!)*\"'_—-]|$|\n)|\s(?:it|he|she|they|there|we|you|the|this|that|because)\b))"
    r"|\b(?:statement|claim|it|this|that)\sis\s(true|false)(?=\s?(?:[.!]|$))",
    re.IGNORECASE,
)


def read(text: str) -> Parsed:
    """Find the decision of a completion.

    Strictly only "Answer: yes" or "Answer: no". Leniently in the last mark (see `marks.concluded`), else the last
    sentence that begins with the word. "Yes and no" gives no answer.

    >>> read("No, because whales are mammals.").answer
    'no'
    """
    line = labelled(text)
    strict = {"yes": "yes", "no": "no"}.get(line.casefold()) if line is not None else None
    if strict is not None:
        return Parsed(answer=strict, strict=strict)
    span = concluded(text)
    if span is not None and _WORD.search(span):
        return Parsed(answer=_decided(span))
    if _HEDGED.search(text):
        return Parsed()
    found = [next(filter(None, groups)) for groups in _DECIDES.findall(text)]
    return Parsed(answer=_MEANS[found[-1].casefold()] if found else canonical(text))


def _decided(span: str) -> str | None:
    """Give the first decision in a mark's text, None when it is hedged or negated."""
    first = _WORD.search(span)
    if first is None or _HEDGED.search(span) or _NEGATED.search(span[: first.start()]):
        return None
    return _MEANS[first.group().casefold()]


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

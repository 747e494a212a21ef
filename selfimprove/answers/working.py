# ruff: noqa: RUF001 - these are the signs that people write
"""What a text with equations comes to: its last result, or the answer that came before its reasons."""

from __future__ import annotations

import re
from fractions import Fraction

from selfimprove.answers.figures import OPERATOR, PLAIN, bare, decimal, out_of_place, thing_of, value_of
from selfimprove.answers.offered import first_meant

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
_FIGURE = re.compile(rf"(?P<after>[=≈][\s$€£¥]*)?(?P<digits>{PLAIN})")


def worked_out(span: str, tokens: list[re.Match[str]]) -> str | None:
    """Give the number that a mark's text means: its first, or what that is worked out to; None where several are."""
    first = tokens[0]
    aside = _ASIDE.search(span, first.end()) if not _ASIDE.search(span, 0, first.start()) else None
    end = aside.start() if aside else len(span)
    shown = _BESIDES.sub(lambda besides: " " * len(besides.group()), span)
    found = _reached(span, shown, tokens, end)
    if re.search(r"[^\W\d]{2}", span[: first.start()]) or OPERATOR.match(span, first.end()):  # no answer came first
        found = _gone_on(span, shown, tokens, found, end)
    return bare(found) if found else None


def _reached(span: str, shown: str, tokens: list[re.Match[str]], end: int) -> re.Match[str] | None:
    """Give the number that a text comes to: what its last equation up to a place says, without one its first.

    Args:
        span: the text.
        shown: it, with blanks in the place of what stands beside its working.
        tokens: its numbers.
        end: the place.
    """
    equals = max(shown.rfind("=", 0, end), shown.rfind("≈", 0, end))
    after = [token for token in tokens if token.start() > equals] or tokens
    meant = first_meant(span, [thing_of(token) for token in after])
    found = next((token for token in after if meant and token.start() == meant.start), None)
    return found if found and not out_of_place(span, found) else None


def _gone_on(
    span: str, shown: str, tokens: list[re.Match[str]], found: re.Match[str] | None, end: int
) -> re.Match[str] | None:
    """Give what a working comes to that goes on, else what it first comes to; None where either may be the answer.

    It goes on where it uses its first result, or says its last again: "16 - 3 = 13 eggs. 13 * 2 = 26 dollars". What
    does neither gives the reason for its answer: "13 * 2 = 26 dollars. 16 - 3 = 13 eggs".
    """
    onward = _GOES_ON.match(span, end) or _SENTENCE.search(span, end)
    last = _reached(span, shown, tokens, len(span))
    if not (found and onward and last) or _size(last) == _size(found):
        return found
    if _size(last) in _operands(shown, last.end(), len(span)):
        return last
    if _size(found) not in _operands(shown, onward.start(), last.start()):
        return found
    works = re.search("[=≈]", span[tokens[0].end() : found.start()]) or _SO.match(span, end)
    return last if works and _size(last) not in _operands(shown, 0, end) else None


def _operands(span: str, start: int, end: int) -> set[Fraction]:
    """Give the numbers of a stretch of text that no equation in it comes to."""
    figures = _FIGURE.finditer(span, start, end)
    return {decimal(each["digits"]) for each in figures if not each["after"] or OPERATOR.match(span, each.end())}


def _size(token: re.Match[str]) -> Fraction | None:
    value = value_of(token)
    return abs(value.value) if value else None

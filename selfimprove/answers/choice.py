"""Multiple choice: a letter from A to J, or the text of an option."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from selfimprove.answers.marks import disagree, labelled, stated, tidy
from selfimprove.answers.offered import CONNECTING, JOINING, OFFERING, TAKEN_BACK, denied
from selfimprove.answers.signs import unwrapped, visible
from selfimprove.answers.text import normalised
from selfimprove.records import Parsed, Verdict

LETTERS = "ABCDEFGHIJ"
_ALONE = re.compile(r"\(?([A-J])\)?[.:]?")
_LEADING = re.compile(
    r"(?:(?i:option|choice|letter)\s)?[*_\[]{0,3}"
    r"(?:\(([A-Ja-j])\)|([A-J])(?=[).:,;\]*_]|$|\n|\s{0,2}[-–—(/&|]|\s(?:because|since|as|and|or|is|for)\b)"  # noqa: RUF001
    r"|([B-HJ])(?=\s)|([a-j])(?=\)|\.?$))"
)
_OPENING = re.compile(r"[*_]{0,3}(?:\(([A-J])\)|([A-J])(?=[).:*_]|$)|([a-j])(?=\)|$))")  # of a line without a mark
_SEVERAL = re.compile(  # another letter; but after a full stop "I hope" and "A cell" begin a sentence
    rf"[)*_\]]{{0,3}}(?:(?:\s{{0,2}}(?:[,;&|+(\[-]|(?i:{CONNECTING})|not\b)|\.\s{{0,2}}(?i:{OFFERING}))"
    rf"(?:[\s,(*_]|(?i:{JOINING})|not\b){{0,6}}|\.?\s{{1,2}}[*_]{{0,2}}(?![A-J]\s[a-z]))"
    rf"(?!I\s(?!{JOINING})[a-z])([A-J])(?![\w'’])"  # noqa: RUF001
)
_CAPITAL = re.compile(r"\b([A-J])\b")
_IN_BRACKETS = re.compile(r"\(([A-J])\)")
_BUT = re.compile(r"not\s[^\n]{0,40}?\b(?:but|rather|it\sis)\s(?:option\s)?[*_]{0,2}\(?([A-J])\b")  # "not A but B"
_RULED_OUT = re.compile(r"[)*_\]]{0,3}\s(?:is|was)(?:\s(?:incorrect|wrong|false|not)\b|n['’]t\b)")  # noqa: RUF001
_INSTEAD = re.compile(  # another letter after "wait" or "but"
    rf"(?i:{TAKEN_BACK.pattern})(?:\W|(?i:no|it|it['’]?s|is|should|be|i\smean|rather|option|{JOINING})\b){{0,12}}"  # noqa: RUF001
    rf"(?![AI]\s[a-z])\b([A-J])(?![\w'’])(?!{_RULED_OUT.pattern})"  # noqa: RUF001
)
_ITEM = re.compile(r"(?<![\w(])([A-J])\)\s")  # an option, copied
_FEW = 2


def read(text: str) -> Parsed:
    """Find the option a completion settles on.

    Strictly only "Answer: B". Leniently a letter in the last mark (see `marks.stated`), at the start of the
    text, at the start of its last line, or the only one in brackets; else the mark's text or a one-line text,
    which `compare` looks for among the options. Several letters to choose from give no answer.

    >>> read("The answer is (C), since it is cold.").answer
    'C'
    """
    text = unicodedata.normalize("NFKC", unwrapped(visible(text))).replace("**", "")
    said = stated(text)
    if disagree(said, _named):
        return Parsed()
    line = labelled(text, _named)
    alone = _ALONE.fullmatch(line) if line is not None else None
    if alone:
        return Parsed(answer=alone[1], strict=alone[1])
    if said:
        return Parsed(answer=_named(said[-1]) if _LEADING.match(said[-1]) or _BUT.match(said[-1]) else said[-1])
    return Parsed(answer=_unmarked(text))


def _unmarked(text: str) -> str | None:
    """Read a text without a mark, see `read`."""
    lines = [tidy(part) for part in text.splitlines() if tidy(part)]
    lines = _without_options(lines)
    if len(lines) == 1 and len(set(_ITEM.findall(lines[0]))) > 1:
        return None
    openings = [found for line in lines if (found := _OPENING.match(line))]
    if len(openings) == len(lines) > 1 and len({_letter("", found) for found in openings}) > 1:
        return None
    for candidate in (lines[0], lines[-1]) if lines else ():
        found = _OPENING.match(candidate)
        if found and not _RULED_OUT.match(candidate, found.end()):
            return _letter(candidate, found)
    text = "\n".join(lines)
    named = {found[1] for found in _IN_BRACKETS.finditer(text) if not _out(text, found)}
    if len(named) == 1:
        return named.pop()
    capitals = set(_CAPITAL.findall(text)) if len(lines) == 1 else set()
    return lines[0] if len(lines) == 1 and len(named | capitals) < _FEW else None


def _without_options(lines: list[str]) -> list[str]:
    """Leave out the options, copied: lines that begin with "A.", "B." and so on, and hold more."""
    kept, copied = [], 0
    for line in lines:
        found = _OPENING.match(line)
        if found and _letter("", found) == LETTERS[copied] and not _ALONE.fullmatch(line):
            copied = min(copied + 1, len(LETTERS) - 1)
        else:
            kept.append(line)
    return kept if copied > 1 else lines


def _named(span: str) -> str | None:
    if contrast := _BUT.match(span):
        return contrast[1]
    found = _LEADING.match(span)
    return _letter(span, found) if found else None


def _out(text: str, letter: re.Match[str]) -> bool:
    return denied(text, letter.start()) or _RULED_OUT.match(text, letter.end()) is not None


def _letter(span: str, found: re.Match[str]) -> str | None:
    """Give the letter that a text begins with, None when it rules it out, or goes on to name others as well."""
    letter = next(group for group in found.groups() if group).upper()
    instead = _INSTEAD.search(span, found.end())
    if _RULED_OUT.match(span, found.end()) or (instead and instead[1] != letter):
        return None
    other = _SEVERAL.match(span, found.end())
    return None if other and other[1] != letter and "not" not in other.group() else letter


def compare(answer: str, reference: str, choices: Sequence[str] = ()) -> Verdict:
    """Compare a letter, or the text of an option, with the reference letter.

    A letter beyond the options is wrong; a text that is none of them is unparseable.
    """
    mine, theirs = canonical(answer, choices), canonical(reference, choices)
    if theirs is None:
        return Verdict.ERROR
    if mine is None:
        return Verdict.UNPARSEABLE
    return Verdict.CORRECT if mine == theirs else Verdict.WRONG


def canonical(answer: str, choices: Sequence[str] = ()) -> str | None:
    """Give the letter of an answer: itself, or that of the one option with this text; None otherwise.

    >>> canonical("the mitochondria", ["nucleus", "mitochondria"])
    'B'
    """
    answer = tidy(answer)
    alone = _ALONE.fullmatch(answer.upper() if len(answer) == 1 else answer)
    if alone:
        return alone[1]
    same = normalised(answer)
    alike = [letter for letter, option in zip(LETTERS, choices, strict=False) if normalised(option) == same]
    return alike[0] if len(alike) == 1 else _with_text(answer, choices)


def _with_text(answer: str, choices: Sequence[str]) -> str | None:
    """Read "B. mitochondria" when B is indeed that option."""
    found = re.match(r"\(?([A-J])\)?[.:)]?\s(.+)", answer)
    if not found or LETTERS.index(found[1]) >= len(choices):
        return None
    same = normalised(choices[LETTERS.index(found[1])]) == normalised(found[2])
    return found[1] if same else None

r"""Where a text says "this is my answer": `\boxed{...}`, `#### ...`, `Answer: ...`, `<answer>...`, "the answer is ...".

Kinds of answers read what stands in these places; here is only where they are. The last mark counts: who writes "The
answer is 3. Wait: \boxed{4}" has changed their mind. Marks with nothing between them are one statement, and when they
do not agree ("Answer: A" directly over "Answer: B") nothing was decided.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from selfimprove.answers.offered import BETWEEN, JOINING, OFFERED, TAKEN_BACK, nothing_between

_BRACE: Final = re.compile(r"\\f?boxed\s?\{|\\[{}\\]|[{}]")
_HASHES: Final = re.compile(r"####[ \t]{0,3}")
_HEADING: Final = re.compile(
    r"(?:step|part|case|problem|question|solution|explanation|example|section)\b|[0-9]{1,2}[.):]\s+[A-Za-z*]",
    re.IGNORECASE,
)
_IS: Final = (
    r"(?:\s(?:to\s(?:the|this)\s(?:question|problem)|here))?[*_]{0,2}\s?"
    r"(?:is|was|(?:would|should|must|will|has\sto)\sbe|:|：|=)[*_:]{0,3}"  # noqa: RUF001 - the wide colon
)
_NO_TITLE: Final = (  # "St. Louis" and "X v. Y" go on
    r"(?<!\bv)(?<!\b(?:St|Mr|Ms|Dr|Jr|Sr|Co|Mt|Ft|Lt|Fr|Pt|vs))"
    r"(?<!\b(?:Mrs|Inc|Ltd|Gen|Col|Sgt|Rev|Hon|Sen|Gov|Rep|Vol|Adm|Fig|etc))"
    r"(?<!\b(?:Prof|Capt|Corp|Pres|Bros|Univ|Dept))"
)
_OPTION: Final = (  # a letter, but no "A good one"; or, at the end of all, the text of an option
    r"(?=(?:(?:option|choice|letter)\s|[\s*_:\"'“‘`$(\[]|\\text\s?\{)*(?-i:[A-J])\b"  # noqa: RUF001 - quotes, as people write
    r"(?!(?<=[AI])\s(?!(?:because|since|as|and|or|not|is|for|which)\b)(?-i:[a-z]))"
    rf"|\s(?!to\s)(?:(?!{_NO_TITLE}(?<!\b[A-Z])\. |\([A-J]\))[^\n]){{1,60}}"
    r"\s*(?:(?:I\shope|let\sme\sknow)\b[^\n]*\s*)?\Z)"
)
_SAID: Final = re.compile(
    rf"(?:\banswer{_IS}|\b(?:correct|right|best)\s(?:option|choice){_IS}{_OPTION}|<answer>)", re.IGNORECASE
)
_SUPPOSED: Final = re.compile(
    r"\b(?:if|suppose|assume|assuming|whether|unless|until)\s+(?:that\s+)?(?:(?:the|my|our|your)\s+)?(?:\w+[ \t]+)?$",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"^[ \t>*_-]{0,6}(?:final[ \t])?answer[*_]{0,2}[ \t]?[:：][*_]{0,2}[ \t]*([^\n]*)$",  # noqa: RUF001 - as above
    re.IGNORECASE | re.MULTILINE,
)
_CLAUSE_END: Final = re.compile(rf"{_NO_TITLE}[.!?;](?=\s|$)|\n")
_BEGINS: Final = r"(?:(?:I|It|This|That|We|You|Please)\s[a-z]|I['’]|Let\sme\b|Hope\s(?:this|it)\b)"  # noqa: RUF001 - as above
_SENTENCE_END: Final = re.compile(
    rf"(?:{_NO_TITLE}(?<!\b[A-Z])(?<!\bNo)[.!?]\s+(?=[A-Z])(?!(?:Inc|Ltd|Co|Corp)\b)|\.\s+(?={_BEGINS}))"
)
_REVISED: Final = re.compile(rf"{TAKEN_BACK.pattern}|\b(?:instead|rather|recheck|let\sme)\b", re.IGNORECASE)
_EXPLAINS: Final = re.compile(  # how an answer is come by, or what it is like: "the sum of the two", "found by adding"
    r"(?:[a-z]{2,}\s|a\s){2}|(?:correct|right|wrong|incorrect|clear|obvious|simple|known|given|above|below|helpful)\b"
)
_NESTED: Final = re.compile(rf"(?:\s|{JOINING})*{_SAID.pattern}", re.IGNORECASE)
_PAIRS: Final = (("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("$", "$"), ("'", "'"), ("‘", "’"))  # noqa: RUF001
_NEAR: Final = 60
_MOST_STATEMENTS: Final = 20  # no more are looked at
_SOMETHING: Final = re.compile(r"[^\s*_`\"“”$.]")


class _Mark(NamedTuple):
    """A mark: from where to where it stands, and where its content begins and ends."""

    start: int
    opens: int
    closes: int
    end: int


def boxed(text: str) -> list[str]:
    r"""Give the contents of every closed, non-empty `\boxed{...}`, in order; inner boxes come after outer ones.

    >>> boxed(r"so \boxed{\frac{1}{2}} or \boxed{}")
    ['\\frac{1}{2}']
    """
    return [text[box.opens : box.closes].strip() for box in _boxes(text)]


def boxed_last(text: str) -> list[str]:
    r"""Give the content of the last `\boxed{...}`, and of those that directly precede it.

    >>> boxed_last(r"not \boxed{1}; but: \boxed{2}, \boxed{3}")
    ['2', '3']
    """
    return _together(text, _boxes(text))


def labelled(text: str, read: Callable[[str], object | None]) -> str | None:
    r"""Give what the last line of the form "Answer: ..." holds, without markup and final period.

    None where there is no such line, and where a mark behind it says another thing.

    Args:
        text: the completion.
        read: what a line or a mark means, None where it means nothing.

    >>> labelled("It is hot.\n**Answer:** yes.", str), labelled("Answer: The answer is yes. I am sure.", str)
    ('yes', 'yes')
    """
    found = ((tidy(line[1]), line.end()) for line in reversed(list(_LABEL.finditer(text))))
    line, end = next(((line, end) for line, end in found if line), (None, 0))
    if line is None:
        return None
    nested = _NESTED.match(line)
    line = (sentence(line[nested.end() :]) or line) if nested else line
    *_, last = stated(text[end:]) or [line]
    explained = _EXPLAINS.match(last) and not _REVISED.search(text, end)
    return line if explained or not disagree([line, last], read) else None


def sentence(text: str) -> str:
    """Give the first sentence of a mark's text, tidy.

    >>> sentence("St. Louis. I hope this helps!")
    'St. Louis'
    """
    end = _SENTENCE_END.search(text)
    goes_on = end and (TAKEN_BACK.search(text, end.end()) or OFFERED.match(text, end.end()))
    return tidy(text[: end.start()] if end and not goes_on else text)


def without_labelled(text: str) -> str:
    """Take out the lines of the form "Answer: ...", so that another can be put at the end."""
    return _LABEL.sub("", text).strip()


def stated(text: str) -> list[str]:
    r"""Give what the last mark holds and, before it, what the marks directly before it hold.

    A mark is a box, a `####` line that is no heading, "Answer: ...", "the answer is ...", "<answer>...".

    >>> stated("The answer is 3. Wait, no.\nAnswer: 4\nAnswer: 5")
    ['4', '5']
    """
    return _together(text, sorted([*_boxes(text), *_said(text)]))


def disagree(statements: Sequence[str], read: Callable[[str], object | None]) -> bool:
    """Say whether statements, each as `read` reads it, name more than one thing; what cannot be read names nothing."""
    return len(statements) > 1 and len({read(each) for each in statements} - {None}) > 1


def tidy(text: str) -> str:
    r"""Take markup, quotes, math delimiters, a box and the final period off.

    >>> tidy(" **$18$.** "), tidy("$5$, since $2+3=5$"), tidy(r"$\boxed{18}$")
    ('18', '$5$, since $2+3=5$', '18')
    """
    text = text.strip(' \t\r\n*_`"“”')
    text = text.removesuffix(".").strip(' \t\r\n*_`"“”')
    for left, right in _PAIRS:
        inner = text[len(left) : -len(right)]
        pair = text.startswith(left) and text.endswith(right) and left not in inner.replace("\\$", "")
        if inner and pair:  # not the ends of two formulas
            text = inner.strip()
    around = _boxes(text)[:1] if text.startswith(("\\boxed", "\\fbox")) else []
    text = next((text[box.opens : box.closes].strip() for box in around if box.end == len(text)), text)
    return text.removesuffix(".")


def _boxes(text: str) -> list[_Mark]:
    """Find closed, non-empty boxes in one pass: braces of all kinds go on a stack."""
    found: list[_Mark] = []
    open_braces: list[re.Match[str]] = []
    for brace in _BRACE.finditer(text):
        if brace.group()[-1] == "{" and brace.group() != "\\{":
            open_braces.append(brace)
        elif brace.group() == "}" and open_braces:
            opening = open_braces.pop()
            if opening.group() != "{" and _SOMETHING.search(text, opening.end(), brace.start()):
                found.append(_Mark(opening.start(), opening.end(), brace.start(), brace.end()))
    return sorted(found)


def _said(text: str) -> Iterator[_Mark]:
    """Walk the `####` lines and the sentences; each goes to the end of its line, or to where the next one begins."""
    spots = [(mark.start(), mark.end()) for mark in _SAID.finditer(text) if not _supposed(text, mark.start())]
    spots += [(mark.start(), mark.end()) for mark in _HASHES.finditer(text) if not _HEADING.match(text, mark.end())]
    spots.sort()
    ends = [start for start, _ in spots[1:]] + [len(text)]
    for (start, after), following in zip(spots, ends, strict=False):  # without marks, no end is used
        opens, closes = after, _line_end(text, after, following)
        if not _SOMETHING.search(text, opens, closes) and closes < following:  # it stands on the next line
            margin = text[closes : closes + _NEAR]
            opens = closes + len(margin) - len(margin.lstrip())
            closes = _line_end(text, opens, following)
        if opens < closes and _SOMETHING.search(text, opens, closes):
            yield _Mark(start, opens, closes, closes)


def _line_end(text: str, start: int, following: int) -> int:
    end = text.find("\n", start, following)
    return following if end < 0 else end


def _supposed(text: str, start: int) -> bool:
    return _SUPPOSED.search(text[max(0, start - _NEAR) : start]) is not None


def _together(text: str, marks: Sequence[_Mark]) -> list[str]:
    """Give what the last mark holds and the marks before it with nothing but joining words between, in order."""
    if not marks:
        return []
    said, at = [tidy(text[marks[-1].opens : marks[-1].closes])], marks[-1].start
    for mark in reversed(marks[:-1]):
        if len(said) == _MOST_STATEMENTS:
            break
        if mark.end > at:  # it stands around the next one
            at = mark.start
            continue
        closes, end = mark.closes, mark.end
        if closes == end and (stop := _CLAUSE_END.search(text, mark.opens, closes)):  # no box but a sentence
            closes = end = stop.start()
        if not nothing_between(text, end, at) or _REVISED.search(text, mark.opens, at):
            break
        said.insert(0, tidy(text[mark.opens : closes]))
        at = mark.start
    *before, last = said  # "Answer: The answer is 4": the first of these marks holds "The"
    return [each for each in (*(each for each in before if not BETWEEN.fullmatch(each)), last) if each]

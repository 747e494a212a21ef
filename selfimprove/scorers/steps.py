"""What a step of a worked solution is: the one place that says so.

A step is a numbered item where a solution numbers its steps; else a line, with the bullets and displayed formulas that
belong to it; else, in a solution of one line, a sentence. Nothing is lost or changed but the space between steps, and
no displayed formula, code or figure is torn apart.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

JOINED_BY: Final = "\n"
"""What stands between steps where a solution is written from its steps."""

_BLOCK: Final = re.compile(
    r"```.*?(?:```|\Z)"
    r"|\$\$.*?(?:\$\$|\Z)"
    r"|(?<!\\)\\\[(?:(?!(?<!\\)\\\[).)*?(?:(?<!\\)\\\]|\Z)"
    r"|\\begin\{(\w+\*?)\}.*?(?:\\end\{\1\}|\Z)"
    r"|\[asy\].*?(?:\[/asy\]|\Z)"
    r"|(?<!\\)\\\(.*?\\\)"
    r"|(?<![^\s(])\$[ \t]*\n[^$]*\\[^$]*\$",
    re.DOTALL,
)
_INLINE: Final = re.compile(r"(?<![\\$])\$(?:(?![\d\s])[^$\n]*|\d[^$\n]*[\\^=+*/_][^$\n]*)\$")
"""A formula inside a line. A dollar may be money, so formulas protect from cuts at sentences alone."""
_NUMBERED: Final = re.compile(
    r"^[ \t]*(?:[#*]+[ \t]*)?(?:Step[ \t]+)?(\d{1,2})(?:[.):]|\*\*)(?=[\s*]|\Z)", re.MULTILINE | re.IGNORECASE
)
_LOWER_WORD: Final = re.compile(r"[a-z]{2,}\s")
_UNFINISHED: Final = ("=", "+", "-", "<", ">", "(", "{", "&", "\\", "\\le", "\\ge", "\\cdot", "\\times")
_COMMAND: Final = re.compile(r"\\[a-zA-Z]")
_BULLET: Final = re.compile(r"[-*•+][ \t]")
_DISPLAY: Final = re.compile(r"\\\[|\$\$|\\begin\{|```|\[asy\]")
_SENTENCE: Final = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9$\\])")
_ABBREVIATED: Final = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|No|vs|etc|Fig|Eq|approx|ca|[A-Z])|\b(?:e\.g|i\.e|a\.m|p\.m))\.$"
)


def split_steps(text: str) -> list[str]:
    r"""Split a worked solution into its steps, none of them empty.

    >>> split_steps("17 + 5 = 22\n22 - 8 = 14\nAnswer: 14")
    ['17 + 5 = 22', '22 - 8 = 14', 'Answer: 14']
    >>> split_steps("Ann has 3.5 pounds. She buys 2 more. So 5.5.")
    ['Ann has 3.5 pounds.', 'She buys 2 more.', 'So 5.5.']
    """
    blocks = [found.span() for found in _BLOCK.finditer(text)]
    starts = _numbered(text, blocks) or _lines(text, blocks)
    if len(starts) <= 1:
        starts = _sentences(text, [*blocks, *(found.span() for found in _INLINE.finditer(text))])
    return [step for begin, end in pairwise([*starts, len(text)]) if (step := text[begin:end].strip())]


def _inside(place: int, blocks: list[tuple[int, int]]) -> bool:
    return any(begin < place < end for begin, end in blocks)


def _numbered(text: str, blocks: list[tuple[int, int]]) -> list[int]:
    """Find where steps begin that are numbered 1, 2, ...; none where they are not."""
    starts: list[int] = []
    for found in _NUMBERED.finditer(text):
        if not _inside(found.start(), blocks) and int(found[1]) == len(starts) + 1:
            starts.append(found.start())
    if len(starts) < 2:  # noqa: PLR2004 - one number is no list
        return []
    lines = _lines(text, blocks)
    before = [place for place in lines if place < starts[0]]
    closing = [place for place in lines if place > starts[-1] and _after_blank(text, place)]
    return sorted({*before, *starts, *closing[-1:]})


def _lines(text: str, blocks: list[tuple[int, int]]) -> list[int]:
    """Find the lines that begin a step."""
    starts, before = [0], ""
    begins = [0, *(m.end() for m in re.finditer(r"\n", text) if not _inside(m.start(), blocks))]
    for begin, end in pairwise([*begins, len(text)]):
        line = text[begin:end]
        if not line.strip():
            continue
        if before and not _goes_on(line, before, after_blank=_after_blank(text, begin)):
            starts.append(begin)
        before = line
    return starts


def _after_blank(text: str, place: int) -> bool:
    head = text[:place]
    return len(head) - len(head.rstrip()) > 1 and "\n" in head[len(head.rstrip()) :].replace("\n", "", 1)


def _goes_on(line: str, before: str, *, after_blank: bool) -> bool:
    """Say whether a line belongs to the step of the line before it."""
    bare, last = line.strip(), before.rstrip()
    if _DISPLAY.match(bare) or bare.startswith(("=", "\\]")):
        return True
    if not after_blank and (last.endswith(_UNFINISHED) or _COMMAND.match(bare)):
        return True
    introduced = last.endswith((":", ":**")) or bool(_BULLET.match(before.lstrip()))
    if _BULLET.match(bare):
        return introduced or not after_blank
    if after_blank:
        return False
    wrapped = bool(_LOWER_WORD.match(bare)) and not last.endswith((".", "!", "?"))
    return line[0] in " \t" or wrapped


def _sentences(text: str, blocks: list[tuple[int, int]]) -> list[int]:
    starts = [0]
    for match in _SENTENCE.finditer(text):
        head = text[: match.start()]
        if not _inside(match.end(), blocks) and not _ABBREVIATED.search(head):
            starts.append(match.end())
    return starts

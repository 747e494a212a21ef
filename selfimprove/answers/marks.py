r"""Where a text says "this is my answer": `\boxed{...}`, `#### ...`, `Answer: ...`, "the answer is ...".

Kinds of answers read what stands in these places; here is only where they are.
"""

from __future__ import annotations

import re

_BRACE = re.compile(r"\\f?boxed\s?\{|\\[{}\\]|[{}]")
_HASHES = re.compile(r"####[ \t]{0,3}([^\n]*)")
_SAID = re.compile(
    r"\banswer(?:\s(?:to\s(?:the|this)\s(?:question|problem)|here))?[*_]{0,2}\s?(?:is|was|(?:would|should|must|will|has\sto)\sbe|:|=)[*_:]{0,3}",
    re.IGNORECASE,
)
_LABEL = re.compile(
    r"^[ \t>*_-]{0,6}(?:final[ \t])?answer[*_]{0,2}[ \t]?:[*_]{0,2}[ \t]*([^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)


def boxed(text: str) -> list[str]:
    r"""Give the contents of every closed, non-empty `\boxed{...}`, in order; inner boxes come after outer ones.

    >>> boxed(r"so \boxed{\frac{1}{2}} or \boxed{}")
    ['\\frac{1}{2}']
    """
    return [content for _, content in _boxes(text)]


def _boxes(text: str) -> list[tuple[int, str]]:
    """Find boxes with where they begin, in one pass: braces of all kinds go on a stack."""
    found: list[tuple[int, str]] = []
    open_braces: list[re.Match[str]] = []
    for brace in _BRACE.finditer(text):
        if brace.group()[-1] == "{" and brace.group() != "\\{":
            open_braces.append(brace)
        elif brace.group() == "}" and open_braces:
            opening = open_braces.pop()
            content = text[opening.end() : brace.start()].strip()
            if content and opening.group() != "{":
                found.append((opening.start(), content))
    return sorted(found)


def labelled(text: str) -> str | None:
    r"""Give what the last line of the form "Answer: ..." holds, without markup and final period.

    >>> labelled("It is hot.\n**Answer:** yes.")
    'yes'
    """
    found = [tidy(line.group(1)) for line in _LABEL.finditer(text)]
    return next((line for line in reversed(found) if line), None)


def without_labelled(text: str) -> str:
    """Take out the lines of the form "Answer: ...", so that another can be put at the end."""
    return _LABEL.sub("", text).strip()


def concluded(text: str) -> str | None:
    r"""Give what the last of all marks holds: a box, a `####` line, "Answer: ..." or "the answer is ...".

    >>> concluded(r"The answer is 3. Wait: \boxed{4}")
    '4'
    """
    places = _boxes(text)
    places += [(mark.start(), mark.group(1)) for mark in _HASHES.finditer(text)]
    places += [(mark.start(), _rest_of_line(text, mark.end())) for mark in _SAID.finditer(text)]
    held = [(at, tidy(content)) for at, content in places]
    return max(((at, content) for at, content in held if content), default=(0, None))[1]


def _rest_of_line(text: str, start: int) -> str:
    """Give the rest of the line, or the next one when nothing else stands on it."""
    line, _, rest = text[start:].partition("\n")
    return line if tidy(line) else rest.lstrip("\n").partition("\n")[0]


def tidy(text: str) -> str:
    """Take markup, quotes, math delimiters and the final period off.

    >>> tidy(" **$18$.** ")
    '18'
    """
    text = text.strip(' \t\r\n*_`"“”')
    text = text.removesuffix(".").strip(' \t\r\n*_`"“”')
    for left, right in (("\\(", "\\)"), ("\\[", "\\]"), ("$$", "$$"), ("$", "$")):
        if text.startswith(left) and text.endswith(right) and len(text) > len(left + right):
            text = text[len(left) : -len(right)].strip()
    return text.removesuffix(".")

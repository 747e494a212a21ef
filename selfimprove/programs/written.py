"""The problems in a reply of the program `generate`."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_PROBLEM: Final = re.compile(
    r"^\W{0,4}problem(?:"
    r"(?:[ \t]*\d+)?[ \t]*\*{0,2}:\*{0,2}"  # "Problem:", "**Problem 1:**"
    r"|[ \t]*\d+(?:\*{0,2}[.)]\*{0,2}(?=\s)|\*{2})"  # "Problem 1.", "**Problem 1** ..."
    r"|[ \t]*\d+(?=[^\w\n]{0,4}$)[^\w\n]*"  # "### Problem 1" on a line of its own
    r")[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER: Final = re.compile(
    r"^\W{0,4}answer(?:"
    r"(?:[ \t]*\d+)?[ \t]*\*{0,2}:\*{0,2}"  # "Answer:", "**Answer 1:**"
    r"|[ \t]*\d+\*{0,2}[.)]\*{0,2}(?=\s)"  # "Answer 1."
    r"|(?:[ \t]*\d+)?\*{2}"  # "**Answer** ..."
    r")[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_WORKING: Final = re.compile(r"^\W{0,4}(?:solution|working)[ \t]*\*{0,2}:\*{0,2}[ \t]*", re.IGNORECASE | re.MULTILINE)
_OPTION: Final = re.compile(r"^[ \t]*\(?([A-J])[.):][ \t]+(.+?)[ \t]*$", re.MULTILINE)
_OPTIONS_HEAD: Final = re.compile(r"^\W{0,4}(?:options|choices)\W{0,3}$", re.IGNORECASE | re.MULTILINE)
_AFTER: Final = re.compile(r"\n[ \t\r]*(?:\n|(?:-{3,}|\*{3,}|={3,}|_{3,})[ \t\r]*(?:\n|\Z))")
"""What ends an answer: an empty line, or a rule."""


class Written(NamedTuple):
    """One problem of a reply, not looked at yet."""

    question: str
    choices: tuple[str, ...]
    answer: str


def read_problems(text: str, *, choices: bool) -> list[Written]:
    r"""Read the problems of a reply, each from "Problem:" to what follows "Answer:"; a working between is left out.

    An answer ends at the first empty line: what a model says after it is no part of it. Where more than one answer
    stands before the next problem begins, it cannot be told what is whose, and nothing of it is given.

    Args:
        text: the reply.
        choices: look for options.

    >>> read_problems("Problem: What is 2 + 3?\nAnswer: 5\n\nProblem 2: And 4 + 4?\nAnswer: 8", choices=False)[1].answer
    '8'
    >>> read_problems("Problem: Which is even?\nA. 1\nB. 2\nC. 3\nAnswer: B", choices=True)[0].choices
    ('1', '2', '3')
    """
    marks = list(_PROBLEM.finditer(text))
    begins = [mark.end() for mark in marks] or [0]  # a single one may come without its word
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    found = [_read(text[begin:end], choices=choices) for begin, end in zip(begins, ends, strict=True)]
    return [one for one in found if one is not None]


def _read(block: str, *, choices: bool) -> Written | None:
    answers = list(_ANSWER.finditer(block))
    if len(answers) != 1:
        return None
    asked, answer = block[: answers[0].start()], _AFTER.split(block[answers[0].end() :].strip(), 1)[0].strip()
    asked = asked[: found.start()] if (found := _WORKING.search(asked)) else asked
    if not choices:
        return Written(asked.strip(), (), answer)
    options = list(_OPTION.finditer(asked))
    first = next((at for at in range(len(options) - 1, -1, -1) if options[at][1] == "A"), None)
    if first is None:
        return Written(asked.strip(), (), answer)
    listed = options[first:]
    question = _OPTIONS_HEAD.sub("", asked[: listed[0].start()]).strip()
    return Written(question, tuple(option[2] for option in listed), answer)

"""Problems in a generator's reply, and whether they have the form that was asked for."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from selfimprove.answers.choice import LETTERS
from selfimprove.answers.kinds import Kind
from selfimprove.answers.text import normalised
from selfimprove.records import Problem, Verdict

_PROBLEM: Final = re.compile(r"^\W{0,4}problem(?:[ \t]*\d+)?[ \t]*\*{0,2}:\*{0,2}[ \t]*", re.IGNORECASE | re.MULTILINE)
_ANSWER: Final = re.compile(r"^\W{0,4}answer(?:[ \t]*\d+)?[ \t]*\*{0,2}:\*{0,2}[ \t]*", re.IGNORECASE | re.MULTILINE)
_WORKING: Final = re.compile(r"^\W{0,4}(?:solution|working)[ \t]*\*{0,2}:\*{0,2}[ \t]*", re.IGNORECASE | re.MULTILINE)
_OPTION: Final = re.compile(r"^[ \t]*\(?([A-J])[.):][ \t]+(.+?)[ \t]*$", re.MULTILINE)
_OPTIONS_HEAD: Final = re.compile(r"^\W{0,4}(?:options|choices)\W{0,3}$", re.IGNORECASE | re.MULTILINE)
_FEWEST: Final = 3
_LONGEST: Final = 8000
_RULE: Final = re.compile(r"\n\s*(?:-{3,}|\*{3,}|={3,})\s*$")


class Written(NamedTuple):
    """One problem of a reply, not looked at yet."""

    question: str
    choices: tuple[str, ...]
    answer: str


def read_problems(text: str, *, choices: bool) -> list[Written]:
    r"""Read the problems of a reply, each from "Problem:" to what follows "Answer:"; a working between is left out.

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
    if not answers:
        return None
    asked, answer = block[: answers[-1].start()], _RULE.sub("", block[answers[-1].end() :].rstrip()).strip()
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


def built(written: Written, kind: Kind, labels: dict[str, str]) -> Problem | str:
    """Make a problem of what was written, or say what is wrong with its form.

    Args:
        written: as read.
        kind: of answer; `choice` wants options.
        labels: of the cell that it was ordered for.
    """
    if wrong := _wrong_text(written) or (_wrong_options(written) if kind.name == "choice" else ""):
        return wrong
    answer = kind.canonical(written.answer, written.choices)
    if answer is None:
        return f"its answer {written.answer!r:.60} cannot be read as {kind.name}"
    if kind.name == "choice" and LETTERS.index(answer) >= len(written.choices):
        return f"its answer {answer} is beyond its {len(written.choices)} options"
    made = Problem.of(written.question, answer, choices=written.choices, labels=labels)
    if kind.compare(answer, made) is not Verdict.CORRECT:
        return f"its answer {answer!r:.60} does not compare as right with itself"
    return made


def _wrong_text(written: Written) -> str:
    """Say what is wrong with the question or the answer as text; empty: nothing."""
    if not any(char.isalnum() for char in written.question):
        return "it has no question"
    if len(written.question) > _LONGEST:
        return f"its question has {len(written.question)} characters, more than {_LONGEST}"
    return "" if written.answer else "it states no answer"


def _wrong_options(written: Written) -> str:
    """Say what is wrong with the options; empty: nothing."""
    count = len(written.choices)
    if not _FEWEST <= count <= len(LETTERS):
        return f"it has {count} options, not {_FEWEST} to {len(LETTERS)}"
    letters = [normalised(option) for option in written.choices]
    if len(set(letters)) < count:
        return "two of its options are the same"
    if any(re.fullmatch(r"(?:all|none|both) of (?:the )?(?:above|these).*", option) for option in letters):
        return "an option speaks about the others"
    return ""

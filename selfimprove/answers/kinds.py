"""The kinds of answers by name: how each is asked for, read, compared and written."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from selfimprove.answers import choice, expression, number, text, yes_no
from selfimprove.answers.marks import without_labelled
from selfimprove.records import Parsed, Problem, Verdict

KindName = Literal["number", "expression", "yes_no", "choice", "text"]


@dataclass(frozen=True)
class Kind:
    """One kind of answer."""

    name: KindName
    instruction: str
    """What a student is told about the form."""
    read: Callable[[str], Parsed]
    compare: Callable[[str, Problem], Verdict]
    canonical: Callable[[str, Sequence[str]], str | None]
    """Writes a reference answer in the one form that is kept, None when it cannot be read."""
    conclude: Callable[[str, str], str]
    """Puts an answer at the end of a rationale, in the strict form."""


def labelled_conclusion(rationale: str, answer: str) -> str:
    """Put "Answer: ..." at the end, in place of any such line that the rationale holds."""
    return f"{without_labelled(rationale)}\nAnswer: {answer}".lstrip()


def boxed_conclusion(rationale: str, answer: str) -> str:
    r"""Put a sentence with the answer in `\boxed{}` at the end."""
    return f"{rationale.strip()}\nThe answer is $\\boxed{{{answer}}}$.".lstrip()


_ALGEBRA = re.compile(r"[\\^=]|[0-9][a-z]\b|\b[a-z]\s?[-+*/]\s?[0-9a-z]\b")
_VARIABLE = re.compile(r"[0-9][abknxyz]\b|[\^=]")
_UNIT_WORDS = 2
_REASON = "Reason step by step. End with a line of the form"
_KINDS = (
    Kind(
        "number",
        f'{_REASON} "Answer: " and the number.',
        number.read,
        lambda found, problem: number.compare(found, problem.answer),
        lambda reference, _: number.canonical(reference),
        labelled_conclusion,
    ),
    Kind(
        "expression",
        "Reason step by step. Put the final answer in \\boxed{}.",
        expression.read,
        lambda found, problem: expression.compare(found, problem.answer),
        lambda reference, _: reference.strip() if expression.canonical(reference) else None,
        boxed_conclusion,
    ),
    Kind(
        "yes_no",
        f'{_REASON} "Answer: yes" or "Answer: no".',
        yes_no.read,
        lambda found, problem: yes_no.compare(found, problem.answer),
        lambda reference, _: yes_no.canonical(reference),
        labelled_conclusion,
    ),
    Kind(
        "choice",
        f'{_REASON} "Answer: " and the letter of the right option.',
        choice.read,
        lambda found, problem: choice.compare(found, problem.answer, problem.choices),
        choice.canonical,
        labelled_conclusion,
    ),
    Kind(
        "text",
        f'{_REASON} "Answer: " and the answer in a few words.',
        text.read,
        lambda found, problem: text.compare(found, problem.answer),
        lambda reference, _: text.canonical(reference),
        labelled_conclusion,
    ),
)


def kind(name: KindName) -> Kind:
    """Give a kind by its name.

    >>> kind("yes_no").read("Answer: yes").strict
    'yes'
    """
    return next(each for each in _KINDS if each.name == name)


def guess(references: Sequence[str], *, choices: bool) -> KindName:
    r"""Say which kind all of these reference answers are.

    >>> guess(["12", "$1,000"], choices=False), guess(["x^2", "3"], choices=False)
    ('number', 'expression')
    """
    if choices:
        return "choice"
    if all(yes_no.canonical(reference) for reference in references):
        return "yes_no"
    if all(_is_number(reference) for reference in references):
        return "number"
    if all(_is_number(reference) or _ALGEBRA.search(reference) for reference in references):
        return "expression"
    return "text"


def _is_number(reference: str) -> bool:
    """True when the text is a number and perhaps a unit, not a formula or a sentence with a number in it."""
    words = re.findall(r"[^\W\d]{2,}", reference)
    return number.canonical(reference) is not None and len(words) <= _UNIT_WORDS and not _VARIABLE.search(reference)

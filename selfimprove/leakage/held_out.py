"""What is held out, and what is found of it in a text."""

from __future__ import annotations

from string import ascii_uppercase
from typing import Literal

from selfimprove.leakage.words import words
from selfimprove.records import Problem, Record

Verdict = Literal["leak", "boilerplate"]
How = Literal["exact", "canonical", "contained", "n-gram", "group"]
_FEWEST_OF_CONTEXT = 8


class HeldOut(Record):
    """A problem that nothing may be trained on."""

    id: str
    where: str
    """`dev`, `test`, or a public test set's name."""
    text: str
    """Context, question and options, as a whole."""
    core: str = ""
    """The part that n-grams are taken from, where that is not the whole text."""
    canonical: str = ""
    """For procedural tasks; such a problem is known by this and by its exact text alone."""

    @classmethod
    def of(cls, problem: Problem, where: str) -> HeldOut:
        """Take a problem in.

        A question about a context is itself only together with that context, so its n-grams are taken from as many of
        the context's last words as it has words of its own: neither alone covers more than half.
        """
        asked = question_of(problem)
        core = ""
        if problem.context:
            tail = words(problem.context)[-max(_FEWEST_OF_CONTEXT, len(words(asked))) :]
            core = f"{' '.join(tail)}\n{asked}"
        return cls(id=problem.id, where=where, text=text_of(problem), core=core, canonical=problem.canonical)


class Hit(Record):
    """A held-out problem, or a piece of one, found in a text."""

    held_out: str
    """Id of the held-out problem."""
    where: str
    """Where it is held out."""
    verdict: Verdict
    how: How
    """By what it was found; `group`: the two belong together, and no words were compared."""
    share: float = 0.0
    """Share of the held-out problem's words that n-grams of 8 words of the text cover (of 3, for a short problem that 8
    do not find), in [0, 1]."""
    covered: int = 0
    """The same as a count of words."""
    longest: int = 0
    """Words of the longest shared run; from 13 on the two share a 13-gram."""
    shared: str = ""
    """That run's words, at most 40 of them."""


class Refused(Record):
    """A row that was kept out of training, with the reason."""

    id: str
    """Of the row."""
    problem: str
    """The training problem the row belongs to."""
    field: str
    """The part of the row that holds it: `problem`, `target`, `chosen`, `rejected`, ..."""
    text: str
    """That part's text."""
    hit: Hit


def question_of(problem: Problem) -> str:
    """Write a problem's question and options, without its context."""
    options = [f"{letter}. {choice}" for letter, choice in zip(ascii_uppercase, problem.choices, strict=False)]
    return "\n".join([problem.question, *options])


def text_of(problem: Problem) -> str:
    """Write a problem's context, question and options."""
    return f"{problem.context}\n{question_of(problem)}" if problem.context else question_of(problem)

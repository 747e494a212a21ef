"""Harvest: keep what is verified in lessons, as targets to train on."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Final, Literal, NamedTuple

from selfimprove.mining.clusters import answer_space
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Lesson, Problem, Verdict

_GUESSED: Final = 5
"""Answers to choose from, at most, where a right one may be luck."""


class Target(NamedTuple):
    """A verified solution of one problem."""

    problem: str
    lesson: str
    text: str
    answer: str
    source: str
    calls: tuple[str, ...]


def lucky(problems: Iterable[Problem], own_words: Literal["auto", "first", "last"] = "auto") -> frozenset[str]:
    """Give the ids of problems whose right answer may be luck, so that the student's words come last.

    >>> len(lucky([Problem.of("Do whales breathe air?", "yes"), Problem.of("2 + 3?", "5")]))
    1
    """
    if own_words == "first":
        return frozenset()
    return frozenset(p.id for p in problems if own_words == "last" or (answer_space(p) or _GUESSED + 1) <= _GUESSED)


def harvest(lessons: Iterable[Lesson], task: Task, lucky: Container[str] = frozenset()) -> list[Target]:
    """Give one verified solution of each lesson that has any.

    The student's own words come first where they are right: they are easiest for it to learn. Where they lack the
    strict form, the answer is put behind them in it.

    Args:
        lessons: finished.
        task: writes the answer's form.
        lucky: ids of problems of which the teacher's words come first.
    """
    found = []
    for lesson in lessons:
        own = _own(lesson)
        taught = [r for r in lesson.rationales if r.verdict is Verdict.CORRECT]
        if own is not None and not (taught and lesson.problem in lucky):
            source = "self:rewrite" if own in lesson.rewrites else "self:draft"
            calls = _calls(lesson, own)
            text = own.text
            if own.strict is not Verdict.CORRECT:
                text = task.conclude(text, own.answer or "")
            found.append(Target(lesson.problem, lesson.id, text, own.answer or "", source, calls))
        elif taught:
            best = min(taught, key=lambda r: (r.rationalised, len(r.text)))
            source = f"{best.source}:rationalised" if best.rationalised else best.source
            found.append(Target(lesson.problem, lesson.id, best.text, best.answer or "", source, best.calls))
    return found


def unverified(lessons: Iterable[Lesson], task: Task) -> list[Target]:
    """Give one solution of each lesson, right or wrong: what is learned where nothing is verified.

    A rationale comes before the student's last words, as nobody knows that those are right. What cannot be read is
    left out here too.
    """
    found = []
    for lesson in lessons:
        last = lesson.rewrites[-1] if lesson.rewrites else lesson.draft
        first = next((r for r in lesson.rationales if r.verdict.decided), None)
        if first is not None:
            found.append(Target(lesson.problem, lesson.id, first.text, first.answer or "", first.source, first.calls))
        elif last.verdict.decided:
            text = last.text if last.strict.decided else task.conclude(last.text, last.answer or "")
            found.append(Target(lesson.problem, lesson.id, text, last.answer or "", "self", _calls(lesson, last)))
    return found


def _own(lesson: Lesson) -> Attempt | None:
    tries: Sequence[Attempt] = (*reversed(lesson.rewrites), lesson.draft)
    return next((a for a in tries if a.verdict is Verdict.CORRECT), None)


def _calls(lesson: Lesson, own: Attempt) -> tuple[str, ...]:
    asked = [call for c in lesson.clarifications for call in c.calls] if own in lesson.rewrites else []
    return (*asked, own.completion.call)

"""Harvest: keep what is verified in lessons, as targets to train on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from selfimprove.protocols import Task
from selfimprove.records import Attempt, Lesson, Problem, Verdict


class Target(NamedTuple):
    """A verified solution of one problem."""

    problem: str
    lesson: str
    text: str
    answer: str
    source: str
    calls: tuple[str, ...]


def harvest(lessons: Iterable[Lesson], problems: Mapping[str, Problem], task: Task) -> list[Target]:
    """Give one verified solution of each lesson that has any.

    The student's own words come first where they are right, unless by luck: they are easiest for it to learn. Where
    they lack the strict form, the reference, which they mean, is put behind them in it. What was cut off is nobody's
    solution.
    """
    found = []
    for lesson in lessons:
        own = _own(lesson)
        taught = [r for r in lesson.rationales if r.verdict is Verdict.CORRECT]
        if own is not None and not (lesson.lucky and taught):
            source = "self:rewrite" if own in lesson.rewrites else "self:draft"
            calls = _calls(lesson, own)
            text = own.text
            if own.strict is not Verdict.CORRECT:
                text = task.conclude(text, problems[lesson.problem].answer)
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
        elif last.verdict.decided and not last.cut_off:
            text = last.text if last.strict.decided else task.conclude(last.text, last.answer or "")
            found.append(Target(lesson.problem, lesson.id, text, last.answer or "", "self", _calls(lesson, last)))
    return found


def _own(lesson: Lesson) -> Attempt | None:
    tries: Sequence[Attempt] = (*reversed(lesson.rewrites), lesson.draft)
    return next((a for a in tries if a.verdict is Verdict.CORRECT and not a.cut_off), None)


def _calls(lesson: Lesson, own: Attempt) -> tuple[str, ...]:
    asked = [call for c in lesson.clarifications for call in c.calls] if own in lesson.rewrites else []
    return (*asked, own.completion.call)

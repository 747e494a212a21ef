"""Answer: the teacher replies to the student's questions; a reply that solves the problem is refused once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from selfimprove.answers.giveaway import gives_away
from selfimprove.protocols import Task, Teacher
from selfimprove.records import Answer, Clarification, Lesson, Problem, Question


def answer(lessons: Sequence[Lesson], problems: Mapping[str, Problem], teacher: Teacher, task: Task) -> list[Lesson]:
    """Add a clarification for each question of each unsolved lesson.

    An answer that gives the solution away is asked for again once; one that does so again is left empty.
    """
    asked = [
        Question(problem=problems[lesson.problem], text=text, draft=lesson.draft.completion.text)
        for lesson in lessons
        if not lesson.solved
        for text in lesson.draft.questions
    ]
    first = _judged(asked, teacher.answer(asked) if asked else [], task)
    again = [
        question.model_copy(update={"attempt": 1})
        for question, (_, refused) in zip(asked, first, strict=True)
        if refused
    ]
    second = iter(_judged(again, teacher.answer(again) if again else [], task))
    settled: dict[tuple[str, str], Clarification] = {}
    for question, reply in zip(asked, first, strict=True):
        tries = [reply, next(second)] if reply.refused else [reply]
        settled[question.problem.id, question.text] = _clarification(question, tries)
    return [_with(lesson, settled) for lesson in lessons]


class _Judged(NamedTuple):
    reply: Answer
    refused: bool


def _judged(asked: Sequence[Question], replies: Sequence[Answer], task: Task) -> list[_Judged]:
    return [
        _Judged(reply, bool(reply.text) and gives_away(reply.text, question.problem, question.text, task))
        for question, reply in zip(asked, replies, strict=True)
    ]


def _clarification(question: Question, tries: Sequence[_Judged]) -> Clarification:
    last = tries[-1]
    return Clarification(
        question=question.text,
        answer="" if last.refused else last.reply.text,
        refused=tuple(reply.text for reply, refused in tries if refused),
        calls=tuple(call for reply, _ in tries for call in reply.calls),
    )


def _with(lesson: Lesson, settled: Mapping[tuple[str, str], Clarification]) -> Lesson:
    if lesson.solved:
        return lesson
    new = [settled[lesson.problem, text] for text in lesson.draft.questions]
    return lesson.model_copy(update={"clarifications": (*lesson.clarifications, *new)})

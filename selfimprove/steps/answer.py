"""Answer: the teacher replies to the student's questions; a reply that solves the problem is refused once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    first = teacher.answer(asked) if asked else []
    again = [
        question.model_copy(update={"attempt": 1})
        for question, reply in zip(asked, first, strict=True)
        if _refused(question, reply, task)
    ]
    second = iter(teacher.answer(again) if again else [])
    settled: dict[tuple[str, str], Clarification] = {}
    for question, reply in zip(asked, first, strict=True):
        final = next(second) if _refused(question, reply, task) else reply
        settled[question.problem.id, question.text] = _clarification(question, reply, final, task)
    return [_with(lesson, settled) for lesson in lessons]


def _refused(question: Question, reply: Answer, task: Task) -> bool:
    return bool(reply.text) and gives_away(reply.text, question.problem, question.text, task)


def _clarification(question: Question, first: Answer, final: Answer, task: Task) -> Clarification:
    tries = [first] if final is first else [first, final]
    refused = tuple(reply.text for reply in tries if _refused(question, reply, task))
    text = "" if final.text in refused else final.text
    calls = tuple(call for reply in tries for call in reply.calls)
    return Clarification(question=question.text, answer=text, refused=refused, calls=calls)


def _with(lesson: Lesson, settled: Mapping[tuple[str, str], Clarification]) -> Lesson:
    if lesson.solved:
        return lesson
    new = [settled[lesson.problem, text] for text in lesson.draft.questions]
    return lesson.model_copy(update={"clarifications": (*lesson.clarifications, *new)})

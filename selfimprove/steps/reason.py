"""Reason: the teacher's chain of thought for what the student could not solve by itself, kept when verified."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from selfimprove.protocols import Rationaliser, Task, Teacher
from selfimprove.records import Lesson, Problem, Rationale, Verdict
from selfimprove.steps.verify import verify_rationale


def reason(
    lessons: Sequence[Lesson],
    problems: Mapping[str, Problem],
    teacher: Teacher,
    task: Task,
    *,
    samples: int = 1,
    rationalise: bool = False,
) -> list[Lesson]:
    """Add verified and failed rationales to each lesson that is not settled, each with its verdict.

    With `rationalise`, a teacher that can is shown the answer where its own reasoning missed it.
    """
    open_ = [lesson for lesson in lessons if not lesson.settled]
    new = dict(
        zip(
            (x.id for x in open_), rationales([problems[x.problem] for x in open_], teacher, task, samples), strict=True
        )
    )
    if rationalise and isinstance(teacher, Rationaliser):
        missed = [x for x in open_ if not any(r.verdict is Verdict.CORRECT for r in new[x.id])]
        shown = teacher.rationalise([problems[x.problem] for x in missed], 1) if missed else []
        for lesson, made in zip(missed, shown, strict=True):
            new[lesson.id] += [verify_rationale(task, problems[lesson.problem], r) for r in made]
    return [
        lesson.model_copy(update={"rationales": (*lesson.rationales, *new[lesson.id])}) if lesson.id in new else lesson
        for lesson in lessons
    ]


def rationales(problems: Sequence[Problem], teacher: Teacher, task: Task, samples: int = 1) -> list[list[Rationale]]:
    """Ask for chains of thought and compare each with the reference, shape `[P][<= samples]`."""
    given = teacher.reason(problems, samples) if problems and samples else [[] for _ in problems]
    return [
        [verify_rationale(task, problem, one) for one in some] for problem, some in zip(problems, given, strict=True)
    ]

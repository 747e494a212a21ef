"""Rewrite: the student tries again with the answers to its questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from selfimprove.programs import Item, Program, run, stated
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Lesson, Problem, Sampling
from selfimprove.steps.verify import verify


def rewrite(
    lessons: Sequence[Lesson],
    problems: Mapping[str, Problem],
    student: LanguageModel,
    program: Program,
    task: Task,
    sampling: Sampling,
    *,
    seed: int = 0,
) -> list[Lesson]:
    """Add a verified rewrite to each unsolved lesson that learned something."""
    able = [x for x in lessons if not x.solved and any(c.answer for c in x.clarifications)]
    items = [Item(x.problem, told_of(x, problems[x.problem]), attempt=len(x.rewrites)) for x in able]
    made = run(program, items, student, sampling, seed=seed)
    new = {
        lesson.id: verify(task, problems[lesson.problem], completion)
        for lesson, completion in zip(able, made, strict=True)
    }
    return [
        lesson.model_copy(update={"rewrites": (*lesson.rewrites, new[lesson.id])}) if lesson.id in new else lesson
        for lesson in lessons
    ]


def told_of(lesson: Lesson, problem: Problem) -> dict[str, str]:
    """Give what the student is told when it tries again."""
    last = lesson.rewrites[-1] if lesson.rewrites else lesson.draft
    told = "\n".join(f"Q: {c.question}\nA: {c.answer}" for c in lesson.clarifications if c.answer)
    return {"problem": stated(problem), "draft": last.completion.text, "clarifications": told}

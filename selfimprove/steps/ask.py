"""Ask: a second call for drafts that carry no question yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from selfimprove.programs import Item, Program, run, stated
from selfimprove.protocols import LanguageModel
from selfimprove.records import Lesson, Problem, Sampling

_LONGEST_QUESTION = 300


def ask(
    lessons: Sequence[Lesson],
    problems: Mapping[str, Problem],
    student: LanguageModel,
    program: Program,
    sampling: Sampling,
    *,
    questions: int = 2,
    turn: int = 0,
    seed: int = 0,
) -> list[Lesson]:
    """Give unsolved lessons their questions: at most `questions` a lesson, each ending in a question mark."""
    silent = [lesson for lesson in lessons if not lesson.solved and (turn > 0 or not lesson.draft.questions)]
    items = [
        Item(
            lesson.problem,
            {"problem": stated(problems[lesson.problem]), "draft": _last_text(lesson)},
            attempt=turn,
        )
        for lesson in silent
    ]
    made = run(program, items, student, sampling, seed=seed)
    asked = {
        lesson.id: tuple(asked_in(program.parse(completion.text)["questions"]))[:questions]
        for lesson, completion in zip(silent, made, strict=True)
    }
    return [
        lesson.model_copy(update={"draft": lesson.draft.model_copy(update={"questions": asked[lesson.id]})})
        if lesson.id in asked
        else lesson
        for lesson in lessons
    ]


def _last_text(lesson: Lesson) -> str:
    return (lesson.rewrites[-1] if lesson.rewrites else lesson.draft).completion.text


def asked_in(lines: Sequence[str]) -> list[str]:
    """Give the lines that are questions, each once."""
    seen: dict[str, None] = {}
    for line in lines:
        text = line.strip()
        if text.endswith("?") and len(text) <= _LONGEST_QUESTION:
            seen.setdefault(text)
    return list(seen)

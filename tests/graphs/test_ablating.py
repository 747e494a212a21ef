"""Arms that leave a part of the loop out keep all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from selfimprove.graphs.ablating import ablated
from selfimprove.records import Attempt, Completion, Lesson, Problem, Rationale, Verdict
from selfimprove.testing import FixedTeacher


class Hindsight(FixedTeacher):
    """Reasons to the right answer only where that is shown to it."""

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        wrong = self.task.conclude("So.", "-7")
        return [[Rationale(text=wrong, answer="-7", source="fixed")][:samples] for _ in problems]

    def rationalise(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        return [[one.model_copy(update={"rationalised": True}) for one in some] for some in super().reason(problems, 1)]


def lesson(problem: Problem, task: Any) -> Lesson:
    """Give one whose draft was wrong, and whose questions led to the right answer."""

    def said(answer: str, verdict: Verdict) -> Attempt:
        made = Completion(text=task.conclude("So.", answer))
        return Attempt(problem=problem.id, completion=made, answer=answer, verdict=verdict, strict=verdict)

    draft, rewrite = said("-7", Verdict.WRONG), said(problem.answer, Verdict.CORRECT)
    return Lesson(id=problem.id, problem=problem.id, round=1, draft=draft, rewrites=(rewrite,))


def test_lessons_without_questions_are_rationalised_where_lessons_are(make_crew: Any, tmp_path: Any) -> None:
    """The arm lacks questions and answers alone: what reasoning misses is shown the answer, or is not, in both."""
    sources = dict[bool, set[str]]()
    for rationalise in (False, True):
        made = make_crew(tmp_path / str(rationalise), lesson={"rationalise": rationalise})
        crew = replace(made, teacher_for=lambda *_, task=made.task: Hindsight(task))
        problems = {p.id: p for p in list(crew.task.problems("train"))[:4]}
        lessons = [lesson(problem, crew.task) for problem in problems.values()]
        rows = ablated(crew, "no_questions", lessons, problems, "", 1)
        sources[rationalise] = {row.source for row in rows}
    assert sources == {False: set(), True: {"fixed:rationalised"}}

"""Arms that leave a part of the loop out keep all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from selfimprove.graphs.ablating import ablated
from selfimprove.graphs.run import run_campaign
from selfimprove.records import Attempt, Completion, Lesson, Problem, Rationale, Request, TrackRow, Verdict
from selfimprove.testing import FixedTeacher, ScriptedStudent


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


class Rewriting(ScriptedStudent):
    """Is right whenever it was told something."""

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        told = replace(self, skill=1.0)
        return [(told if request.role == "rewrite" else super(Rewriting, self))._one(request) for request in requests]


def test_without_selection_there_are_lessons_all_the_same(make_crew: Any) -> None:
    """What a lesson wins is a row, of a problem drawn at random too: the same one where the loop chose it as well."""
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b", "no_selection"]}, select={"lessons": 20})
    crew = replace(crew, student=Rewriting(crew.task))
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    chosen, drawn = (
        {row.problem: row for row in crew.folder.rows(f"round-01/{arm}.jsonl", TrackRow)}
        for arm in ("track_b", "no_selection")
    )
    assert {row.source for row in drawn.values()} == {"self:draft", "self:rewrite"}
    both = {*chosen} & {*drawn}
    assert both
    for problem in both:
        ours, theirs = (row.model_dump(exclude={"id", "track"}) for row in (chosen[problem], drawn[problem]))
        assert ours == theirs


def test_what_is_not_verified_may_be_wrong(make_crew: Any) -> None:
    """A teacher that errs is believed by the arm without verification, and by no other."""

    class Errs(FixedTeacher):
        def reason(self, problems: Any, samples: int) -> Any:
            return [
                [r.model_copy(update={"text": self.task.conclude("So be it.", "-99999")})]
                for (r,) in super().reason(problems, 1)
            ]

    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b", "no_verification"]})
    made = replace(crew, teacher_for=lambda *_: Errs(crew.task))
    run_campaign(made, made.folder.at("graph.sqlite"))
    said = {
        arm: [row.target for row in made.folder.rows(f"round-01/{arm}.jsonl", TrackRow)]
        for arm in ("track_b", "no_verification")
    }
    assert any("-99999" in text for text in said["no_verification"])
    assert not any("-99999" in text for text in said["track_b"])

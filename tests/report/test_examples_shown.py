"""Which lessons a report shows."""

from __future__ import annotations

from pathlib import Path

from sample import summary

from selfimprove.records import Attempt, Completion, Lesson, Problem, Rationale, Verdict
from selfimprove.report.examples import lessons_shown
from selfimprove.store import RunFolder


def test_lessons_with_a_verified_solution_come_first(tmp_path: Path) -> None:
    """Rationales that turned out wrong are not shown, so they give a lesson no place before others."""
    folder = RunFolder(tmp_path / "run")
    problems = [Problem.of(f"What is {at} + 1?", str(at + 1)) for at in range(20)]
    folder.write_rows("data/train.jsonl", problems)
    right = {p.id for p in problems[3:18:5]}
    folder.write_rows("round-01/lessons.jsonl", [_lesson(p, verified=p.id in right) for p in problems])
    shown = lessons_shown(folder, summary().rounds[:1])
    assert {each.problem for each in shown[: len(right)]} == right
    assert all(each.rationale for each in shown[: len(right)])
    folder.close()


def _lesson(problem: Problem, *, verified: bool) -> Lesson:
    """Make a lesson on a wrong draft, with one rationale."""
    said = Completion(text="Answer: 0")
    rationale = Rationale(text="So it is.", verdict=Verdict.CORRECT if verified else Verdict.WRONG)
    draft = Attempt(problem=problem.id, completion=said, verdict=Verdict.WRONG, strict=Verdict.WRONG)
    return Lesson(id=problem.id, problem=problem.id, round=1, draft=draft, rationales=(rationale,))

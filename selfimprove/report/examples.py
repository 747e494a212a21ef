"""Some lessons and failures of a campaign, to look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from selfimprove.graphs.places import round_folder
from selfimprove.records import Attempt, Lesson, Problem, Rationale, Verdict
from selfimprove.report.decided_schema import RoundSummary
from selfimprove.report.examples_schema import ClarificationExample, FailureExample, LessonExample
from selfimprove.store import RunFolder

_SHOWN: Final = 6


def lessons_shown(folder: RunFolder, rounds: Sequence[RoundSummary]) -> tuple[LessonExample, ...]:
    """Show some lessons, those with most to see first."""
    by_id = _problems(folder, "train")
    found: list[Lesson] = []
    for round_ in dict.fromkeys(r.round for r in rounds):
        found += folder.rows(f"{round_folder(round_)}/lessons.jsonl", Lesson)
    found.sort(key=lambda x: (not x.clarifications, x.draft.verdict != Verdict.WRONG, _kept(x) is None, x.id))
    return tuple(_lesson(lesson, by_id[lesson.problem]) for lesson in found[:_SHOWN])


def failures_shown(folder: RunFolder, rounds: Sequence[RoundSummary]) -> tuple[FailureExample, ...]:
    """Show some dev problems that what is best so far does not answer right."""
    if not rounds:
        return ()
    by_id = _problems(folder, "dev")
    name = folder.json(f"{round_folder(rounds[-1].round)}/decision.json")["predictions"]
    wrong = [a for a in folder.rows(name, Attempt) if a.verdict is not Verdict.CORRECT][:_SHOWN]
    return tuple(
        FailureExample(
            question=by_id[a.problem].question,
            answer=by_id[a.problem].answer,
            text=a.completion.text,
            verdict=a.verdict,
            labels=by_id[a.problem].labels,
        )
        for a in wrong
    )


def _kept(lesson: Lesson) -> Rationale | None:
    """Give the first rationale that was verified."""
    return next((r for r in lesson.rationales if r.verdict is Verdict.CORRECT), None)


def _lesson(lesson: Lesson, problem: Problem) -> LessonExample:
    kept, last = _kept(lesson), lesson.rewrites[-1] if lesson.rewrites else None
    return LessonExample(
        problem=problem.id,
        question=problem.question,
        answer=problem.answer,
        draft=lesson.draft.completion.text,
        draft_verdict=lesson.draft.verdict,
        clarifications=tuple(
            ClarificationExample(question=c.question, answer=c.answer, refused=c.refused) for c in lesson.clarifications
        ),
        rewrite=last.completion.text if last else "",
        rewrite_verdict=last.verdict if last else None,
        rationale=kept.text if kept else "",
        rationale_source=kept.source if kept else "",
        round=lesson.round,
    )


def _problems(folder: RunFolder, split: str) -> Mapping[str, Problem]:
    return {p.id: p for p in folder.rows(f"data/{split}.jsonl", Problem)}

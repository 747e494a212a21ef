"""One lesson for a cohort of problems.

::

    draft -> ask -> answer -> rewrite -> (unsolved, and turns left? ask : reason) -> end

A problem that may have been solved by luck counts as unsolved here, so that the teacher reasons about it too.

State holds handles: each node reads the file of lessons that the state names, lets a step work on it, writes a new file
and names that. A replayed node finds its calls in the ledger and writes the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.wiring import add_nodes
from selfimprove.records import Lesson, Problem, digest
from selfimprove.steps.answer import answer
from selfimprove.steps.ask import ask
from selfimprove.steps.draft import draft
from selfimprove.steps.reason import reason
from selfimprove.steps.rewrite import rewrite


def _last(_: str, new: str) -> str:
    return new


class LessonState(TypedDict):
    """Handles of one cohort."""

    round: int
    adapter: str
    """The student's adapter, relative to the run folder; empty: the base."""
    cohort: str
    """The cohort's folder; it holds `problems.jsonl`."""
    lessons: Annotated[str, _last]
    turn: int
    unsolved: int


Work = Callable[[Sequence[Lesson], dict[str, Problem], LessonState], list[Lesson]]


def build_lesson(crew: Crew) -> StateGraph[Any]:
    """Wire one lesson; compile it with or without a checkpointer."""
    graph: StateGraph[Any] = StateGraph(LessonState)
    nodes = {
        "draft": _draft(crew),
        "ask": _on_lessons(crew, "ask", _ask(crew)),
        "answer": _on_lessons(crew, "answer", _answer(crew)),
        "rewrite": _on_lessons(crew, "rewrite", _rewrite(crew), turn=1),
        "reason": _on_lessons(crew, "reason", _reason(crew)),
    }
    add_nodes(graph, nodes)
    graph.add_edge(START, "draft")
    asks = crew.config.lesson.questions > 0 and crew.config.lesson.turns > 0
    graph.add_conditional_edges("draft", _after_draft(asks=asks), ["ask", "reason", END])
    graph.add_edge("ask", "answer")
    graph.add_edge("answer", "rewrite")
    graph.add_conditional_edges("rewrite", _after_rewrite(crew.config.lesson.turns), ["ask", "reason", END])
    graph.add_edge("reason", END)
    return graph


def cohorts_of(crew: Crew, problems: Sequence[Problem], place: str) -> list[str]:
    """Cut problems into cohorts of `lesson.cohort`, below a folder; give the cohorts' folders."""
    size, made = crew.config.lesson.cohort, list[str]()
    for start in range(0, len(problems), size):
        made.append(f"{place}/cohorts/{start // size:03d}")
        crew.folder.write_rows(f"{made[-1]}/problems.jsonl", problems[start : start + size])
    return made


def give_lessons(crew: Crew, problems: Sequence[Problem], place: str, adapter: str, round_: int) -> list[Lesson]:
    """Give lessons beside the round's own; calls that are the same are in the ledger.

    Args:
        crew: the campaign's parts.
        problems: what is taught.
        place: a folder for the cohorts, relative to the run folder.
        adapter: the student's; empty: the base.
        round_: from 1.
    """
    lesson, lessons = build_lesson(crew).compile(), list[Lesson]()
    for cohort in cohorts_of(crew, problems, place):
        done = lesson.invoke({"round": round_, "adapter": adapter, "cohort": cohort})
        lessons += crew.folder.rows(done["lessons"], Lesson)
    return lessons


def _after_draft(*, asks: bool) -> Callable[[LessonState], str]:
    def choose(state: LessonState) -> str:
        if not state["unsolved"]:
            return END
        return "ask" if asks else "reason"

    return choose


def _after_rewrite(turns: int) -> Callable[[LessonState], str]:
    def choose(state: LessonState) -> str:
        if not state["unsolved"]:
            return END
        return "ask" if state["turn"] < turns else "reason"

    return choose


def _draft(crew: Crew) -> Callable[[LessonState], dict[str, Any]]:
    lesson = crew.config.lesson

    def node(state: LessonState) -> dict[str, Any]:
        problems = crew.folder.rows(f"{state['cohort']}/problems.jsonl", Problem)
        with crew.stage("draft", len(problems)):
            attempts = draft(
                problems,
                crew.model(state["adapter"]),
                crew.programs,
                crew.task,
                crew.greedy(),
                questions=lesson.questions if lesson.turns else 0,
                asking=lesson.asking,
                seed=crew.config.campaign.seed,
            )
        lessons = [
            Lesson(
                id=digest("lesson", state["round"], p.id),
                problem=p.id,
                round=state["round"],
                draft=a,
                lucky=crew.lucky(p),
            )
            for p, a in zip(problems, attempts, strict=True)
        ]
        return {**_write(crew, state, "draft", lessons), "turn": 0}

    return node


def _on_lessons(crew: Crew, name: str, work: Work, turn: int = 0) -> Callable[[LessonState], dict[str, Any]]:
    def node(state: LessonState) -> dict[str, Any]:
        problems = {p.id: p for p in crew.folder.rows(f"{state['cohort']}/problems.jsonl", Problem)}
        lessons = crew.folder.rows(state["lessons"], Lesson)
        with crew.stage(name, state["unsolved"]):
            done = work(lessons, problems, state)
        return {**_write(crew, state, f"{name}-{state['turn']}", done), "turn": state["turn"] + turn}

    return node


def _write(crew: Crew, state: LessonState, name: str, lessons: Sequence[Lesson]) -> dict[str, Any]:
    handle = crew.folder.write_rows(f"{state['cohort']}/{name}.jsonl", lessons)
    return {"lessons": handle, "unsolved": sum(not lesson.settled for lesson in lessons)}


def _ask(crew: Crew) -> Work:
    def work(lessons: Sequence[Lesson], problems: dict[str, Problem], state: LessonState) -> list[Lesson]:
        return ask(
            lessons,
            problems,
            crew.model(state["adapter"]),
            crew.programs["ask"],
            crew.greedy(),
            questions=crew.config.lesson.questions,
            turn=state["turn"],
            seed=crew.config.campaign.seed,
        )

    return work


def _answer(crew: Crew) -> Work:
    def work(lessons: Sequence[Lesson], problems: dict[str, Problem], state: LessonState) -> list[Lesson]:
        return answer(lessons, problems, crew.teacher_for(crew.model(state["adapter"]), state["round"]), crew.task)

    return work


def _rewrite(crew: Crew) -> Work:
    def work(lessons: Sequence[Lesson], problems: dict[str, Problem], state: LessonState) -> list[Lesson]:
        model, program = crew.model(state["adapter"]), crew.programs["rewrite"]
        return rewrite(lessons, problems, model, program, crew.task, crew.greedy(), seed=crew.config.campaign.seed)

    return work


def _reason(crew: Crew) -> Work:
    lesson = crew.config.lesson

    def work(lessons: Sequence[Lesson], problems: dict[str, Problem], state: LessonState) -> list[Lesson]:
        teacher = crew.teacher_for(crew.model(state["adapter"]), state["round"])
        return reason(lessons, problems, teacher, crew.task, samples=lesson.rationales, rationalise=lesson.rationalise)

    return work

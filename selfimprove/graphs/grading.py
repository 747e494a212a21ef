"""Grading a mined pool into the student's library, a window of problems at a time.

::

    score -> (windows left? score : cuts) -> level -> (windows left? level : library) -> end

Scores come first, as the bins of the levels may be fitted on all of them. A scorer that was shown to be better than
chance only in a later window begins again with the first, so that all windows are scored alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, TypedDict

from langgraph.graph import END, START, StateGraph

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.finding import grade_rule_of, scorer_of
from selfimprove.graphs.mining import find_groups, mining_place, totals_of, trials_in, window_folder
from selfimprove.graphs.wiring import add_nodes
from selfimprove.mining.kinds import Mined
from selfimprove.mining.levels import Cuts
from selfimprove.mining.library import Graded, count_levels, save_library, student_hash
from selfimprove.mining.prior import Curve, fit_curve, point_of
from selfimprove.protocols import StepScorer
from selfimprove.records import Problem
from selfimprove.scorers.figures import ScorerCard
from selfimprove.scorers.trust import Gated
from selfimprove.steps.grade import GradeRule, Scored, ToGrade, cuts_of, level_pool, score_pool, screen_under


class GradingState(TypedDict, total=False):
    """Handles of a mined pool; `round` and `best` are given, the rest is found."""

    round: int
    best: str
    """The student's adapter, relative to the run folder; empty: the base."""
    window: int
    levelled: int
    """Windows that have levels."""
    windows: int
    library: str
    """The library, relative to the run folder."""


def build_grading(crew: Crew, scorer: StepScorer | None = None) -> StateGraph[Any]:
    """Wire grading; compile it with or without a checkpointer, and invoke it with `recursion_limit=mining.STEPS`.

    Args:
        crew: the parts; its teacher and trainer are not used.
        scorer: scores steps; default: the one that the settings name, if any.
    """
    rule = grade_rule_of(crew.config.grade)
    graph: StateGraph[Any] = StateGraph(GradingState)
    nodes = {
        "score": _score(crew, scorer, rule),
        "cuts": _cuts(crew, rule),
        "level": _level(crew),
        "library": _library(crew),
    }
    add_nodes(graph, nodes)
    graph.add_edge(START, "score")
    graph.add_conditional_edges("score", _after("window", "score", "cuts"), ["score", "cuts"])
    graph.add_edge("cuts", "level")
    graph.add_conditional_edges("level", _after("levelled", "level", "library"), ["level", "library"])
    graph.add_edge("library", END)
    return graph


def _after(done: str, again: str, on: str) -> Callable[[dict[str, Any]], str]:
    return lambda state: again if state[done] < state["windows"] else on


def library_place(round_: int) -> str:
    """Give the library's folder, relative to the run folder."""
    return f"{mining_place(round_)}/library"


def _score(crew: Crew, scorer: StepScorer | None, rule: GradeRule) -> Callable[[GradingState], dict[str, Any]]:
    @cache
    def named(best: str, proof: str) -> StepScorer | None:
        kept = crew.folder.found(proof, ScorerCard)
        return scorer or scorer_of(crew, best, kept)

    def node(state: GradingState) -> dict[str, Any]:
        place, window = mining_place(state["round"]), state.get("window", 0)
        proof = f"{place}/scorer.json"
        windows = totals_of(crew, state["round"]).windows
        here = window_folder(place, window)
        with crew.stage("grade"):
            tried = _tried(crew, here)
            curve = _curve(crew, place, windows)
            used = named(state["best"], proof)
            before = used.card if isinstance(used, Gated) else None
            under = _screen(crew, place, windows, curve) if used else 0.0
            scored = score_pool(tried, scorer=used, rule=rule, curve=curve, under=under)
            crew.folder.write_rows(f"{here}/scores.jsonl", scored)
            shown = isinstance(used, Gated) and used.card is not before
            if isinstance(used, Gated) and used.card is not None:
                crew.folder.write_json(proof, used.card)
        return {"window": 0 if shown and window else window + 1, "levelled": 0, "windows": windows}

    return node


def _tried(crew: Crew, here: str) -> list[ToGrade]:
    trials = trials_in(crew, here, crew.folder.rows(f"{here}/problems.jsonl", Problem))
    mined = crew.folder.rows(f"{here}/mined.jsonl", Mined)
    return [ToGrade(one.problem, m, one.attempts) for one, m in zip(trials, mined, strict=True)]


def _curve(crew: Crew, place: str, windows: int) -> Curve | None:
    """Fit the prior on the whole pool, once, and keep it."""
    name = f"{place}/prior.json"
    if not crew.config.grade.prior:
        return None
    if not crew.folder.has(name):
        curve = fit_curve(point_of(m) for m in _mined(crew, place, windows))
        crew.folder.write_json(name, curve._asdict() if curve else {})
    known = crew.folder.json(name)
    return Curve(tuple(known["signals"]), tuple(known["rates"]), known["worth"]) if known else None


def _screen(crew: Crew, place: str, windows: int, curve: Curve | None) -> float:
    """Find what the scorer is not asked about, on the whole pool, once, and keep it."""
    name, share = f"{place}/screen.json", crew.config.grade.screen
    if not crew.folder.has(name):
        crew.folder.write_json(name, {"under": screen_under(_mined(crew, place, windows), curve, share)})
    return float(crew.folder.json(name)["under"])


def _mined(crew: Crew, place: str, windows: int) -> Iterator[Mined]:
    return (m for w in range(windows) for m in crew.folder.rows(f"{window_folder(place, w)}/mined.jsonl", Mined))


def _cuts(crew: Crew, rule: GradeRule) -> Callable[[GradingState], dict[str, Any]]:
    def node(state: GradingState) -> dict[str, Any]:
        place = mining_place(state["round"])
        folders = (window_folder(place, w) for w in range(state["windows"]))
        fitted = cuts_of((s for here in folders for s in crew.folder.rows(f"{here}/scores.jsonl", Scored)), rule)
        crew.folder.write_json(f"{place}/cuts.json", {name: list(cuts.at) for name, cuts in sorted(fitted.items())})
        return {}

    return node


def _level(crew: Crew) -> Callable[[GradingState], dict[str, Any]]:
    def node(state: GradingState) -> dict[str, Any]:
        place = mining_place(state["round"])
        here = window_folder(place, state["levelled"])
        cuts = {name: Cuts(tuple(at)) for name, at in crew.folder.json(f"{place}/cuts.json").items()}
        scored = crew.folder.rows(f"{here}/scores.jsonl", Scored)
        student = student_hash(crew.model(state["best"]).identity)
        crew.folder.write_rows(f"{here}/grades.jsonl", level_pool(_tried(crew, here), scored, cuts, student))
        return {"levelled": state["levelled"] + 1}

    return node


def _library(crew: Crew) -> Callable[[GradingState], dict[str, Any]]:
    def node(state: GradingState) -> dict[str, Any]:
        place, library = mining_place(state["round"]), library_place(state["round"])
        folders = [window_folder(place, w) for w in range(state["windows"])]

        def rows() -> Iterator[Graded]:
            for here in folders:
                yield from crew.folder.rows(f"{here}/grades.jsonl", Graded)

        save_library(crew.folder.at(f"{library}/grades.jsonl"), rows())
        crew.folder.list_tree(library)
        crew.folder.write_json(f"{library}/levels.json", count_levels(rows(), crew.config.select.label))

        def first_wrong(here: str) -> dict[str, int | None]:
            return {g.problem: g.first_wrong for g in crew.folder.rows(f"{here}/grades.jsonl", Graded)}

        crew.folder.write_json(f"{place}/patterns.json", find_groups(crew, place, state["windows"], first_wrong))
        return {"library": f"{library}/grades.jsonl"}

    return node

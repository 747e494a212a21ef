"""One round.

::

    (compile ->) mine -> grade -> select -> (lesson, a cohort at a time) -> gather -> build -> train -> evaluate
    -> decide -> end
"""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send

from selfimprove.graphs.arms import train_node
from selfimprove.graphs.compiling import compile_node
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import decide_node
from selfimprove.graphs.finding import grade_node, mine_node
from selfimprove.graphs.lesson import build_lesson
from selfimprove.graphs.selecting import select_node
from selfimprove.graphs.training import build_node, evaluate_node, gather_node
from selfimprove.graphs.wiring import add_nodes


def _either(old: str, new: str) -> str:
    return new or old


class RoundState(TypedDict):
    """Handles of one round."""

    round: int
    best: str
    """Best adapter so far, relative to the run folder; empty: the base."""
    cohorts: list[str]
    lessons: Annotated[str, _either]
    taught: Annotated[int, operator.add]


def build_round(crew: Crew) -> StateGraph[Any]:
    """Wire one round; compile it with or without a checkpointer."""
    graph: StateGraph[Any] = StateGraph(RoundState)
    lesson = build_lesson(crew).compile()

    def teach(state: dict[str, Any]) -> dict[str, Any]:
        lesson.invoke({"round": state["round"], "adapter": state["best"], "cohort": state["cohort"]})
        return {"taught": 1}

    nodes = {
        "mine": mine_node(crew),
        "grade": grade_node(crew),
        "select": select_node(crew),
        "lesson": teach,
        "gather": gather_node(crew),
        "build": build_node(crew),
        "train": train_node(crew),
        "evaluate": evaluate_node(crew),
        "decide": decide_node(crew),
    }
    if crew.config.campaign.compile:
        nodes = {"compile": compile_node(crew), **nodes}
        graph.add_edge("compile", "mine")
    add_nodes(graph, nodes)
    graph.add_edge(START, next(iter(nodes)))
    graph.add_edge("mine", "grade")
    graph.add_edge("grade", "select")
    graph.add_conditional_edges("select", _cohorts, ["lesson", "gather"])
    graph.add_edge("lesson", "gather")
    for before, after in (("gather", "build"), ("build", "train"), ("train", "evaluate"), ("evaluate", "decide")):
        graph.add_edge(before, after)
    graph.add_edge("decide", END)
    return graph


def _cohorts(state: RoundState) -> list[Send] | str:
    sent = [
        Send("lesson", {"round": state["round"], "best": state["best"], "cohort": cohort})
        for cohort in state["cohorts"]
    ]
    return sent or "gather"

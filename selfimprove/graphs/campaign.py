"""A whole campaign.

::

    freeze -> baseline -> round -> (rounds left, and patience? round : finish) ;  finish: control -> final -> end

Dev decides. Test is opened by `final` alone, and each opening is written down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph

from selfimprove import progress
from selfimprove.arms import in_turn
from selfimprove.graphs.arms import last_of
from selfimprove.graphs.compiling import take_compiled
from selfimprove.graphs.control import control_node, control_of
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.guarding import freeze_guarded
from selfimprove.graphs.phases import begin_phase
from selfimprove.graphs.places import Node, arm_of, round_folder
from selfimprove.graphs.rounds import build_round
from selfimprove.graphs.training import look_at, measure
from selfimprove.graphs.watching import measure_panel
from selfimprove.graphs.wiring import add_nodes
from selfimprove.records import Evaluation, Record
from selfimprove.store import RunFolder


class CampaignState(TypedDict):
    """Handles of a campaign."""

    round: int
    """The last finished round; 0: the baseline."""
    best: str
    idle: int
    """Rounds in a row without a promotion."""
    control: NotRequired[dict[str, Any]]
    """The `setting` that left no room for the best's control, and its `cap`; empty: none did."""


class Opening(Record):
    """One look at the test split."""

    data_sha256: str
    after_round: int
    models: tuple[str, ...]


class Openings(Record):
    """Every look at the test split."""

    openings: tuple[Opening, ...] = ()


def build_campaign(crew: Crew) -> StateGraph[Any]:
    """Wire a campaign; compile it with a checkpointer to survive a crash."""
    graph: StateGraph[Any] = StateGraph(CampaignState)
    one_round = build_round(crew).compile()

    def next_round(state: CampaignState) -> dict[str, Any]:
        round_ = state["round"] + 1
        progress.current().round(round_, crew.config.campaign.rounds)
        take_compiled(crew, round_)
        begin_phase(crew, round_)  # here and not in the round, which may go on in its middle
        with crew.ledger.span(round_folder(round_)):
            one_round.invoke(
                {"round": round_, "best": state["best"], "cohorts": [], "lessons": "", "taught": 0},
                {"max_concurrency": 2},
            )
        made = crew.folder.record(f"{round_folder(round_)}/decision.json", RoundDecision)
        crew.after_round(round_)
        return {"round": round_, "best": made.best, "idle": 0 if made.promoted else state["idle"] + 1}

    nodes = {
        "freeze": freeze_node(crew),
        "baseline": baseline_node(crew),
        "round": next_round,
        "control": control_node(crew),
        "final": final_node(crew),
    }
    add_nodes(graph, nodes)
    graph.add_edge(START, "freeze")
    graph.add_edge("freeze", "baseline")
    graph.add_edge("baseline", "round")
    graph.add_conditional_edges("round", _go_on(crew), ["round", "control"])
    graph.add_edge("control", "final")
    graph.add_edge("final", END)
    return graph


def _go_on(crew: Crew) -> Callable[[CampaignState], str]:
    def choose(state: CampaignState) -> str:
        return "control" if why_stopped(crew, state["round"], state["idle"], state["best"]) else "round"

    return choose


def why_stopped(crew: Crew, round_: int, idle: int, best: str) -> Literal["target", "rounds", "patience"] | None:
    """Say why no further round is begun; None where one is."""
    campaign = crew.config.campaign
    if reached(campaign.target, reached_so_far(crew.folder, best)):
        return "target"
    if round_ >= campaign.rounds:
        return "rounds"
    return "patience" if idle >= campaign.patience else None


def reached(target: float | None, accuracy: float) -> bool:
    """Say whether an accuracy on dev is all that is asked for."""
    return target is not None and accuracy >= target


def reached_so_far(folder: RunFolder, best: str) -> float:
    """Give the accuracy on dev of the best student so far; 0 for the base, which nothing was asked of."""
    if not best:
        return 0.0
    return folder.record(f"{best.rpartition('/')[0]}/evaluation.json", Evaluation).accuracy


def freeze_node(crew: Crew) -> Node:
    """Take the splits and never change them again."""

    def node(_: CampaignState) -> dict[str, Any]:
        if not crew.folder.has("data/leakage.json"):
            freeze_guarded(crew)
        return {"round": 0, "best": "", "idle": 0}

    return node


def baseline_node(crew: Crew) -> Node:
    """Measure the untouched student on dev, zero-shot and few-shot; the better one is what gains count from."""

    def node(_: CampaignState) -> dict[str, Any]:
        best, chosen = -1.0, 0
        for shots in sorted({0, crew.config.evaluate.shots}):
            place = _baseline(shots)
            result = measure(crew, "dev", "", "base", place, round_=0, shots=shots)
            if result.accuracy > best:
                best, chosen = result.accuracy, shots
        measure_panel(crew, "", "base", "round-00")
        start = RoundDecision(
            round=0, best="", predictions=f"{_baseline(chosen)}/predictions.jsonl", promoted="", decisions=()
        )
        crew.folder.write_json("round-00/baseline.json", {"shots": chosen})
        crew.folder.write_json("round-00/decision.json", start)
        crew.after_round(0)
        return {}

    return node


def _baseline(shots: int) -> str:
    return f"round-00/few-shot-{shots}" if shots else "round-00"


def final_node(crew: Crew) -> Node:
    """Open the test split: base, best, control, and each arm's last; what was opened is measured whatever the hours."""

    def node(state: CampaignState) -> dict[str, Any]:
        crew.ledger.free_hours()
        shots = int(crew.folder.json("round-00/baseline.json")["shots"])
        tested = {"base": ("", "base", shots), "best": (state["best"], arm_of(state["best"]), 0)}
        if not state["best"]:
            tested.pop("best")
        for arm in in_turn(crew.config.campaign.arms):
            last = last_of(crew, arm, range(1, state["round"] + 1))
            if last and last != state["best"]:
                tested[arm] = (last, arm, 0)
        control = f"{control_of(state['best'])}/adapter"
        if crew.folder.has(f"{control}/metrics.json"):
            tested["control"] = (control, "control", 0)
        _record_opening(crew, state["round"], tuple(tested))
        for name, (adapter, arm, shot) in tested.items():
            measure(crew, "test", adapter, arm, f"final/{name}", round_=state["round"], shots=shot)
        crew.folder.write_json("final/tested.json", {name: adapter for name, (adapter, _, _) in tested.items()})
        return {}

    return node


def _record_opening(crew: Crew, round_: int, models: tuple[str, ...]) -> None:
    name = "final/openings.json"
    known = (crew.folder.found(name, Openings) or Openings(openings=())).openings
    new = Opening(data_sha256=crew.folder.hashes["data/test.jsonl"], after_round=round_, models=models)
    if new not in known:
        crew.folder.write_json(name, Openings(openings=(*known, new)))
    look_at(crew, "test", f"after round {round_}: {', '.join(models)}")

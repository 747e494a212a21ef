"""A whole campaign.

::

    freeze -> baseline -> round -> (rounds left, and patience? round : finish) ;  finish: control -> final -> end

Dev decides. Test is opened by `final` alone, and each opening is written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any, Final, Literal, NotRequired, TypedDict

from langgraph.graph import END, START, StateGraph

from selfimprove import progress
from selfimprove.arms import in_turn
from selfimprove.config import Config
from selfimprove.graphs.arms import last_of, train_arm
from selfimprove.graphs.compiling import take_compiled
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.guarding import freeze_guarded, guarded
from selfimprove.graphs.phases import begin_phase
from selfimprove.graphs.places import Node, arm_of, round_folder
from selfimprove.graphs.rounds import build_round
from selfimprove.graphs.training import look_at, measure
from selfimprove.graphs.watching import measure_panel
from selfimprove.graphs.wiring import add_nodes
from selfimprove.ledger import CapReachedError
from selfimprove.records import Evaluation, PracticeRow, PreferenceRow, Record, TrackRow, Verdict, VerdictRow
from selfimprove.steps.build import balance, build
from selfimprove.steps.harvest import Target
from selfimprove.steps.mine import fresh
from selfimprove.steps.reason import rationales
from selfimprove.store import RunFolder

_ROWS: Final[Mapping[str, type[TrackRow | PreferenceRow | VerdictRow]]] = {
    "sft": TrackRow,
    "dpo": PreferenceRow,
    "kto": VerdictRow,
}
"""What an adapter is trained on, by its method; else it practises."""


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


def control_node(crew: Crew) -> Node:
    """Train the control: from the base, on as many tokens and problems as the best was, not selected by failure.

    Each round's best has its own: one that more rounds have left behind was trained on fewer tokens. Where a cap leaves
    no room for it, the best has none until the cap is raised.
    """

    def node(state: CampaignState) -> dict[str, Any]:
        crew.ledger.cap_dollars(crew.config.campaign.budget_usd, "")
        take_compiled(crew, state["round"])  # this process may have begun here
        if "control" in crew.config.campaign.arms and state["best"]:
            try:
                _train_control(crew, state["best"])
            except CapReachedError as error:
                progress.current().say(f"the best has no control: {error}")
                return {"control": {"setting": error.setting, "cap": error.cap}}
        return {"control": {}}

    return node


def has_risen(config: Config, capped: Mapping[str, Any]) -> bool:
    """Say whether a cap that left no room for a control, as `CampaignState` tells it, is higher by now."""
    if not capped:
        return False
    cap: Any = reduce(getattr, capped["setting"].split("."), config)
    return cap is None or bool(cap > capped["cap"])


def _train_control(crew: Crew, best: str) -> None:
    line, train = lineage(crew, best), crew.problems("train")
    tokens = sum(int(crew.folder.json(f"{adapter}/metrics.json")["trained_tokens"]) for adapter in line)
    count = len(set[str]().union(*(_learned(crew, adapter) for adapter in line)))
    chosen = fresh(train, frozenset(), count, crew.config.campaign.seed)
    with crew.stage("control", len(chosen)):
        teacher = crew.teacher_for(crew.model(""), 1)
        found = rationales(chosen, teacher, crew.task)
    targets = [
        Target(p.id, "", r.text, r.answer or "", r.source, r.calls)
        for p, some in zip(chosen, found, strict=True)
        for r in some[:1]
        if r.verdict is Verdict.CORRECT
    ]
    by_id = {p.id: p for p in chosen}
    made = build(targets, by_id, crew.task, "control", round_=0, longest=crew.config.student.max_tokens)
    place = _control_of(best)
    made = balance(guarded(crew, made, f"{place}/refused.jsonl"), train, seed=crew.config.campaign.seed)
    if made:
        train_arm(crew, made, place, "control", "", tokens)
    else:
        drawn = f"of {len(chosen)} problems drawn, {len(targets)} were taught"
        progress.current().say(f"the best has no control: {drawn}, and no row was left")


def _control_of(best: str) -> str:
    """Give the folder of the control that belongs to a best student."""
    return f"final/control-{best.partition('/')[0]}"


def _learned(crew: Crew, adapter: str) -> set[str]:
    """Give the problems that an adapter learned from, by their ids."""
    kind: type[TrackRow | PreferenceRow | VerdictRow | PracticeRow] = _ROWS.get(
        _origin(crew, adapter)["method"], PracticeRow
    )
    rows = crew.folder.rows(f"{adapter.rpartition('/')[0]}/rows.jsonl", kind)
    return {row.problem.id if isinstance(row, PracticeRow) else row.problem for row in rows}


def lineage(crew: Crew, adapter: str) -> list[str]:
    """Give the adapters that one goes back to, the newest first."""
    chain = [adapter] if adapter else []
    while chain and (start := _origin(crew, chain[-1])["start"]):
        chain.append(start)
    return chain


def _origin(crew: Crew, adapter: str) -> dict[str, str]:
    """Read which adapter one goes on from, and how it was trained."""
    made: dict[str, str] = crew.folder.json(f"{adapter.rpartition('/')[0]}/origin.json")
    return made


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
        control = f"{_control_of(state['best'])}/adapter"
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

"""The control: as many tokens and problems as the best student had, not chosen by failure, and never promoted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any, Final

from selfimprove import progress
from selfimprove.config import Config
from selfimprove.graphs.arms import train_arm
from selfimprove.graphs.compiling import take_compiled
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.guarding import guarded
from selfimprove.graphs.places import Node
from selfimprove.ledger import CapReachedError
from selfimprove.records import PracticeRow, PreferenceRow, TrackRow, Verdict, VerdictRow
from selfimprove.steps.build import balance, build
from selfimprove.steps.harvest import Target
from selfimprove.steps.mine import fresh
from selfimprove.steps.reason import rationales

_ROWS: Final[Mapping[str, type[TrackRow | PreferenceRow | VerdictRow]]] = {
    "sft": TrackRow,
    "dpo": PreferenceRow,
    "kto": VerdictRow,
}
"""What an adapter is trained on, by its method; else it practises."""


def control_node(crew: Crew) -> Node:
    """Train the control: from the base, on as many tokens and problems as the best was, not selected by failure.

    Each round's best has its own: one that more rounds have left behind was trained on fewer tokens. Where a cap leaves
    no room for it, the best has none until the cap is raised.
    """

    def node(state: dict[str, Any]) -> dict[str, Any]:
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
    """Say whether a cap that left no room for a control, as the campaign's state tells it, is higher by now."""
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
    place = control_of(best)
    made = balance(guarded(crew, made, f"{place}/refused.jsonl"), train, seed=crew.config.campaign.seed)
    if made:
        train_arm(crew, made, place, "control", "", tokens)
    else:
        drawn = f"of {len(chosen)} problems drawn, {len(targets)} were taught"
        progress.current().say(f"the best has no control: {drawn}, and no row was left")


def control_of(best: str) -> str:
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

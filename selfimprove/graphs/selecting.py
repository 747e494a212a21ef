"""The node that chooses a round's lessons: select."""

from __future__ import annotations

from typing import Any

from selfimprove.arms import ARMS, in_turn
from selfimprove.graphs.choosing import choose_by
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.lesson import cohorts_of
from selfimprove.graphs.phases import phased
from selfimprove.graphs.places import Node, Pool, attempts_of, pool_file, round_folder
from selfimprove.graphs.probing import probed
from selfimprove.mining.library import Graded
from selfimprove.steps.select import Selection


def select_node(crew: Crew) -> Node:
    """Choose the round's lessons and cut them into cohorts; under `probe` the first round finds the policy first.

    Where no arm has a track nothing is chosen: arms that practise learn from their own tries at the whole pool.
    """

    def node(state: dict[str, Any]) -> dict[str, Any]:
        if not any(ARMS[arm].track for arm in in_turn(crew.config.campaign.arms)):
            return {"cohorts": []}
        policy: str = crew.config.select.policy
        if policy == "probe":
            policy = probed(crew, state["round"], state["best"]).policy
        chosen = _chosen(crew, state["round"], policy).ids
        by_id = {p.id: p for p in crew.problems("train")}
        return {"cohorts": cohorts_of(crew, [by_id[i] for i in chosen], round_folder(state["round"]))}

    return node


def _chosen(crew: Crew, round_: int, policy: str) -> Selection:
    config, seed = phased(crew, round_), crew.config.campaign.seed * 1000 + round_
    how = config.select
    pool = crew.folder.record(pool_file(round_), Pool)
    graded = crew.folder.rows(f"{round_folder(round_)}/grades.jsonl", Graded)
    made = choose_by(config, policy, graded, attempts_of(crew, round_), how.lessons, seed)
    told = {
        "policy": policy,
        "order": how.order,
        "lessons": len(made.ids),
        "quotas": made.quotas,
        "notes": made.notes,
    }
    crew.folder.write_json(pool_file(round_), pool.model_copy(update=told))
    return made

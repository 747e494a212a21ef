"""Run a campaign's graph over its checkpoint file, from the start or from where it stopped."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from langgraph.checkpoint.sqlite import SqliteSaver

from selfimprove.graphs.campaign import build_campaign
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.wiring import seldom_collected

_STEPS_BESIDE_ROUNDS: Final = 10


def run_campaign(crew: Crew, checkpoints: Path) -> dict[str, Any]:
    """Run to the end and give the last state.

    The checkpoint says where to go on; the ledger and the adapters on disk keep anything from being done twice.
    A finished campaign that is given more rounds goes on behind its last one.
    """
    campaign = crew.config.campaign
    with seldom_collected(), closing(sqlite3.connect(checkpoints, check_same_thread=False)) as connection:
        graph = build_campaign(crew).compile(checkpointer=SqliteSaver(connection))
        how: Any = {
            "configurable": {"thread_id": "campaign"},
            "recursion_limit": campaign.rounds + _STEPS_BESIDE_ROUNDS,
        }
        known = graph.get_state(how)
        if known.values and not known.next:
            graph.update_state(how, {}, as_node="round")
        state: dict[str, Any] = graph.invoke(
            None if known.values else {"round": 0, "best": "", "idle": 0}, how, durability="sync"
        )
    crew.folder.write_json("finished.json", {"rounds": state["round"], "idle": state["idle"], "best": state["best"]})
    return state

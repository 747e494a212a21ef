"""Run a campaign's graph over its checkpoint file, from the start or from where it stopped."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from langgraph.checkpoint.serde.encrypted import EncryptedSerializer
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateSnapshot

from selfimprove import progress
from selfimprove.errors import BudgetExceededError, RunFolderError
from selfimprove.graphs.approving import ANSWERS
from selfimprove.graphs.campaign import build_campaign, reached_so_far, why_stopped
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.forked import forked, taken_over
from selfimprove.graphs.library import TAKEN
from selfimprove.graphs.places import decided_rounds, round_folder
from selfimprove.graphs.wiring import seldom_collected
from selfimprove.ledger.inherited import INHERITED
from selfimprove.programs.in_force import FROZEN
from selfimprove.records import Attempt
from selfimprove.store import RunFolder, put_aside

ENDED: Final = "finished.json"
"""What a campaign came to: its rounds, its best student, why it stopped (rounds, patience, target, budget), and the cap
that left no room for a control."""
_STEPS_BESIDE_ROUNDS: Final = 10
_MADE_AGAIN: Final = ("round-", "final/")
_ONLY_COPY: Final = ("data/", *TAKEN, "final/openings.json", INHERITED, FROZEN)
"""What replaying the campaign could not tell, or must not change; so are a person's answers."""
_UNREADABLE: Final = (sqlite3.DatabaseError, ValueError, LookupError, TypeError, AttributeError, NotImplementedError)
"""What LangGraph and SQLite raise over a checkpoint of other bytes."""


def run_campaign(crew: Crew, checkpoints: Path) -> dict[str, Any]:
    """Run to the end and give the last state.

    The checkpoint says where to go on; the ledger and the adapters on disk keep anything from being done twice. So
    where the checkpoint or a file of a round is damaged, it is put aside and the graph starts over: every call is found
    in the ledger and every file written again. A finished campaign that is given more rounds goes on behind its last.

    Raises:
        RunFolderError: a file is damaged that cannot be made again, or the databases cannot be written.
    """
    campaign = crew.config.campaign
    how: Any = {
        "configurable": {"thread_id": "campaign"},
        "recursion_limit": campaign.rounds + _STEPS_BESIDE_ROUNDS,
    }
    _check_calls(crew)
    mend(crew.folder, checkpoints)
    crew.folder.at(ENDED).unlink(missing_ok=True)  # it goes on
    try:
        with seldom_collected():
            state = _run(crew, checkpoints, how)
    except BudgetExceededError:
        _write_end(crew, _told(crew.folder, decided_rounds(crew.folder)), "budget")
        raise
    except sqlite3.Error as error:
        raise RunFolderError(
            f"the databases of {crew.folder.path} cannot be used ({error}); mend that and run the same command again"
        ) from error
    _write_end(crew, state, why_stopped(crew, state["round"], state["idle"], state["best"]) or "rounds")
    return state


def _write_end(crew: Crew, state: Any, why: str) -> None:
    """Write what a campaign came to, and why it stopped."""
    ended = {
        "rounds": state["round"],
        "idle": state["idle"],
        "best": state["best"],
        "accuracy": reached_so_far(crew.folder, state["best"]),
        "stopped": why,
        "control": state.get("control", {}),
    }
    crew.folder.write_json(ENDED, ended)


def mend(folder: RunFolder, checkpoints: Path) -> list[str]:
    """Put aside what is damaged and can be made again, with the checkpoints, and name it; an adapter as a whole.

    Raises:
        RunFolderError: a file is damaged that cannot be made again.
    """
    damaged = folder.damaged()
    for name in damaged:
        if name.startswith((*_ONLY_COPY, *taken_over(folder))) or name.endswith(ANSWERS):
            folder.checked(name)
    head = "/adapter/"
    again = {name.partition(head)[0] + head.rstrip("/") if head in name else name for name in damaged}
    found = sorted(name for name in again if name.startswith(_MADE_AGAIN))
    if found:
        _put_aside(checkpoints)
        folder.at(ENDED).unlink(missing_ok=True)
        folder.set_aside(found)
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        progress.current().say(
            f"{folder.at(found[0])}{more} had been changed or lost: put aside, and made again from the ledger"
        )
    return found


def _check_calls(crew: Crew) -> None:
    """Refuse to go on with a ledger that lacks what the folder was made with: all of it would be paid for again.

    Raises:
        RunFolderError: it was lost, or lost its last rows (which may stand in the file beside it, `-wal`).
    """
    for name in crew.folder.hashes:
        if not name.endswith("/predictions.jsonl") or crew.folder.damaged([name]):
            continue
        made = [attempt.completion for attempt in crew.folder.rows(name, Attempt)]
        keys = {one.call for one in made if one.finish_reason != "error"}  # which is asked again, and not looked up
        lacking = len(keys) - len(crew.ledger.lookup(sorted(keys)))
        if lacking:
            raise RunFolderError(
                f"{crew.folder.at('ledger.sqlite')} lacks {lacking} calls that {crew.folder.at(name)} was made with; "
                "restore it with the ledger.sqlite-wal that belongs to it, or start in a new folder"
            )


def _run(crew: Crew, checkpoints: Path, how: Any) -> dict[str, Any]:
    with closing(_connected(checkpoints)) as connection:
        saver = _saver(connection)
        graph = build_campaign(crew).compile(checkpointer=saver)
        if _readable(saver) and _agrees(graph, how, crew.folder):
            return _invoke(graph, how, crew)
    _put_aside(checkpoints)
    progress.current().say(f"{checkpoints} is damaged: put aside, and the campaign walked again from the ledger")
    with closing(_connected(checkpoints)) as connection:
        return _invoke(build_campaign(crew).compile(checkpointer=_saver(connection)), how, crew)


def _invoke(graph: CompiledStateGraph[Any, Any, Any, Any], how: Any, crew: Crew) -> dict[str, Any]:
    fork = forked(crew.folder)
    if fork is not None and not graph.get_state(how).values:
        graph.update_state(how, _told(crew.folder, fork.round), as_node="round" if fork.round else "baseline")
    known = graph.get_state(how)
    if _asks_anew(known, crew):
        graph.update_state(how, {}, as_node="round")
    begin = None if known.values else {"round": 0, "best": "", "idle": 0}
    state: dict[str, Any] = graph.invoke(begin, how, durability="sync")
    return state


def _asks_anew(known: StateSnapshot, crew: Crew) -> bool:
    """Say whether to decide again if a further round is begun.

    So it is at the end, where more rounds were asked for before it, and where the settings end a campaign that stopped
    inside a round: what that round has not decided is left.
    """
    if not known.values:
        return False
    if not known.tasks:  # also where a node was done and the process killed before the checkpoint behind it
        return True
    state = known.values
    enough = why_stopped(crew, state["round"], state["idle"], state["best"]) is not None
    if "round" in known.next:
        return enough and state["round"] > 0 and decided_rounds(crew.folder) == state["round"]
    return not enough and bool({"control", "final"} & set(known.next))


def _connected(checkpoints: Path) -> sqlite3.Connection:
    """Open it as the ledger is opened: no commit waits for the disk, since what a power cut takes is walked again."""
    connection = sqlite3.connect(checkpoints, check_same_thread=False)
    with suppress(sqlite3.DatabaseError):  # a damaged file is found, and put aside, behind this
        connection.execute("PRAGMA synchronous=NORMAL")
    return connection


class _Sealed:
    """A hash before every checkpoint; LangGraph has a place for it where a cipher goes."""

    def encrypt(self, plaintext: bytes) -> tuple[str, bytes]:
        return "sha256", hashlib.sha256(plaintext).digest() + plaintext

    def decrypt(self, ciphername: str, ciphertext: bytes) -> bytes:
        size = hashlib.sha256().digest_size
        if ciphername != "sha256" or hashlib.sha256(ciphertext[size:]).digest() != ciphertext[:size]:
            raise ValueError("the checkpoint is not what was written")
        return ciphertext[size:]


def _saver(connection: sqlite3.Connection) -> SqliteSaver:
    # A state holds plain values only, so a file that would have anything else made is not read.
    plain = JsonPlusSerializer(allowed_msgpack_modules=None)
    return SqliteSaver(connection, serde=EncryptedSerializer(_Sealed(), plain))


def _readable(saver: SqliteSaver) -> bool:
    """Say whether all that the file holds, rounds half done too, is what was written there."""
    try:
        saver.setup()
        if saver.conn.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            return False
        states = saver.conn.execute("SELECT type, checkpoint, metadata FROM checkpoints")
        for kind, sealed, about in [*states, *saver.conn.execute("SELECT type, value, 'null' FROM writes")]:
            saver.serde.loads_typed((kind, sealed))
            json.loads(about)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:  # the disk or a lock, not the content
            raise
        return False
    except _UNREADABLE:
        return False
    return True


def _agrees(graph: CompiledStateGraph[Any, Any, Any, Any], how: Any, folder: RunFolder) -> bool:
    """Say whether the checkpoint tells what the decisions of the rounds tell."""
    values = graph.get_state(how).values
    try:
        return not values or values == {**values, **_told(folder, values["round"])}
    except RunFolderError:
        return False


def _told(folder: RunFolder, rounds: int) -> dict[str, Any]:
    """Work the state after some rounds out of their decisions; a fork's patience begins where it does."""
    fork = forked(folder)
    state: dict[str, Any] = {"round": rounds, "best": "", "idle": 0}
    for round_ in range(1, rounds + 1):
        made = folder.record(f"{round_folder(round_)}/decision.json", RoundDecision)
        own = fork is None or round_ > fork.round
        state = {"round": rounds, "best": made.best, "idle": 0 if made.promoted or not own else state["idle"] + 1}
    return state


def _put_aside(checkpoints: Path) -> None:
    """Put the checkpoint file and what belongs to it aside."""
    for suffix in ("", "-wal", "-shm"):
        put_aside(checkpoints.with_name(checkpoints.name + suffix))

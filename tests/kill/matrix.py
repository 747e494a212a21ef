"""When a campaign is killed: at the beginning of each stage, inside each, amid paid answers, its trainers alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from killing import Killer, Matrix
from paid_server import paid_server
from victim import Event, Place, one_thread, write_student

from selfimprove.trainers.process import killed_for_memory

KILLS: Final = 60
"""At least so many make a whole matrix."""


def stages(place: Place) -> dict[Event, float]:
    """Give the stages and files of an uninterrupted campaign in their order, with the stages' seconds."""
    order = dict.fromkeys(place.moment(0).begun, 0.0)
    spans = place.rows("SELECT name, started, ended FROM spans")
    rounds = sorted((row for row in spans if row[0].startswith("round-")), key=lambda row: row[1])
    for name, started, ended in spans:
        event = f"{place.part(started, rounds)}/{name}"
        if event in order:
            order[event] = max(order[event], ended - started)
    return order


def kill_at_boundaries(killer: Killer, order: list[Event]) -> None:
    """Kill one campaign at the beginning of each stage in turn, and where a round's or the campaign's last file is."""
    reached = 0
    while reached < len(order):
        ahead = set(order[reached:])
        at = killer.kill_when(lambda moment, ahead=ahead: bool(ahead & set(moment.begun)))
        if at is None:
            return
        reached = 1 + max(order.index(event) for event in at.begun if event in ahead)


def kill_inside(killer: Killer, order: dict[Event, float], each: int, rng: Random) -> None:
    """Kill one campaign at random moments inside each stage, `each` times a stage; one that is over by then, later on."""
    events = list(order)
    for at, seconds in enumerate(order.values()):
        for _ in range(each if seconds else 0):
            ahead, after = set(events[at:]), rng.uniform(0, seconds)
            if killer.kill_when(lambda moment, ahead=ahead: bool(ahead & set(moment.begun)), after) is None:
                return


def kill_amid_answers(killer: Killer, times: int, rng: Random) -> None:
    """Kill one campaign so many times while paid answers are on their way, after a few more have been asked for."""
    server = killer.place.server
    for _ in range(times):
        wanted = server.counts().total() + rng.randint(1, 8)
        if killer.kill_when(lambda _, wanted=wanted: server.counts().total() >= wanted, rng.uniform(0, 0.02)) is None:
            return


def whole_matrix(root: Path, *, quick: bool, tell: Callable[[str], None] = lambda _: None) -> Matrix:
    """Kill campaigns at boundaries, inside stages, and their trainers alone; sixty times or more.

    Args:
        root: an empty folder.
        quick: at boundaries only.
        tell: told of each campaign.
    """
    made, rng, at = Matrix(), Random(0), 0
    with one_thread(), paid_server() as server:
        student = write_student(root / "student")
        whole = Place(root / "whole" / "run", server).settle_down(student)
        whole.finish()
        order = stages(whole)
        plans: list[tuple[str, Callable[[Killer], None]]] = [
            ("at each boundary", lambda killer: kill_at_boundaries(killer, list(order))),
            ("inside each stage", lambda killer: kill_inside(killer, order, 2, rng)),
            ("amid paid answers", lambda killer: kill_amid_answers(killer, 12, rng)),
            ("the trainers alone", kill_trainers),
        ]
        while plans[at:] or (made.kills < KILLS and not quick):
            name, plan = plans[at] if at < len(plans) else plans[1]
            started, at = time.monotonic(), at + 1
            killer = Killer(Place(root / str(at) / "run", server).settle_down(student), whole)
            plan(killer)
            found = killer.conclude()
            made.add(found)
            tell(f"{name}: {found.kills} kills, {time.monotonic() - started:.0f} s; {found}")
            if quick:
                break
    return made


def kill_trainers(killer: Killer) -> None:
    """Kill the parent while its trainer trains, then the trainer twice, which is an error, then once, which is not."""
    if killed_for_memory() is None:
        return  # without the system's count a kill is taken for want of memory, and the batch is halved
    assert killer.kill_when(lambda _: killer.steps()) is not None
    assert killer.kill_trainers(2) == 1, killer.place.said()[-2000:]
    assert killer.kill_trainers(1) == 0, killer.place.said()[-2000:]
    assert "was killed and is started again" in killer.place.said()

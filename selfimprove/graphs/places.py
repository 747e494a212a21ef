"""What a round writes where, for the nodes that come after."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from selfimprove.records import Attempt, Record
from selfimprove.steps.select import Quota

if TYPE_CHECKING:
    from selfimprove.graphs.crew import Crew
    from selfimprove.store import RunFolder

Node = Callable[[Any], dict[str, Any]]
PROBE: Final = "round-01/probe.json"
"""What the campaign's probe came to, relative to the run folder."""


class Pool(Record):
    """What a round tried, and what it chose of that."""

    problems: int
    failures: int
    no_verdict: int
    pass_rate: float
    tried_rungs: tuple[str, ...] = ()
    mastered: tuple[str, ...] = ()
    library: str = ""
    """The graded library that stood for mining; empty: the round mined."""
    policy: str = ""
    """Of the selection; under `probe` the one that the probe took; empty: no arm learns from lessons."""
    order: str = "shuffled"
    """How training rows are put."""
    phase: int = 0
    """Of the campaign, from 0."""
    lessons: int = 0
    """Problems chosen."""
    quotas: tuple[Quota, ...] = ()
    """Of the selection, where its policy has any."""
    notes: tuple[str, ...] = ()
    """What could not be chosen as asked."""


def round_folder(round_: int) -> str:
    """Give a round's folder, relative to the run folder.

    >>> round_folder(3)
    'round-03'
    """
    return f"round-{round_:02d}"


def round_of(adapter: str) -> int:
    """Give the round that an adapter was trained in, by its folder.

    >>> round_of("round-103/arms/track_b/adapter")
    103
    """
    return int(adapter.partition("/")[0].removeprefix("round-"))


def arm_of(adapter: str) -> str:
    """Name the arm that an adapter was trained as, by its folder; empty for none, which is the base.

    >>> arm_of("round-03/arms/track_b/adapter")
    'track_b'
    """
    return adapter.split("/")[-2] if adapter else ""


def decided_rounds(folder: RunFolder) -> int:
    """Count the rounds that were decided on, however many the settings ask for; the baseline is not one."""
    rounds = 0
    while folder.has(f"{round_folder(rounds + 1)}/decision.json"):
        rounds += 1
    return rounds


def pool_file(round_: int) -> str:
    """Give the file of a round's `Pool`, relative to the run folder."""
    return f"{round_folder(round_)}/pool.json"


def drafts_of(crew: Crew, round_: int) -> list[Attempt]:
    """Read a round's greedy attempts back; none where it mined nothing."""
    name = f"{round_folder(round_)}/drafts.jsonl"
    return crew.folder.rows(name, Attempt) if crew.folder.has(name) else []


def attempts_of(crew: Crew, round_: int) -> list[list[Attempt]]:
    """Read a round's attempts back, the greedy one first, in order of problem."""
    by_problem = {a.problem: [a] for a in drafts_of(crew, round_)}
    for attempt in crew.folder.rows(f"{round_folder(round_)}/samples.jsonl", Attempt):
        by_problem[attempt.problem].append(attempt)
    return list(by_problem.values())

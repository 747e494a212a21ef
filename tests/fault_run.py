"""Many harvest calls against the misbehaving server: what became of each, by the ledger's count and by the server's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from fake_server import FakeServer, Reply, Schedule, serving

from selfimprove.config import TeacherConfig
from selfimprove.errors import BudgetExceededError
from selfimprove.ledger import Ledger
from selfimprove.records import Problem
from selfimprove.steps.reason import rationales
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.teachers import load_teacher

INPUT_USD, OUTPUT_USD = 1e-6, 1e-5


class Outcome(NamedTuple):
    """What a fault run came to."""

    calls: int
    sent: int
    faults: dict[str, int]
    answered: int
    failed: int
    lost: int
    """Problems without a row that ended: an answer, or a failure with its reason."""
    repeated: int
    """Answers that the server gave to a request it had answered before."""
    billed_usd: float
    """The server's own sum: every reply with status 200, whatever reached the caller."""
    stopped_usd: float
    """What counted against the first, too small cap when it stopped the work."""
    first_cap_usd: float
    spent_usd: float
    held_usd: float
    cap_usd: float
    """The raised cap."""
    reasons: tuple[str, ...]


def fault_run(calls: int, path: Path, *, share: float = 0.3, seed: int = 0, timeout_s: float = 4.0) -> Outcome:
    """Harvest a rationale for each of `calls` problems: until a small cap stops it, then on with a larger one."""
    task = Arithmetic(levels=(3, 4, 5, 6), sizes={"train": calls})
    problems = list(task.problems("train"))
    schedule = Schedule(share, seed, good=Reply(task.conclude("So it is.", "4")))
    caps = (calls * 2e-5, calls * 1e-3)
    stopped_usd = 0.0
    with serving(schedule) as server:
        config = _config(server, timeout_s)
        with _opened(path, caps[0]) as ledger:
            try:
                rationales(problems, load_teacher(config, task, {}, ledger), task)
            except BudgetExceededError:
                stopped_usd = ledger.spent_usd
        with _opened(path, caps[1]) as ledger:
            rationales(problems, load_teacher(config, task, {}, ledger), task)
            return _outcome(problems, server, schedule, ledger, stopped_usd, caps)


def _config(server: FakeServer, timeout_s: float) -> TeacherConfig:
    return TeacherConfig(
        model="openai/broke",
        fallbacks=("openai/first", "openai/second"),
        base_url=server.url,
        input_price=INPUT_USD * 1e6,
        output_price=OUTPUT_USD * 1e6,
        max_tokens=64,
        concurrency=32,
        retries=1,
        timeout_s=timeout_s,
    )


@contextmanager
def _opened(path: Path, cap_usd: float) -> Iterator[Ledger]:
    ledger = Ledger(path, cap_usd)
    try:
        yield ledger
    finally:
        ledger.close()


def _outcome(
    problems: list[Problem],
    server: FakeServer,
    schedule: Schedule,
    ledger: Ledger,
    stopped_usd: float,
    caps: tuple[float, float],
) -> Outcome:
    rows = list(ledger.calls())
    ended = {
        row["problem"]
        for row in rows
        if row["state"] == "answered" or (row["state"] == "failed" and row["completion"]["error"])
    }
    totals = ledger.totals()
    return Outcome(
        calls=len(problems),
        sent=server.calls,
        faults=dict(schedule.faults),
        answered=totals.answered,
        failed=totals.failed,
        lost=len({problem.id for problem in problems} - ended),
        repeated=sum(count - 1 for count in server.answered.values()),
        billed_usd=sum(ins * INPUT_USD + outs * OUTPUT_USD for ins, outs in server.billed),
        stopped_usd=stopped_usd,
        first_cap_usd=caps[0],
        spent_usd=ledger.spent_usd,
        held_usd=totals.held_usd,
        cap_usd=caps[1],
        reasons=tuple(str(one["reason"]) for one in ledger.failures()),
    )

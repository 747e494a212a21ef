"""What does the ledger cost a call?

10,000 teacher's calls in batches of 64, on disk: looked up, reserved, settled; then found again. The same from 64
threads, one call each at a time, as the pool makes them.

make bench-ledger    keys: us_per_call (microseconds, the best of five runs; goal 50 or less), cpu_us_per_call (those of
them on the processor, which a busy machine does not change)
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from selfimprove.ledger import Ledger, Reservation, Settlement
from selfimprove.records import Completion, Message, Request

CALLS, BATCH, THREADS = 10_000, 64, 64
REPEATS = 2 if os.environ.get("QUICK") else 5


class Took(NamedTuple):
    """Seconds by the clock on the wall, and seconds on the processor."""

    wall: float
    cpu: float


def timed(work: Callable[[], None]) -> Took:
    """Do it, on both clocks."""
    started = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - started[0], time.process_time() - started[1])


def journal(ledger: Ledger, asked: Sequence[tuple[str, Request]], answers: Sequence[Completion]) -> None:
    """Look up, reserve and settle some calls."""
    assert not ledger.lookup([key for key, _ in asked])  # noqa: S101 - each run starts with an empty file
    ledger.reserve([Reservation(key, request, "model", "reason", 0.001, 300) for key, request in asked])
    ledger.settle([Settlement(key, made, 0.5) for (key, _), made in zip(asked, answers, strict=True)])


def batched(ledger: Ledger, asked: Sequence[tuple[str, Request]], answers: Sequence[Completion]) -> None:
    """Journal all calls in batches."""
    for at in range(0, CALLS, BATCH):
        journal(ledger, asked[at : at + BATCH], answers[at : at + BATCH])


def threaded(ledger: Ledger, asked: Sequence[tuple[str, Request]], answers: Sequence[Completion]) -> None:
    """Journal all calls, one at a time in each of many threads."""

    def work(first: int) -> None:
        for at in range(first, CALLS, THREADS):
            journal(ledger, asked[at : at + 1], answers[at : at + 1])

    threads = [threading.Thread(target=work, args=(first,)) for first in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def found(ledger: Ledger, asked: Sequence[tuple[str, Request]]) -> None:
    """Find all answers again, in batches."""
    for at in range(0, CALLS, BATCH):
        assert len(ledger.lookup([key for key, _ in asked[at : at + BATCH]])) == len(asked[at : at + BATCH])  # noqa: S101


def main() -> None:
    """Print the table and the line of JSON."""
    said = (Message(role="user", content="How many rolls does she sell? " * 10),)
    requests = [Request(role="reason", messages=said, problem=f"p{i}", sample=i) for i in range(CALLS)]
    asked = [(request.key("model"), request) for request in requests]
    text = "She bakes 4 * 12 = 48 rolls.\n" * 10
    answers = [
        Completion(text=text, prompt_tokens=90, completion_tokens=100, usd=0.0004, call=key, model="model", sample=i)
        for i, (key, _) in enumerate(asked)
    ]
    times: dict[str, list[Took]] = {"batches of 64": [], "found again": [], "64 threads": []}
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as out:
            with closing(Ledger(Path(out) / "batched.sqlite", budget_usd=1_000.0)) as ledger:
                times["batches of 64"].append(timed(partial(batched, ledger, asked, answers)))
                times["found again"].append(timed(partial(found, ledger, asked)))
            with closing(Ledger(Path(out) / "threaded.sqlite", budget_usd=1_000.0)) as ledger:
                times["64 threads"].append(timed(partial(threaded, ledger, asked, answers)))
    best = {name: Took(*(1e6 * min(one) / CALLS for one in zip(*some, strict=True))) for name, some in times.items()}
    for name, each in best.items():
        print(f"{name:<16}{each.wall:8.1f} us a call, {each.cpu:6.1f} on the processor")
    batches = best["batches of 64"]
    print(json.dumps({"us_per_call": round(batches.wall, 1), "cpu_us_per_call": round(batches.cpu, 1)}))


if __name__ == "__main__":
    main()

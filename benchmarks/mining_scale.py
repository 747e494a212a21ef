"""What mining and grading cost a problem with an engine that answers at once: time, and memory in a process of its own.

python benchmarks/mining_scale.py 100000        # what benchmarks/mining.py runs for its part `scale`
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.grading import build_grading
from selfimprove.graphs.mining import MiningTotals, build_mining, mining_place
from selfimprove.graphs.studio import studio_crew
from selfimprove.graphs.wiring import STEPS, seldom_collected
from selfimprove.programs import program_for
from selfimprove.records import Completion, Problem, Request, digest
from selfimprove.steps.mine import MiningRule
from selfimprove.tasks.arithmetic import Arithmetic

RULE, MAX_TOKENS = MiningRule(), 96


def bench_crew(out: Path, task: Any, student: Any, window: int = 2000) -> Crew:
    """A crew for mining alone, as `selfimprove mine` has it."""
    mine_ = {"samples": RULE.samples, "most": RULE.most, "longer": 2.0, "window": window}
    plain = studio_crew("bench", out, {"mine": mine_, "student": {"max_tokens": MAX_TOKENS}})
    programs = {**plain.programs, "solve": program_for("solve", task)}
    return Crew(**{**plain.__dict__, "task": task, "student": student, "programs": programs})


def mined(crew: Crew, source: Callable[[], Iterator[Problem]]) -> MiningTotals:
    """Mine a pool as the command does."""
    with seldom_collected():
        build_mining(crew, source).compile().invoke({"round": 1, "best": ""}, {"recursion_limit": STEPS})
    return crew.folder.record(f"{mining_place(1)}/totals.json", MiningTotals)


class Sums:
    """Any number of different problems without keeping one: the task of the scripted engine."""

    name, instruction = "sums", "End with: Answer: NUMBER"
    _plain = Arithmetic()
    parse, compare, conclude = _plain.parse, _plain.compare, _plain.conclude

    def __init__(self, count: int) -> None:
        self.count = count

    def problems(self, split: str) -> Iterator[Problem]:
        """Sums of four numbers, the same each time."""
        rng = Random(f"sums {split}")
        for number in range(self.count):
            terms = [number, *(rng.randrange(1, 99) for _ in range(3))]
            asked = f"What is {' + '.join(map(str, terms))}?"
            labels = {"kind": ("sum", "story")[number % 2], "level": str(number % 6)}
            yield Problem.of(asked, str(sum(terms)), labels=labels)


@dataclass
class Scripted:
    """An engine that answers at once: each problem is solved with a chance of its own; its own time is known."""

    seconds: float = 0.0
    identity: str = "scripted"

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer each request from the numbers in it."""
        started = time.perf_counter()
        made = [self._one(request) for request in requests]
        self.seconds += time.perf_counter() - started
        return made

    def with_adapter(self, _: Path | None) -> Scripted:
        """There is none."""
        return self

    def _one(self, request: Request) -> Completion:
        terms = re.findall(r"\d+", request.messages[-1].content.partition("What is ")[2])
        chance = int(request.problem[:4], 16) / 16**4
        right = int(digest(request.problem, request.sample)[:6], 16) / 16**6 < chance
        said = f"{' + '.join(terms)} = {sum(map(int, terms)) + (not right)}"
        return Completion(
            text=f"{said}\nAnswer: {sum(map(int, terms)) + (not right)}",
            completion_tokens=20,
            mean_logprob=chance - 1,
            sampling=request.sampling,
            sample=request.sample,
            model=self.identity,
        )


def scale_of(count: int) -> dict[str, float]:
    """Mine and grade so many problems in this process: seconds, the engine's own, and memory in MiB."""
    before = peak_mib()
    with tempfile.TemporaryDirectory() as folder:
        task, engine = Sums(count), Scripted()
        crew = bench_crew(Path(folder) / "run", task, engine)
        started = time.perf_counter()
        totals = mined(crew, lambda: task.problems("train"))
        after_mining = time.perf_counter()
        with seldom_collected():
            build_grading(crew).compile().invoke({"round": 1, "best": ""}, {"recursion_limit": STEPS})
        ended = time.perf_counter()
        crew.ledger.close()
        crew.folder.close()
    return {
        "problems": totals.problems,
        "samples": totals.samples,
        "mine_s": after_mining - started,
        "grade_s": ended - after_mining,
        "engine_s": engine.seconds,
        "start_mib": before,
        "peak_mib": peak_mib(),
    }


def peak_mib() -> float:
    """Most memory that this process has held, in MiB; the system's own count takes in what its parent had held."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    return int(found[1]) / 2**10 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    print(json.dumps(scale_of(int(sys.argv[1]))))

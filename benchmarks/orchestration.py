"""What do the graphs, records, files and the ledger cost, beside an engine that answers at once?

A scripted student and teacher walk one round; the time of the student and the teacher themselves is taken off.

make bench-orchestration    key: us_per_item_stage (microseconds an item a stage; goal 50)
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.lesson import build_lesson
from selfimprove.graphs.studio import studio_crew
from selfimprove.graphs.wiring import seldom_collected
from selfimprove.records import Answer, Completion, Problem, Question, Rationale, Request
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import FixedTeacher, ScriptedStudent

ITEMS = 2_000 if os.environ.get("QUICK") else 10_000
STAGES = ("draft", "ask", "answer", "rewrite", "reason")


@dataclass
class Clock:
    """Adds up the time that is spent inside the fakes."""

    seconds: float = 0.0

    def timed(self, work: Callable[..., Any], *given: Any) -> Any:
        """Do it, on the clock."""
        started = time.perf_counter()
        try:
            return work(*given)
        finally:
            self.seconds += time.perf_counter() - started


@dataclass
class TimedStudent:
    """A student whose own time is known."""

    inner: ScriptedStudent
    clock: Clock

    @property
    def identity(self) -> str:
        """The inner one's."""
        return self.inner.identity

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer on the clock."""
        return list(self.clock.timed(self.inner.complete, requests))

    def with_adapter(self, path: Path | None) -> TimedStudent:
        """Keep the clock."""
        return TimedStudent(self.inner.with_adapter(path), self.clock)


@dataclass
class TimedTeacher:
    """A teacher whose own time is known."""

    inner: FixedTeacher
    clock: Clock

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Answer on the clock."""
        return list(self.clock.timed(self.inner.answer, asked))

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Reason on the clock."""
        return list(self.clock.timed(self.inner.reason, problems, samples))


def main() -> None:
    """Print the table and the line of JSON."""
    out = Path(tempfile.mkdtemp())
    clock = Clock()
    plain = studio_crew("bench", out / "run")
    task = Arithmetic(levels=(3, 4, 5, 6), sizes={"train": ITEMS})
    student = TimedStudent(ScriptedStudent(task, skill=0.0), clock)
    teacher = TimedTeacher(FixedTeacher(task), clock)
    crew = Crew(**{**plain.__dict__, "task": task, "student": student, "teacher_for": lambda _model, _round: teacher})
    crew.folder.write_rows("cohort/problems.jsonl", task.problems("train"))
    started = time.perf_counter()
    with seldom_collected():  # as in every campaign
        build_lesson(crew).compile().invoke({"round": 1, "adapter": "", "cohort": "cohort"})
    wall = time.perf_counter() - started
    spans = {name: crew.ledger.seconds(name) for name in STAGES}
    each = 1e6 * (wall - clock.seconds) / (ITEMS * len(STAGES))
    for name, seconds in spans.items():
        print(f"{name:<10}{1e6 * seconds / ITEMS:8.0f} us an item in the step, the fakes counted in")
    print(f"{ITEMS} items, {len(STAGES)} stages: {wall:.1f} s, of which the fakes took {clock.seconds:.1f} s")
    shutil.rmtree(out)
    print(json.dumps({"us_per_item_stage": round(each, 1)}))


if __name__ == "__main__":
    main()

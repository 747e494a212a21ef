"""What benches share: a student that is taught worked solutions, outside a campaign."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from selfimprove.programs import program_for, stated
from selfimprove.records import Adapter, Problem, TrackRow, TrainingJob, digest
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.trainers.process import ProcessTrainer


def rows_file(path: Path, rows: Sequence[Any]) -> str:
    """Write records as JSON lines, and give the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(row.model_dump_json() + "\n" for row in rows), encoding="utf-8")
    return str(path)


def worked_rows(problems: Sequence[Problem], task: Arithmetic) -> list[TrackRow]:
    """Give the rows of worked solutions."""
    return [
        TrackRow(
            id=digest(problem.id),
            track="track_b",
            program="solve",
            inputs={"problem": stated(problem)},
            target=task.conclude(problem.rationale, problem.answer),
            answer=problem.answer,
            problem=problem.id,
            source="reference",
            round=1,
        )
        for problem in problems
    ]


def taught(
    student: Any,
    problems: Sequence[Problem],
    task: Arithmetic,
    place: Path,
    settings: Mapping[str, object],
    *,
    start: Path | None = None,
    tokens: int = 0,
    seed: int = 0,
) -> Adapter:
    """Teach a student worked solutions, or give the adapter that is there.

    Args:
        student: with a `folder` of weights, and `unload`.
        problems: with rationales.
        task: writes their solutions.
        place: where `rows.jsonl` and `adapter` come to lie.
        settings: TRL's.
        start: adapter to go on from; None: a new one.
        tokens: trained tokens; 0: by epochs.
        seed: decides the order of rows.
    """
    program, rows = program_for("solve", task), worked_rows(problems, task)
    student.unload()
    job = TrainingJob(
        model=str(student.folder),
        start=str(start.resolve()) if start else "",
        rows=rows_file(place / "rows.jsonl", rows),
        out=str(place / "adapter"),
        program_state={"solve": program.dump()},
        settings={"sft": settings},
        trained_tokens=tokens,
        seed=seed,
    )
    return ProcessTrainer().train(job)


def claim(place: Path, settings: object) -> None:
    """Keep a folder's cells to one way of making them: other settings are refused, not mixed in."""
    told = digest(settings)
    found = place.read_text(encoding="utf-8") if place.is_file() else "" if any(place.parent.glob("seed-*")) else told
    if found != told:
        sys.exit(f"{place.parent} holds cells of another student or of other settings; move it, or set OUT")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(told, encoding="utf-8")

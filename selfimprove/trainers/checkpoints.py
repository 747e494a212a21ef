"""Checkpoints of a training: killed and gone on with, it ends in the same bytes as one that was not (on a CPU).

They lie beside the adapter that is being made, belong to one job, and go when it is done. One that was cut off while it
was written has no mark and is not used.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from selfimprove.records import TrainingJob
from selfimprove.trainers.preflight import note

MARK: Final = "whole.json"
_JOB: Final = "job.json"


def checkpoints_of(job: TrainingJob) -> Path:
    """Say where a job's checkpoints lie."""
    out = Path(job.out)
    return out.with_name(f"{out.name}.checkpoints")


def own_only(job: TrainingJob) -> None:
    """Remove the checkpoints of any other job, and say whose those to come are."""
    place, mine = checkpoints_of(job), job.model_dump_json()
    if place.is_dir() and (not (place / _JOB).is_file() or (place / _JOB).read_text() != mine):
        shutil.rmtree(place)
    place.mkdir(parents=True, exist_ok=True)
    (place / _JOB).write_text(mine)


def last_whole(job: TrainingJob) -> str | None:
    """Give the newest checkpoint that was written to its end; None where there is none."""
    whole = [mark.parent for mark in checkpoints_of(job).glob(f"checkpoint-*/{MARK}")]
    newest = max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    if newest is not None:
        note(f"goes on from step {newest.name.rpartition('-')[2]}")
    return str(newest) if newest is not None else None

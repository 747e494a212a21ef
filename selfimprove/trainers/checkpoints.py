"""Checkpoints of a training: killed and gone on with, it ends in the same bytes as one that was not (on a CPU).

They lie beside the adapter that is being made, belong to one job, and go when it is done. One that was cut off while it
was written has no mark and is not used.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from selfimprove.records import TrainingJob
from selfimprove.trainers.preflight import note

MARK: Final = "whole.json"
_JOB: Final = "job.json"
_BATCHES: Final = {"per_device_train_batch_size", "gradient_accumulation_steps", "steps_per_generation"}


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


def halved_before(job: TrainingJob) -> TrainingJob | None:
    """Give the job that checkpoints were left by, where that is this one with smaller batches and more of them.

    A training that ran out of memory is tried with those; killed then, it goes on so.
    """
    try:
        left = TrainingJob.model_validate_json((checkpoints_of(job) / _JOB).read_bytes())
    except (OSError, ValidationError):
        return None
    return left if _but_for_batches(left) == _but_for_batches(job) and _whole(job) else None


def _but_for_batches(job: TrainingJob) -> TrainingJob:
    given: Any = job.settings.get(job.method) or {}
    rest = {key: value for key, value in given.items() if key not in _BATCHES}
    return job.model_copy(update={"settings": {**job.settings, job.method: rest}})


def _whole(job: TrainingJob) -> list[Path]:
    return [mark.parent for mark in checkpoints_of(job).glob(f"checkpoint-*/{MARK}")]


def last_whole(job: TrainingJob) -> str | None:
    """Give the newest checkpoint that was written to its end; None where there is none."""
    newest = max(_whole(job), key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    if newest is not None:
        note(f"goes on from step {newest.name.rpartition('-')[2]}")
    return str(newest) if newest is not None else None

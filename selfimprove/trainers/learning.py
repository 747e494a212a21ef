"""What the trainers have in common that learn from rows as they are: sft, dpo, kto."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from selfimprove.records import TrainingJob
from selfimprove.trainers.arguments import within_budget
from selfimprove.trainers.loading import gone_over, load, save, write_outcome
from selfimprove.trainers.logfile import LogFile
from selfimprove.trainers.pace import Pace
from selfimprove.trainers.resuming import run

T = TypeVar("T")


def learn(
    job_file: str,
    folder: str,
    read: Callable[[TrainingJob, Any], Sequence[T]],
    made: Callable[..., Any],
    *,
    trained: Callable[[T], int],
    seen: Callable[[T], int],
) -> None:
    """Train as a job says, and write the adapter with its metrics.

    Args:
        job_file: the job.
        folder: that is written into.
        read: renders its rows, from the job and a tokenizer.
        made: gives TRL's trainer, from job, tokenizer, model and rows.
        trained: tokens of a row that carry loss.
        seen: tokens of it that are processed.
    """
    job = TrainingJob.model_validate_json(Path(job_file).read_bytes())
    tokenizer, model = load(job)
    rows = read(job, tokenizer)
    trainer = made(job, tokenizer, model, rows)
    within_budget(trainer, job)
    carried, read_in_all = sum(map(trained, rows)), sum(map(seen, rows))
    trainer.add_callback(Pace(lambda: gone_over(trainer, read_in_all)))
    trainer.add_callback(LogFile(Path(folder)))
    outcome = run(trainer, job)
    save(trainer, folder)
    counts = {"trained": gone_over(trainer, carried), "seen": gone_over(trainer, read_in_all)}
    write_outcome(Path(folder), job, trainer, outcome, rows=len(rows), **counts)

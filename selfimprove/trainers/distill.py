"""On-policy distillation of an adapter from a larger local model over TRL (arXiv:2306.13649), as a process of its own.

Started as `python -m selfimprove.trainers.distill JOB.json FOLDER`; rows are `PracticeRow`s, of which only the problems
count. The student writes, by our own engine, and learns the teacher's distribution over each of its tokens. Writes what
`trainers.sft` writes; tokens that carry loss are those generated.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trl import DistillationConfig, DistillationTrainer

from selfimprove.records import TrainingJob
from selfimprove.students.fetch import fetch
from selfimprove.trainers.arguments import arguments
from selfimprove.trainers.defaults import given
from selfimprove.trainers.loading import load
from selfimprove.trainers.practising import STEPS_AT_MOST, Generated, begun_to_try, looked_over, practise
from selfimprove.trainers.precision import FullSteps
from selfimprove.trainers.preflight import programs_of
from selfimprove.trainers.resuming import Resumes
from selfimprove.trainers.vocabulary import check_vocabulary


class EngineTrainer(Generated, Resumes, FullSteps, DistillationTrainer):
    """TRL's trainer over our engine, in the place of its own way to generate."""


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    practise(job_file, folder, _trainer)


def _trainer(job: TrainingJob) -> Any:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM

    settings = given(job)
    named = str(settings.pop("teacher"))
    place = fetch(named)
    check_vocabulary(Path(job.model), place, named)
    tokenizer, model = load(job)
    teacher = AutoModelForCausalLM.from_pretrained(place, dtype=model.dtype)
    coach, model, new = begun_to_try(job, settings, tokenizer, model, programs_of(job, tokenizer), group=1)
    count = len(coach.rows)
    settings |= within(settings, count)
    epochs = STEPS_AT_MOST if job.trained_tokens else settings["num_train_epochs"]
    made = EngineTrainer(
        model=model,
        teacher_model=teacher,
        args=arguments(DistillationConfig, job, settings, num_train_epochs=epochs),
        train_dataset=Dataset.from_list([{"prompt": str(at)} for at in range(count)]),
        processing_class=tokenizer,
        peft_config=new,
    )
    return looked_over(made, job, coach)


def within(settings: Mapping[str, Any], count: int) -> dict[str, int]:
    """Give a batch and an accumulation that so many rows fill, as TRL leaves out what is less than a step.

    >>> within({"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2}, 10)
    {'per_device_train_batch_size': 5, 'gradient_accumulation_steps': 2}
    """
    steps = min(int(settings.get("gradient_accumulation_steps", 1)), count)
    size = min(int(settings["per_device_train_batch_size"]), count // steps)
    return {"per_device_train_batch_size": size, "gradient_accumulation_steps": steps}


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Supervised fine-tuning of an adapter over TRL, as a process of its own.

Started as `python -m selfimprove.trainers.sft JOB.json FOLDER`; writes the adapter, `metrics.json` and
`training.jsonl` (loss, gradient norm, tokens) into FOLDER. Rows are rendered by the programs saved in the job, which
are the ones that evaluation runs.
"""

from __future__ import annotations

import sys
from typing import Any

from trl import SFTConfig, SFTTrainer

from selfimprove.records import TrackRow, TrainingJob
from selfimprove.render import TrainingExample, training_example
from selfimprove.trainers.arguments import arguments
from selfimprove.trainers.completion_head import CompletionHead
from selfimprove.trainers.defaults import given
from selfimprove.trainers.learning import learn
from selfimprove.trainers.loading import begun, enough, rows_of, watched
from selfimprove.trainers.precision import FullSteps
from selfimprove.trainers.preflight import check_loss, check_room, fitting, programs_of, show, try_longest
from selfimprove.trainers.resuming import Resumes


class RowTrainer(CompletionHead, Resumes, FullSteps, SFTTrainer):
    """TRL's trainer."""


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    learn(job_file, folder, job_examples, _trainer, trained=loss_tokens, seen=lambda example: len(example.ids))


def job_examples(job: TrainingJob, tokenizer: Any) -> list[TrainingExample]:
    """Render the job's rows, in training order; with `trained_tokens`, as many as carry so many, see `walked`.

    Raises:
        InputError: no row is left within the length limit.
    """
    programs = programs_of(job, tokenizer)
    made = [
        training_example(tokenizer, programs[row.program].messages(row.inputs), row.target)
        for row in rows_of(job, TrackRow)
    ]
    settings = given(job)
    kept = fitting(job, made, lambda example: len(example.ids), int(settings["max_length"]))
    sizes = [loss_tokens(example) for example in kept]
    check_loss(job, sizes)
    return enough(job, kept, sizes, in_order=settings["train_sampling_strategy"] == "sequential")


def loss_tokens(example: TrainingExample) -> int:
    """Count the tokens that carry loss."""
    return len(example.ids) - example.prompt_length


def _trainer(job: TrainingJob, tokenizer: Any, model: Any, examples: list[TrainingExample]) -> Any:
    from datasets import Dataset

    model, new = begun(model, job)
    show(tokenizer, examples[0].ids, examples[0].prompt_length)
    data = Dataset.from_list(
        [{"input_ids": e.ids, "completion_mask": [0] * e.prompt_length + [1] * loss_tokens(e)} for e in examples]
    )
    made = RowTrainer(
        model=model,
        args=arguments(SFTConfig, job, given(job), completion_only_loss=True),
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=new,
    )
    check_room(job, made.model)
    try_longest(made, [len(ids) for ids in made.train_dataset["input_ids"]])  # which may be packed
    watched(made, job)
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])

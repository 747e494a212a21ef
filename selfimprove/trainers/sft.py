"""Supervised fine-tuning of an adapter over TRL, as a process of its own.

Started as `python -m selfimprove.trainers.sft JOB.json FOLDER`; writes the adapter, `metrics.json` and
`training.jsonl` (loss, gradient norm, tokens) into FOLDER. Rows are rendered by the programs saved in the job, which
are the ones that evaluation runs.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import InputError
from selfimprove.programs import Program
from selfimprove.records import TrackRow, TrainingJob
from selfimprove.render import TrainingExample, training_example
from selfimprove.trainers.lifeline import die_with_parent
from selfimprove.trainers.loading import begun, given, load, owned, walked, write_outcome

SFT_DEFAULTS: Final = {
    "learning_rate": 2e-4,
    "num_train_epochs": 1.0,
    "per_device_train_batch_size": 16,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.05,
    "max_length": 1024,
    "logging_steps": 5,
    "train_sampling_strategy": "group_by_length",
}


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    die_with_parent()
    job = TrainingJob.model_validate_json(Path(job_file).read_bytes())
    tokenizer, model = load(job)
    examples = job_examples(job, tokenizer)
    trainer = _trainer(job, Path(folder), tokenizer, model, examples)
    outcome = trainer.train()
    trainer.model.save_pretrained(folder)  # the trainer's own way would add a pickle of its arguments
    trained, seen = sum(map(loss_tokens, examples)), sum(len(e.ids) for e in examples)
    write_outcome(Path(folder), job, trainer, outcome, rows=len(examples), trained=trained, seen=seen)


def job_examples(job: TrainingJob, tokenizer: Any) -> list[TrainingExample]:
    """Render the job's rows, in training order; with `trained_tokens`, as many as carry so many, see `walked`.

    Raises:
        InputError: no row is left within the length limit.
    """
    programs = {name: Program.load(state) for name, state in job.program_state.items()}
    rows = [TrackRow.model_validate_json(line) for line in Path(job.rows).read_text("utf-8").splitlines()]
    made = [training_example(tokenizer, programs[row.program].messages(row.inputs), row.target) for row in rows]
    settings = given(job, "sft", SFT_DEFAULTS)
    limit = int(settings["max_length"])
    fitting = [example for example in made if len(example.ids) <= limit]
    if not fitting:
        raise InputError(
            f"{job.rows}: none of its {len(rows)} rows fits max_length = {limit}; raise train.sft.max_length"
        )
    if not job.trained_tokens:
        return fitting
    in_order = settings["train_sampling_strategy"] == "sequential"
    sizes = [loss_tokens(example) for example in fitting]
    return [fitting[at] for at in walked(sizes, job.trained_tokens, job.seed, in_order=in_order)]


def loss_tokens(example: TrainingExample) -> int:
    """Count the tokens that carry loss."""
    return len(example.ids) - example.prompt_length


def _trainer(job: TrainingJob, folder: Path, tokenizer: Any, model: Any, examples: list[TrainingExample]) -> Any:
    from datasets import Dataset
    from trl import SFTConfig

    from selfimprove.trainers.completion_loss import CompletionLossTrainer
    from selfimprove.trainers.precision import Teller

    model, new = begun(model, job)
    data = Dataset.from_list(
        [{"input_ids": e.ids, "completion_mask": [0] * e.prompt_length + [1] * loss_tokens(e)} for e in examples]
    )
    made = CompletionLossTrainer(
        model=model,
        args=SFTConfig(completion_only_loss=True, **owned(job, folder, given(job, "sft", SFT_DEFAULTS))),
        train_dataset=data,
        processing_class=tokenizer,
        peft_config=new,
    )
    made.add_callback(Teller())
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])

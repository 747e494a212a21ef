"""Kahneman-Tversky optimisation of an adapter over TRL (arXiv:2402.01306), as a process of its own.

Started as `python -m selfimprove.trainers.kto JOB.json FOLDER`; rows are `VerdictRow`s, the student's own completions
with what they were: nothing has to be paired. What training goes on from is the reference. Writes what `trainers.sft`
writes; tokens that carry loss are those of the completions.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from trl import KTOConfig, KTOTrainer

from selfimprove.records import TrainingJob, VerdictRow
from selfimprove.render import training_example
from selfimprove.trainers.arguments import arguments
from selfimprove.trainers.completion_head import CompletionHead
from selfimprove.trainers.defaults import given
from selfimprove.trainers.learning import learn
from selfimprove.trainers.loading import begun, check_reference, enough, rows_of, watched
from selfimprove.trainers.precision import FullSteps
from selfimprove.trainers.preflight import check_loss, check_room, fitting, programs_of, show, try_longest
from selfimprove.trainers.resuming import Resumes


class Judged(NamedTuple):
    """Token ids of a prompt and of a reply, and whether that was right."""

    prompt: list[int]
    reply: list[int]
    right: bool


class VerdictTrainer(CompletionHead, Resumes, FullSteps, KTOTrainer):
    """TRL's trainer on rows that are token ids already: the prompts are those of evaluation."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    learn(
        job_file,
        folder,
        job_rows,
        _trainer,
        trained=lambda row: len(row.reply),
        seen=lambda row: len(row.prompt) + len(row.reply),
    )


def job_rows(job: TrainingJob, tokenizer: Any) -> list[Judged]:
    """Render the job's rows, in training order; with `trained_tokens`, as many as carry so many, see `walked`.

    Raises:
        InputError: no row is left within the length limit.
    """
    programs = programs_of(job, tokenizer)
    made = []
    for row in rows_of(job, VerdictRow):
        one = training_example(tokenizer, programs[row.program].messages(row.inputs), row.text)
        made.append(Judged(one.ids[: one.prompt_length], one.ids[one.prompt_length :], row.right))
    limit = int(given(job)["max_length"])
    kept = fitting(job, made, lambda one: len(one.prompt) + len(one.reply), limit)
    check_loss(job, [len(one.reply) for one in kept])
    budget = job.trained_tokens or sum(len(one.reply) for one in kept)
    return enough(job.model_copy(update={"trained_tokens": budget}), kept, [len(one.reply) for one in kept])


def with_strangers(rows: list[Judged], size: int) -> list[dict[str, Any]]:
    """Give the rows with the reply of the row before in their batch, by which TRL estimates the divergence.

    One that is left over in the last batch gets the reply of the row before that.

    >>> rows = [Judged([1], [10], True), Judged([2], [20], False), Judged([3], [30], True), Judged([4], [40], True)]
    >>> [row["KL_completion_ids"] for row in with_strangers(rows, 2)]
    [[20], [10], [40], [30]]
    >>> [row["KL_completion_ids"] for row in with_strangers(rows[:3], 2)]
    [[20], [10], [20]]
    """
    found = []
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        for at, row in enumerate(batch):
            stranger = (batch[at - 1] if len(batch) > 1 else rows[start - 1]).reply
            found.append(
                {
                    "prompt_ids": row.prompt,
                    "completion_ids": row.reply,
                    "KL_completion_ids": stranger,
                    "label": row.right,
                }
            )
    return found


def _trainer(job: TrainingJob, tokenizer: Any, model: Any, rows: list[Judged]) -> Any:
    from datasets import Dataset

    model, new = begun(model, job)
    show(tokenizer, [*rows[0].prompt, *rows[0].reply], len(rows[0].prompt))
    settings = given(job)
    right = sum(row.right for row in rows)
    wrong = len(rows) - right
    weighed = {"desirable_weight", "undesirable_weight"} & settings.keys()
    if not weighed and right and wrong:  # both sides weigh alike (equation 8 of the paper)
        settings |= {"desirable_weight": max(1.0, wrong / right), "undesirable_weight": max(1.0, right / wrong)}
    made = VerdictTrainer(
        model=model,
        args=arguments(KTOConfig, job, settings),
        train_dataset=Dataset.from_list(with_strangers(rows, int(settings["per_device_train_batch_size"]))),
        processing_class=tokenizer,
        peft_config=new,
    )
    check_reference(made.model, job)
    check_room(job, made.model)
    try_longest(made, [len(row.prompt) + len(row.reply) for row in rows])
    watched(made, job)
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Direct preference optimisation of an adapter over TRL (arXiv:2305.18290), as a process of its own.

Started as `python -m selfimprove.trainers.dpo JOB.json FOLDER`; rows are `PreferenceRow`s, rendered by the programs
saved in the job. What training goes on from is the reference: the supervised adapter, or the base. Writes what
`trainers.sft` writes; tokens that carry loss are those of both completions.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from trl import DPOTrainer

from selfimprove.programs import Program
from selfimprove.records import PreferenceRow, TrainingJob
from selfimprove.render import training_example
from selfimprove.trainers.arguments import arguments
from selfimprove.trainers.completion_head import CompletionHead
from selfimprove.trainers.defaults import given
from selfimprove.trainers.learning import learn
from selfimprove.trainers.loading import begun, check_reference, enough, rows_of, watched
from selfimprove.trainers.precision import FullSteps
from selfimprove.trainers.preflight import check_loss, check_room, fitting, programs_of, show, try_longest
from selfimprove.trainers.resuming import Resumes


class Pair(NamedTuple):
    """Token ids of a prompt and of two replies to it."""

    prompt: list[int]
    chosen: list[int]
    rejected: list[int]

    @property
    def replies(self) -> int:
        """Tokens that carry loss."""
        return len(self.chosen) + len(self.rejected)


class PairTrainer(CompletionHead, Resumes, FullSteps, DPOTrainer):
    """TRL's trainer on pairs that are token ids already: the prompts are those of evaluation."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    learn(
        job_file,
        folder,
        job_pairs,
        _trainer,
        trained=lambda pair: pair.replies,
        seen=lambda pair: 2 * len(pair.prompt) + pair.replies,
    )


def job_pairs(job: TrainingJob, tokenizer: Any) -> list[Pair]:
    """Render the job's pairs, in training order; with `trained_tokens`, as many as carry so many, see `walked`.

    Raises:
        InputError: no pair is left within the length limit.
    """
    programs = programs_of(job, tokenizer)
    limit = int(given(job)["max_length"])
    made = [_pair(tokenizer, programs[row.program], row) for row in rows_of(job, PreferenceRow)]
    kept = fitting(job, made, lambda one: len(one.prompt) + max(len(one.chosen), len(one.rejected)), limit)
    check_loss(job, [min(len(one.chosen), len(one.rejected)) for one in kept])
    return enough(job, kept, [one.replies for one in kept])


def _pair(tokenizer: Any, program: Program, row: PreferenceRow) -> Pair:
    messages = program.messages(row.inputs)
    right, wrong = (training_example(tokenizer, messages, text) for text in (row.chosen, row.rejected))
    head = right.prompt_length
    return Pair(right.ids[:head], right.ids[head:], wrong.ids[wrong.prompt_length :])


def _trainer(job: TrainingJob, tokenizer: Any, model: Any, pairs: list[Pair]) -> Any:
    from datasets import Dataset
    from trl import DPOConfig

    model, new = begun(model, job)
    show(tokenizer, [*pairs[0].prompt, *pairs[0].chosen], len(pairs[0].prompt))
    data = [{"prompt_ids": p.prompt, "chosen_ids": p.chosen, "rejected_ids": p.rejected} for p in pairs]
    made = PairTrainer(
        model=model,
        args=arguments(DPOConfig, job, given(job)),
        train_dataset=Dataset.from_list(data),
        processing_class=tokenizer,
        peft_config=new,
    )
    check_reference(made.model, job)
    check_room(job, made.model)
    try_longest(made, [len(p.prompt) + max(len(p.chosen), len(p.rejected)) for p in pairs])
    watched(made, job)
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])

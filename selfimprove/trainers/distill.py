"""On-policy distillation of an adapter from a larger local model over TRL (arXiv:2306.13649), as a process of its own.

Started as `python -m selfimprove.trainers.distill JOB.json FOLDER`; rows are `PracticeRow`s, of which only the problems
count. The student writes, by our own engine, and learns the teacher's distribution over each of its tokens. Writes what
`trainers.sft` writes; tokens that carry loss are those generated.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from trl import DistillationConfig, DistillationTrainer

from selfimprove.errors import InputError
from selfimprove.records import PracticeRow, TrainingJob
from selfimprove.render import prompt_ids
from selfimprove.students.fetch import fetch
from selfimprove.students.resident import ends_of
from selfimprove.trainers.coach import Coach, Enough, task_of
from selfimprove.trainers.defaults import given
from selfimprove.trainers.lifeline import die_with_parent
from selfimprove.trainers.loading import arguments, begun, load, rows_of, save, watched, write_outcome
from selfimprove.trainers.logfile import LogFile
from selfimprove.trainers.pace import Pace
from selfimprove.trainers.practice import PassRates
from selfimprove.trainers.practising import STEPS_AT_MOST, Generated, copied
from selfimprove.trainers.precision import FullSteps
from selfimprove.trainers.preflight import programs_of, see_room, show, try_longest_tries, within_reach
from selfimprove.trainers.resuming import Resumes, run
from selfimprove.trainers.rollouts import Sampler, see_taken_over
from selfimprove.trainers.vocabulary import same_words


class EngineTrainer(Generated, Resumes, FullSteps, DistillationTrainer):
    """TRL's trainer over our engine, in the place of its own way to generate."""


def main(job_file: str, folder: str) -> None:
    """Train as the job says."""
    die_with_parent()
    job = TrainingJob.model_validate_json(Path(job_file).read_bytes())
    trainer = _trainer(job)
    trainer.add_callback(Pace(lambda: trainer.coach.seen))
    trainer.add_callback(LogFile(Path(folder)))
    outcome = run(trainer, job, trainer.coach)
    save(trainer, folder)
    coach = trainer.coach
    write_outcome(Path(folder), job, trainer, outcome, rows=len(coach.rows), trained=coach.tokens, seen=coach.seen)


def _trainer(job: TrainingJob) -> Any:
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    settings = given(job)
    named = str(settings.pop("teacher"))
    tokenizer, model = load(job)
    place = fetch(named)
    same_words(tokenizer, AutoTokenizer.from_pretrained(place), named)
    teacher = AutoModelForCausalLM.from_pretrained(place, dtype=model.dtype)
    sizes = [each.config.get_text_config().vocab_size for each in (model, teacher)]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"train.distill.teacher = {named} has {sizes[1]:,} rows of tokens and the student {sizes[0]:,}"
        )
    copy = copied(model, settings)
    model, new = begun(model, job)
    rows = rows_of(job, PracticeRow)
    programs = programs_of(job, tokenizer)
    prompts = [prompt_ids(tokenizer, programs[row.program].messages(row.inputs)) for row in rows]
    limit = int(settings["max_completion_length"])
    rows, prompts = within_reach(job, rows, prompts, model, limit)
    show(tokenizer, prompts[0], len(prompts[0]))
    settings["per_device_train_batch_size"] = min(int(settings["per_device_train_batch_size"]), len(rows))
    sampler = Sampler(model, copy, tokenizer, ends_of(tokenizer, Path(job.model)), seed=job.seed)
    how = {"temperature": float(settings["temperature"]), "top_p": float(settings.get("top_p", 1.0))}
    rates = PassRates([r.passed for r in rows], [r.failed for r in rows], group=1)
    coach = Coach(rows, prompts, task_of(job), sampler, rates, limit, how)
    epochs = STEPS_AT_MOST if job.trained_tokens else settings["num_train_epochs"]
    args = arguments(DistillationConfig, job, settings, num_train_epochs=epochs)
    made = EngineTrainer(
        model=model,
        teacher_model=teacher,
        args=args,
        train_dataset=Dataset.from_list([{"prompt": str(at)} for at in range(len(rows))]),
        processing_class=tokenizer,
        peft_config=new,
    )
    made.coach = coach
    see_room(job, made.model)
    sampler.model, sampler.copy = made.model, copy.to(args.device) if copy is not None else None
    see_taken_over(made.model, copy)
    try_longest_tries(made, max(map(len, prompts)), limit)
    watched(made, job)
    made.add_callback(Enough(coach, job.trained_tokens))
    return made


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What the trainers have in common whose student learns from its own tries, as it makes them: grpo, rloo, distill."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import InputError
from selfimprove.records import PracticeRow, TrainingJob
from selfimprove.render import prompt_ids
from selfimprove.students.resident import ends_of
from selfimprove.trainers.coach import Coach, Enough, task_of
from selfimprove.trainers.defaults import given
from selfimprove.trainers.lifeline import die_with_parent
from selfimprove.trainers.line import Caller
from selfimprove.trainers.loading import (
    arguments,
    begun,
    load,
    rows_of,
    save,
    see_reference,
    watched,
    write_outcome,
)
from selfimprove.trainers.logfile import LogFile
from selfimprove.trainers.pace import Pace
from selfimprove.trainers.practice import PassRates, Practice
from selfimprove.trainers.preflight import programs_of, see_room, show, try_longest_tries, within_reach
from selfimprove.trainers.resuming import run
from selfimprove.trainers.rewards import DEFAULT, scorer_for, weighted
from selfimprove.trainers.rollouts import Sampler, see_taken_over
from selfimprove.trainers.worth import MOST_QUESTIONS, Worth

STEPS_AT_MOST: Final = 10_000


class Practised:
    """Before a trainer of TRL's in the bases: its problems are drawn by `Practice`."""

    practice: Practice

    def _get_train_sampler(self, dataset: Any = None) -> Any:
        del dataset
        return self.practice


class Generated:
    """Before a trainer of TRL's in the bases: prompts are ours, token by token, and so is what generates.

    With `use_vllm` vLLM generates as TRL has it do, and the coach reads what came.
    """

    coach: Coach
    args: Any
    _asked: Sequence[str] = ()

    def _tokenize_prompts(self, prompts: Sequence[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        self._asked = list(prompts)
        return [self.coach.prompts[int(prompt)] for prompt in prompts], None, {}

    def _generate_single_turn(self, *given: Any, **how: Any) -> Any:
        if not self.args.use_vllm:
            return self.coach.rollout(self._asked, self)["completion_ids"]
        parent: Any = super()
        made = parent._generate_single_turn(*given, **how)  # noqa: SLF001 - its own base
        self.coach.take(self._asked, made[0] if isinstance(made, tuple) else made)  # grpo gives log-probabilities too
        return made


def practise(
    job_file: str,
    folder: str,
    config: Any,
    made: Callable[..., Any],
) -> None:
    """Train as a job says.

    Args:
        job_file: the job.
        folder: that is written into.
        config: TRL's class of settings.
        made: gives the trainer, from a coach and TRL's arguments.
    """
    die_with_parent()
    job = TrainingJob.model_validate_json(Path(job_file).read_bytes())
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(f"{job.method} runs in one process: its problems are drawn by what all tries so far came to")
    trainer, coach = _trainer(job, given(job), config, made)
    trainer.add_callback(Pace(lambda: coach.seen))
    trainer.add_callback(LogFile(Path(folder)))
    outcome = run(trainer, job, coach, trainer.practice)
    save(trainer, folder)
    counts = {"rows": len(coach.rows), "trained": coach.tokens, "seen": coach.seen}
    write_outcome(Path(folder), job, trainer, outcome, **counts, informative=coach.rates.share)


def copied(model: Any, settings: Mapping[str, Any]) -> Any:
    """Give the copy of the base that our engine generates with; None where vLLM does."""
    if settings.get("use_vllm"):
        return None
    copy = deepcopy(model)
    copy.set_attn_implementation("sdpa")
    return copy


def _trainer(job: TrainingJob, settings: dict[str, Any], config: Any, made: Callable[..., Any]) -> tuple[Any, Coach]:
    from datasets import Dataset

    weights: Mapping[str, float] = settings.pop("rewards", DEFAULT)
    named: str = settings.pop("scorer", "")
    most = int(settings.pop("most_questions", MOST_QUESTIONS))
    tokenizer, model = load(job)
    copy = copied(model, settings)
    model, new = begun(model, job)
    rows = rows_of(job, PracticeRow)
    programs = programs_of(job, tokenizer)
    prompts = [prompt_ids(tokenizer, programs[row.program].messages(row.inputs)) for row in rows]
    limit, task = int(settings["max_completion_length"]), task_of(job)
    rows, prompts = within_reach(job, rows, prompts, model, limit)
    show(tokenizer, prompts[0], len(prompts[0]))
    rates = PassRates([r.passed for r in rows], [r.failed for r in rows], int(settings["num_generations"]))
    sampler = Sampler(model, copy, tokenizer, ends_of(tokenizer, Path(job.model)), seed=job.seed)
    how = {"temperature": float(settings["temperature"]), "top_p": float(settings.get("top_p", 1.0))}
    worth = None
    if weights.get("questions"):
        again = partial(sampler.generate, limit=limit, temperature=0.0)
        worth = Worth(Caller(), task, programs["rewrite"], tokenizer, again, most)
    drafting = programs.get("draft_and_ask")
    coach = Coach(rows, prompts, task, sampler, rates, limit, how, scorer_for(weights, named), drafting, worth)
    args = arguments(config, job, settings, reward_weights=[weights[name] for name in weighted(weights)])
    groups = args.generation_batch_size // args.num_generations
    if args.max_steps <= 0:
        most = max(1, round(float(settings["num_train_epochs"]) * len(rows) / groups))
        args.max_steps = STEPS_AT_MOST if job.trained_tokens else most
    trainer = made(
        coach,
        model=model,
        args=args,
        reward_funcs=[coach.reward(name, function) for name, function in weighted(weights).items()],
        train_dataset=Dataset.from_list([{"prompt": str(at)} for at in range(len(rows))]),
        processing_class=tokenizer,
        peft_config=new,
    )
    times = args.num_iterations * args.steps_per_generation
    trainer.practice = Practice(rates, groups, times, job.seed, length=args.max_steps * groups)
    see_reference(trainer.model, job)
    see_room(job, trainer.model)
    sampler.model, sampler.copy = trainer.model, copy.to(args.device) if copy is not None else None
    see_taken_over(trainer.model, copy)
    try_longest_tries(trainer, max(map(len, prompts)), limit)
    watched(trainer, job)
    trainer.add_callback(Enough(coach, job.trained_tokens))
    return trainer, coach

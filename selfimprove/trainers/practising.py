"""What the trainers have in common whose student learns from its own tries, as it makes them: grpo, rloo, distill."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final

from selfimprove.errors import InputError
from selfimprove.programs import Program
from selfimprove.records import PracticeRow, TrainingJob
from selfimprove.render import prompt_ids
from selfimprove.students.resident import ends_of
from selfimprove.trainers.arguments import arguments, cycle_of
from selfimprove.trainers.coach import Coach, Enough, task_of
from selfimprove.trainers.defaults import given
from selfimprove.trainers.line import Caller
from selfimprove.trainers.loading import begun, check_reference, load, rows_of, save, watched, write_outcome
from selfimprove.trainers.logfile import LogFile
from selfimprove.trainers.pace import Pace
from selfimprove.trainers.practice import PassRates, Practice
from selfimprove.trainers.preflight import check_room, programs_of, show, try_longest_tries, within_reach
from selfimprove.trainers.resuming import run
from selfimprove.trainers.rewards import DEFAULT, scorer_for, weighted
from selfimprove.trainers.rollouts import Sampler, check_taken_over, slots_of
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
    scored: ClassVar[bool] = False
    """Whether TRL's trainer wants log-probabilities beside completions; ours come without."""
    _asked: Sequence[str] = ()

    def _tokenize_prompts(self, prompts: Sequence[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        self._asked = list(prompts)
        return [self.coach.prompts[int(prompt)] for prompt in prompts], None, {}

    def _generate_single_turn(self, *given: Any, **how: Any) -> Any:
        if not self.args.use_vllm:
            written = self.coach.generate(self._asked)
            return (written, None) if self.scored else written
        parent: Any = super()
        made = parent._generate_single_turn(*given, **how)  # noqa: SLF001 - its own base
        self.coach.take(self._asked, made[0] if self.scored else made)
        return made


def practise(job_file: str, folder: str, made: Callable[[TrainingJob], Any]) -> None:
    """Train as a job says.

    Args:
        job_file: the job.
        folder: that is written into.
        made: gives the trainer, with its coach.
    """
    job = TrainingJob.model_validate_json(Path(job_file).read_bytes())
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(f"{job.method} runs in one process, which makes its tries and learns from them")
    trainer = made(job)
    coach, drawn = trainer.coach, isinstance(trainer, Practised)
    trainer.add_callback(Pace(lambda: coach.seen))
    trainer.add_callback(LogFile(Path(folder)))
    outcome = run(trainer, job, coach, *([trainer.practice] if drawn else []))
    save(trainer, folder)
    counts = {"rows": len(coach.rows), "trained": coach.tokens, "seen": coach.seen}
    write_outcome(Path(folder), job, trainer, outcome, **counts, informative=coach.rates.share if drawn else None)


def begun_to_try(
    job: TrainingJob,
    settings: Mapping[str, Any],
    tokenizer: Any,
    model: Any,
    programs: Mapping[str, Program],
    group: int,
) -> tuple[Coach, Any, Any]:
    """Give the coach of a job, with an engine that generates, and the model as `loading.begun` does.

    Args:
        job: what is trained.
        settings: of its method.
        tokenizer: the student's.
        model: the base.
        programs: that prompts are rendered by.
        group: tries that a problem gets at a time.
    """
    copy = None if settings.get("use_vllm") else deepcopy(model)  # which is generated with, where vLLM does not
    if copy is not None:
        copy.set_attn_implementation("sdpa")
    model, new = begun(model, job)
    rows = rows_of(job, PracticeRow)
    prompts = [prompt_ids(tokenizer, programs[row.program].messages(row.inputs)) for row in rows]
    limit = int(settings["max_completion_length"])
    rows, prompts = within_reach(job, rows, prompts, model, limit)
    show(tokenizer, prompts[0], len(prompts[0]))
    rates = PassRates([r.passed for r in rows], [r.failed for r in rows], group)
    sampler = Sampler(model, copy, tokenizer, ends_of(tokenizer, Path(job.model)), seed=job.seed)
    if copy is not None:
        sampler.slots = slots_of(copy, max(map(len, prompts)) + limit)
    how = {"temperature": float(settings["temperature"]), "top_p": float(settings.get("top_p", 1.0))}
    return Coach(rows, prompts, task_of(job), sampler, rates, limit, how), model, new


def looked_over(trainer: Any, job: TrainingJob, coach: Coach) -> Any:
    """Give a trainer its coach, and look at what can be looked at before it trains."""
    trainer.coach, sampler = coach, coach.sampler
    check_reference(trainer.model, job)
    check_room(job, trainer.model)
    sampler.model = trainer.model
    if sampler.copy is not None:
        sampler.copy.to(trainer.args.device)
    check_taken_over(trainer.model, sampler.copy)
    try_longest_tries(trainer, max(map(len, coach.prompts)), coach.limit)
    trainer.add_callback(Enough(coach, job.trained_tokens, cycle_of(trainer.args).steps))
    watched(trainer, job)  # behind what adds to the log that it looks at
    return trainer


def reinforced(job: TrainingJob, config: Any, kind: Any) -> Any:
    """Give a trainer that reinforces what is rewarded.

    Args:
        job: what is trained.
        config: TRL's class of settings.
        kind: the trainer's class.
    """
    from datasets import Dataset

    settings = given(job)
    weights: Mapping[str, float] = settings.pop("rewards", DEFAULT)
    named: str = settings.pop("scorer", "")
    most = int(settings.pop("most_questions", MOST_QUESTIONS))
    tokenizer, model = load(job)
    programs = programs_of(job, tokenizer)
    coach, model, new = begun_to_try(job, settings, tokenizer, model, programs, int(settings["num_generations"]))
    coach.scorer, coach.drafting = scorer_for(weights, named), programs.get("draft_and_ask")
    if weights.get("questions"):
        again = partial(coach.sampler.generate, limit=coach.limit, temperature=0.0)
        coach.worth = Worth(Caller(), coach.task, programs["rewrite"], tokenizer, again, most)
    args = arguments(config, job, settings, reward_weights=[weights[name] for name in weighted(weights)])
    groups, cycle = args.generation_batch_size // args.num_generations, cycle_of(args)
    if args.max_steps <= 0:
        batches = max(1, round(float(settings["num_train_epochs"]) * len(coach.rows) / groups))
        args.max_steps = STEPS_AT_MOST if job.trained_tokens else math.ceil(batches * cycle.steps / cycle.batches)
    trainer = kind(
        model=model,
        args=args,
        reward_funcs=[coach.reward(name, function) for name, function in weighted(weights).items()],
        train_dataset=Dataset.from_list([{"prompt": str(at)} for at in range(len(coach.rows))]),
        processing_class=tokenizer,
        peft_config=new,
    )
    times = args.num_iterations * args.steps_per_generation
    batches = math.ceil(args.max_steps * cycle.batches / cycle.steps)
    trainer.practice = Practice(coach.rates, groups, times, job.seed, length=batches * groups)
    return looked_over(trainer, job, coach)

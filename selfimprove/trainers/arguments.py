"""TRL's arguments of a training: the given settings, and what every trainer of ours sets itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from selfimprove.records import TrainingJob
from selfimprove.trainers.checkpoints import checkpoints_of
from selfimprove.trainers.precision import mixed


def arguments(kind: Any, job: TrainingJob, settings: Mapping[str, Any], **more: Any) -> Any:
    """Give TRL's arguments of a training, on one GPU a process.

    Args:
        kind: TRL's class of them.
        job: what is trained.
        settings: of the method.
        more: what its trainer sets itself.
    """
    args = one_gpu(kind(**{**_owned(job, settings), **more}))
    args.save_steps = whole_steps(args)
    return args


def whole_steps(args: Any) -> int:
    """Give the steps between checkpoints: as asked, rounded up to where one may be."""
    every = apart(args)
    return math.ceil(int(args.save_steps) / every) * every


def apart(args: Any) -> int:
    """Give the steps behind which a checkpoint may be: those where no log entry and no batch of tries is amid.

    Neither transformers nor TRL keeps what it has of one, so that a training that goes on from there would differ.
    """
    entry = int(args.logging_steps) if args.logging_strategy == "steps" else 1
    return math.lcm(cycle_of(args).steps, max(1, entry))


class Cycle(NamedTuple):
    """How often a trainer that practises has tries generated.

    Attributes:
        steps: of the optimizer, behind which a batch of tries begins with a step.
        batches: of tries in those.
    """

    steps: int
    batches: int


def cycle_of(args: Any) -> Cycle:
    """Give the cycle of TRL's arguments; a step each where nothing is generated, or where they do not tell."""
    used = getattr(args, "num_iterations", 1) * (getattr(args, "steps_per_generation", None) or 1)
    steps = args.gradient_accumulation_steps if hasattr(args, "num_iterations") else 1
    common = math.gcd(used, steps)
    return Cycle(used // common, steps // common)


def within_budget(trainer: Any, job: TrainingJob) -> None:
    """Let `max_steps` be a ceiling at most where tokens are asked for: rows that carry them are gone over once."""
    args = trainer.args
    if job.trained_tokens and args.max_steps > 0:
        size = args.train_batch_size * args.world_size * args.gradient_accumulation_steps
        args.max_steps = min(args.max_steps, math.ceil(len(trainer.train_dataset) / size))


def one_gpu(args: Any) -> Any:
    """Give arguments with which one process takes one of several GPUs, where transformers would take all.

    TRL refuses `torch.nn.DataParallel`, and it would part a reward model's rows from the steps that name them.
    """
    if args.n_gpu > 1:
        args._n_gpu = 1  # noqa: SLF001 - there is no other way to say so
    return args


def _owned(job: TrainingJob, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the settings that every trainer of ours sets itself, beside the given ones."""
    import torch

    cpu, every = not torch.cuda.is_available(), int(str(job.settings.get("checkpoint_steps") or 0))
    return {
        **settings,
        "num_train_epochs": 1.0 if job.trained_tokens else settings["num_train_epochs"],
        "output_dir": str(checkpoints_of(job)),
        "seed": job.seed,
        "use_cpu": cpu,
        "bf16": mixed(),
        "gradient_checkpointing": bool(settings.get("gradient_checkpointing", not cpu)),
        "report_to": [],
        "save_strategy": "steps" if every else "no",
        "save_steps": every or 1,
        "save_total_limit": 2,  # the one before is the last whole one while a checkpoint is written
        "disable_tqdm": True,
        "logging_nan_inf_filter": False,  # which would log 0 for a loss that is no number
        "dataloader_pin_memory": not cpu,
    }

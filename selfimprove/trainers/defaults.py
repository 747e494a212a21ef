"""What each trainer sets where a campaign says nothing; the names are TRL's and PEFT's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from selfimprove.records import Method, TrainingJob

_REINFORCED: Final = {
    "learning_rate": 1e-4,
    "lr_scheduler_type": "constant_with_warmup",
    "warmup_steps": 0.0,
    "num_train_epochs": 1.0,
    "per_device_train_batch_size": 16,
    "gradient_accumulation_steps": 4,  # 64 tries a step in parts that fit: at once they take 24 GB in float32
    "num_generations": 8,
    "max_completion_length": 128,
    "temperature": 1.0,
    "logging_steps": 1,
    "beta": 0.0,
    "mask_truncated_completions": True,
}
_COMPARED: Final = {
    "learning_rate": 1e-4,
    "beta": 0.1,
    "num_train_epochs": 1.0,
    "per_device_train_batch_size": 8,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0.1,
    "max_length": 1024,
    "logging_steps": 5,
}
DEFAULTS: Final[Mapping[Method, Mapping[str, Any]]] = {
    "sft": {
        "learning_rate": 2e-4,
        "num_train_epochs": 1.0,
        "per_device_train_batch_size": 16,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,
        "max_length": 1024,
        "logging_steps": 5,
        "train_sampling_strategy": "group_by_length",
    },
    "dpo": _COMPARED,
    "kto": {**_COMPARED, "train_sampling_strategy": "sequential"},
    "grpo": _REINFORCED,
    "rloo": _REINFORCED,
    "distill": {
        "learning_rate": 1e-4,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": 0.0,
        "num_train_epochs": 1.0,
        "per_device_train_batch_size": 16,
        "max_completion_length": 128,
        "temperature": 1.0,
        "logging_steps": 1,
    },
    "prm": {
        "learning_rate": 5e-4,
        "num_train_epochs": 1.0,
        "per_device_train_batch_size": 16,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.05,
        "logging_steps": 5,
        "train_sampling_strategy": "group_by_length",
    },
}
FEWEST: Final[Mapping[Method, int]] = {"kto": 2}
"""Rows a batch that a method cannot do without: KTO tells its divergence by a row's reply to another's prompt."""
LORA: Final[Mapping[str, Any]] = {"r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": "all-linear"}


def given(job: TrainingJob) -> dict[str, Any]:
    """Give a trainer's settings: the job's over the defaults."""
    own: Any = job.settings.get(job.method) or {}
    return over_defaults(job.method, own)


def over_defaults(method: Method, own: Mapping[str, Any]) -> dict[str, Any]:
    """Give a trainer's settings where some are given; a batch that is given alone is a whole step, as TRL has it.

    >>> over_defaults("grpo", {"per_device_train_batch_size": 32}).get("gradient_accumulation_steps", 1)
    1
    """
    base = dict(DEFAULTS[method])
    if "per_device_train_batch_size" in own:
        base.pop("gradient_accumulation_steps", None)
    return {**base, **own}


def given_lora(job: TrainingJob) -> dict[str, Any]:
    """Give the settings of a job's adapter, likewise."""
    return {**LORA, **dict(job.settings.get("lora") or {})}  # type: ignore[call-overload]

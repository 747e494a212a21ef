"""Training settings are TRL's and PEFT's own; a wrong name is refused before anything runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from selfimprove.config.training import TrainConfig
from selfimprove.errors import InputError, MissingDependencyError, nearest
from selfimprove.trainers.rewards import weighted

OWNED: Final = {"output_dir", "seed", "use_cpu", "bf16", "completion_only_loss", "report_to", "save_strategy"}
"""What the trainer sets itself."""
_GRPO_OWNED: Final = {
    "reward_weights", "use_vllm", "top_k", "min_p", "repetition_penalty", "generation_kwargs", "cache_implementation",
}  # fmt: skip
"""What our engine and our rewards stand for."""
_EVERYDAY: Final = {
    "learning_rate",
    "num_train_epochs",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "lr_scheduler_type",
    "warmup_steps",
    "max_length",
    "weight_decay",
    "beta",
    "max_steps",
    "num_generations",
    "max_completion_length",
    "temperature",
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
}

_LEAST: Final = {
    "learning_rate": (0, "a number from 0 up"),
    "weight_decay": (0, "a number from 0 up"),
    "num_train_epochs": (0, "a number from 0 up"),
    "lora_dropout": (0, "a number from 0 up"),
    "per_device_train_batch_size": (1, "a number from 1 up"),
    "gradient_accumulation_steps": (1, "a number from 1 up"),
    "max_length": (1, "a number from 1 up"),
    "lora_alpha": (1, "a number from 1 up"),
    "r": (1, "a number from 1 up"),
    "beta": (0, "a number from 0 up"),
    "temperature": (0, "a number from 0 up"),
    "num_generations": (2, "a number from 2 up"),
    "max_completion_length": (1, "a number from 1 up"),
    "max_steps": (0, "a number from 0 up"),
}


def check_settings(train: TrainConfig) -> None:
    """Refuse what TRL's configurations and PEFT's LoraConfig do not take, and what the trainers set themselves.

    The everyday names are known here, so that a usual campaign starts without importing TRL.

    Raises:
        InputError: an unknown or an owned setting.
        MissingDependencyError: TRL or PEFT is not installed.
    """
    parts = {name: getattr(train, name).model_dump() for name in ("sft", "continued", "dpo", "grpo", "lora")}
    if "rewards" in parts["grpo"]:
        weighted(_weights(parts["grpo"].pop("rewards")))
    for name, given in parts.items():
        section = f"train.{name}"
        for key, (least, what) in _LEAST.items():
            value = given.get(key, least)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value < math.inf:
                raise InputError(f"{section}.{key} = {value!r} will not do: it must be {what}")
        for key in (OWNED | (_GRPO_OWNED if name == "grpo" else set())) & given.keys():
            raise InputError(f"{section}.{key} is set by the trainer itself; leave it out")
    _check_groups(parts["grpo"])
    if all(given.keys() <= _EVERYDAY for given in parts.values()):
        return
    try:
        from peft import LoraConfig
        from trl import DPOConfig, GRPOConfig, SFTConfig
    except ImportError as error:
        raise MissingDependencyError(f'training needs {error.name}; pip install "selfimprove[train]"') from error
    known = {"sft": SFTConfig, "continued": SFTConfig, "dpo": DPOConfig, "grpo": GRPOConfig, "lora": LoraConfig}
    for name, given in parts.items():
        _check(f"train.{name}", given, (field.name for field in dataclasses.fields(known[name])))


def _check_groups(given: Mapping[str, Any]) -> None:
    """Refuse a batch that holds no whole number of groups, and tries that are all the same."""
    size = int(given.get("per_device_train_batch_size", 64)) * int(given.get("gradient_accumulation_steps", 1))
    group = int(given.get("num_generations", 8))
    if size % group:
        raise InputError(
            f"train.grpo: batches of {size} hold no whole number of groups of num_generations = {group}; make "
            "per_device_train_batch_size a multiple of it"
        )
    if given.get("temperature", 1.0) == 0:
        raise InputError("train.grpo.temperature = 0 makes all tries of a problem the same; give a number above 0")


def _weights(given: object) -> Mapping[str, float]:
    if not isinstance(given, Mapping):
        raise InputError(f"train.grpo.rewards = {given!r:.60} will not do; give names with weights, correct = 1.0")
    return given


def _check(section: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    names = list(known)
    for key in given:
        if key not in names:
            raise InputError(f'there is no setting "{section}.{key}"; {nearest(key, names)}')

"""Training settings are TRL's and PEFT's own; a wrong name is refused before anything runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Final

from selfimprove.errors import InputError, MissingDependencyError, nearest

OWNED: Final = {"output_dir", "seed", "use_cpu", "bf16", "completion_only_loss", "report_to", "save_strategy"}
"""What the trainer sets itself."""
_EVERYDAY: Final = {
    "learning_rate",
    "num_train_epochs",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "lr_scheduler_type",
    "warmup_steps",
    "max_length",
    "weight_decay",
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
}


def check_settings(sft: Mapping[str, Any], lora: Mapping[str, Any]) -> None:
    """Refuse what neither TRL's SFTConfig nor PEFT's LoraConfig takes, and what the trainer sets itself.

    The everyday names are known here, so that a usual campaign starts without importing TRL.

    Raises:
        InputError: an unknown or an owned setting.
        MissingDependencyError: TRL or PEFT is not installed.
    """
    for key in OWNED & sft.keys():
        raise InputError(f"train.sft.{key} is set by the trainer itself; leave it out")
    if sft.keys() <= _EVERYDAY and lora.keys() <= _EVERYDAY:
        return
    try:
        from peft import LoraConfig
        from trl import SFTConfig
    except ImportError as error:
        raise MissingDependencyError(f'training needs {error.name}; pip install "selfimprove[train]"') from error
    _check("train.sft", sft, (field.name for field in dataclasses.fields(SFTConfig)))
    _check("train.lora", lora, (field.name for field in dataclasses.fields(LoraConfig)))


def _check(section: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    names = list(known)
    for key in given:
        if key not in names:
            raise InputError(f'there is no setting "{section}.{key}"; {nearest(key, names)}')

"""What is used where it is installed and asked for, and never required: liger's kernels, unsloth, vLLM's rollouts."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from importlib.util import find_spec
from typing import Any, Final

from packaging.specifiers import SpecifierSet

from selfimprove.config.training import TrainConfig
from selfimprove.errors import InputError, MissingDependencyError

PRACTISED: Final = ("grpo", "rloo", "distill")
"""Sections of the trainers whose student generates."""
ROLLOUTS: Final = ">=0.31,<0.32"
"""vLLM that TRL 1.16 generates with (it takes 0.22 to 0.31.0) and that is no older than what else is tested here."""
_MODES: Final = ("colocate", "server")


def check_extras(train: TrainConfig, parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse what is asked for and cannot be used.

    Args:
        train: the settings.
        parts: TRL's and PEFT's sections of them.

    Raises:
        InputError: two settings do not go together, or there is no GPU for them.
        MissingDependencyError: it is not installed, or in a version that is not accepted.
    """
    for name, given in parts.items():
        if given.get("use_liger_kernel") and find_spec("liger_kernel") is None:
            raise MissingDependencyError(f"train.{name}.use_liger_kernel needs it: pip install liger-kernel")
    if train.unsloth:
        _check_unsloth(train)
    for name in PRACTISED:
        _check_rollouts(name, parts[name])


def _check_unsloth(train: TrainConfig) -> None:
    other = next((key for key in ("full", "accelerate", "attention") if getattr(train, key)), None)
    if other:
        raise InputError(
            f"train.unsloth trains an adapter in one process and chooses its attention, and train.{other} is set; "
            "leave one out"
        )
    if find_spec("unsloth") is None:
        raise MissingDependencyError("train.unsloth needs it: pip install unsloth, or leave it out")
    if not _has_gpu():
        raise InputError("train.unsloth needs a GPU, and there is none; leave it out")


def _check_rollouts(name: str, given: Mapping[str, Any]) -> None:
    """Look at the settings of vLLM, which are TRL's own."""
    section, mode = f"train.{name}", given.get("vllm_mode", "colocate")
    if not given.get("use_vllm"):
        idle = next((key for key in given if key.startswith("vllm_")), None)
        if idle:
            raise InputError(f"{section}.{idle} is only looked at with use_vllm = true; set that, or leave it out")
        return
    if mode not in _MODES:
        raise InputError(f'{section}.vllm_mode = "{mode}" will not do; give "colocate" or "server"')
    if find_spec("vllm") is None:
        raise MissingDependencyError(
            f'{section}.use_vllm needs vLLM: pip install "vllm{ROLLOUTS}", or leave it out: our own engine generates'
        )
    found = metadata.version("vllm")
    if not SpecifierSet(ROLLOUTS, prereleases=True).contains(found.partition("+")[0]):
        raise MissingDependencyError(
            f'{section}.use_vllm needs vLLM {ROLLOUTS}, and {found} is installed; pip install "vllm{ROLLOUTS}"'
        )
    if not _has_gpu():
        raise InputError(f"{section}.use_vllm needs a CUDA GPU, and there is none; leave it out: our engine generates")


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()

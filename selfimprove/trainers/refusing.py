"""What a campaign's settings ask of training that cannot be, refused before anything is spent."""

from __future__ import annotations

from typing import Final

from selfimprove import progress
from selfimprove.arms import ARMS
from selfimprove.config import Config
from selfimprove.config.training import asking
from selfimprove.errors import InputError
from selfimprove.students.adapters import beyond_plain

_EACH_LAYER: Final = {"rank_pattern", "alpha_pattern"}
"""What a student that practises may set of a LoRA beyond a rank and a scale."""


def asks_teacher(config: Config) -> bool:
    """Say whether a training asks the teacher.

    Raises:
        InputError: the student is its own teacher, and knows no more than it asks.
    """
    asked = [arm for arm in config.campaign.arms if arm in ARMS and asking(config.train, ARMS[arm].method or "")]
    if asked and config.teacher.model == "self":
        raise InputError(
            f"train.{asked[0]}.rewards: the reward questions needs a teacher that knows more than the student, and "
            'teacher.model = "self"; leave questions out, or name another teacher'
        )
    return bool(asked)


def refuse_practice(config: Config, task: str | None) -> None:
    """Refuse arms that practise where they cannot.

    Args:
        config: the settings.
        task: name of a task that was given as an object; None: it was named.

    Raises:
        InputError: there is such an arm.
    """
    practised = _practised(config)
    if not practised:
        return
    arm, train = practised[0], config.train
    beyond = [f"train.{name}" for name in ("full", "quantize") if getattr(train, name)]
    beyond += [f"train.lora.{key}" for key in beyond_plain(train.lora.model_dump()) if key not in _EACH_LAYER]
    if beyond:
        raise InputError(
            f"the arm {arm} needs plain LoRA over 16 bits: {_why_plain(config, arm)}; leave {' and '.join(beyond)} out"
        )
    if task is not None:
        raise InputError(
            f"the arm {arm} reads answers in a process of its own, which cannot be handed {task}, an object; "
            "give the task as a name, a file or package.module:Name"
        )
    if "distill" in practised and not train.distill.model_dump().get("teacher"):
        raise InputError(
            "the arm distill needs a teacher that runs here: set train.distill.teacher to a folder or hub id of a "
            "larger model of the student's family"
        )


def check_processes(config: Config) -> None:
    """Say which arms are trained in one process where others share several.

    Raises:
        InputError: all are, so that several would do nothing.
    """
    alone = _practised(config)
    if config.train.accelerate is None or not alone:
        return
    told = f"train.accelerate does nothing for {' and '.join(alone)}: tries are made and learned from in one process"
    if len(alone) == len(config.campaign.arms):
        raise InputError(f"{told}; leave it out")
    progress.current().say(told)


def _practised(config: Config) -> list[str]:
    """Name the arms that practise."""
    return [arm for arm in config.campaign.arms if arm in ARMS and ARMS[arm].method]


def _why_plain(config: Config, arm: str) -> str:
    """Say why an arm that practises takes nothing but that, by what makes its tries."""
    if getattr(config.train, ARMS[arm].method or "").model_dump().get("use_vllm"):
        return (
            "for vLLM the adapter is merged into the base and taken out again at each step, which 4 bits round anew "
            "each time, and other kinds were not tried with it"
        )
    return "our engine makes its tries with that"

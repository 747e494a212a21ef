"""What a campaign's settings ask of training that cannot be, refused before anything is spent."""

from __future__ import annotations

from typing import Final

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
    practised = [arm for arm in config.campaign.arms if arm in ARMS and ARMS[arm].method]
    if not practised:
        return
    arm, train = practised[0], config.train
    beyond = [f"train.{name}" for name in ("full", "quantize") if getattr(train, name)]
    beyond += [f"train.lora.{key}" for key in beyond_plain(train.lora.model_dump()) if key not in _EACH_LAYER]
    if beyond:
        raise InputError(
            f"the arm {arm} needs plain LoRA over 16 bits, as its tries are made with that; leave "
            f"{' and '.join(beyond)} out"
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

"""Schedules of the learning rate: there is such a one, it can be made, and it knows its last step where it needs to."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

from selfimprove.arms import ARMS, in_turn
from selfimprove.config import Config
from selfimprove.errors import InputError, nearest

_SCHEDULES: Final = {"linear", "cosine", "constant", "constant_with_warmup"}
"""Everyday ones of transformers' schedules."""
_ENDLESS: Final = {"constant", "constant_with_warmup", "inverse_sqrt"}
"""Those that need not know how many steps there will be."""
_UNSTEPPED: Final = {"reduce_lr_on_plateau", "greedy"}
"""Schedules that are stepped by evaluations, of which there are none in a training."""


def check_schedules(parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse a learning rate's schedule that transformers has not, or will not make of what is given for it.

    Args:
        parts: TRL's sections of the settings.

    Raises:
        InputError: there is such a schedule.
    """
    for name, own in parts.items():
        given = {**parts["sft"], **own} if name == "continued" else own
        schedule, how = given.get("lr_scheduler_type", "linear"), given.get("lr_scheduler_kwargs")
        if not isinstance(schedule, str):
            raise InputError(f"train.{name}.lr_scheduler_type = {schedule!r:.60} is no schedule's name")
        if schedule in _SCHEDULES and not how:
            continue
        from transformers import SchedulerType

        known = [one.value for one in SchedulerType]
        told = f'train.{name}.lr_scheduler_type = "{schedule}"'
        if schedule not in known:
            raise InputError(f"{told} is no schedule; {nearest(schedule, known)}")
        if schedule in _UNSTEPPED:
            raise InputError(f'{told} waits for evaluations, and a training has none; take "cosine"')
        _try_schedule(told, schedule, how, given.get("learning_rate", 1e-4))


def _try_schedule(told: str, schedule: str, how: Any, rate: float) -> None:
    """Make a schedule as a training would."""
    import torch
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=rate)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            get_scheduler(schedule, optimizer, 1, 10, how)
    except Exception as error:  # each schedule refuses in its own way
        said = " ".join(str(error).split())[:300]
        raise InputError(f"{told} with lr_scheduler_kwargs = {how or {}} will not do: {said}") from error


def check_horizons(config: Config) -> None:
    """Refuse a schedule that needs to know its last step, where a training ends when its tokens are generated.

    Those of the first arm do not: it goes by epochs, and sets how many tokens the others get.

    Raises:
        InputError: see above.
    """
    for name in filter(None, (ARMS[arm].method for arm in in_turn(config.campaign.arms)[1:])):
        given: dict[str, Any] = getattr(config.train, name).model_dump()
        if given.get("max_steps"):
            continue
        told, warmup = f"train.{name}.", given.get("warmup_steps", 0)
        if 0 < warmup < 1:
            raise InputError(
                f"{told}warmup_steps = {warmup} is a share of steps, and a training ends when its tokens are "
                "generated, after nobody knows how many; give a number of steps, or set max_steps"
            )
        if given.get("lr_scheduler_type", "constant") not in _ENDLESS:
            raise InputError(
                f'{told}lr_scheduler_type = "{given["lr_scheduler_type"]}" needs a last step, and a training ends when '
                'its tokens are generated; take "constant_with_warmup", or set max_steps'
            )

"""The everyday settings of each section, known without importing TRL or PEFT, with what their values have to be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from selfimprove.errors import InputError
from selfimprove.trainers.defaults import FEWEST


class Number(NamedTuple):
    """What a number has to be.

    Attributes:
        least: the smallest there may be.
        most: the largest.
        whole: whether it has to be a whole one.
        above: whether it has to be larger than the smallest.
        below: whether it has to be smaller than the largest.
    """

    least: float
    most: float = math.inf
    whole: bool = False
    above: bool = False
    below: bool = False

    def refused(self, value: object) -> str:
        """Say what a value had to be; empty where it will do."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"a number{self._bounds()}"
        low = value > self.least if self.above else value >= self.least
        high = value < self.most if self.below or self.most == math.inf else value <= self.most
        if not (low and high):
            return f"a number{self._bounds()}"
        return "a whole number" if self.whole and value != int(value) else ""

    def _bounds(self) -> str:
        low = f" above {self.least:g}" if self.above else f" from {self.least:g}"
        if self.most == math.inf:
            return low if self.above else f"{low} up"
        return f"{low} to {'below ' if self.below else ''}{self.most:g}"


_COUNT: Final = Number(1, whole=True)
_COMMON: Final[Mapping[str, Number | None]] = {
    "learning_rate": Number(0),
    "weight_decay": Number(0),
    "warmup_steps": Number(0),
    "num_train_epochs": Number(0, above=True),
    "max_steps": Number(0, whole=True),
    "per_device_train_batch_size": _COUNT,
    "gradient_accumulation_steps": _COUNT,
    "lr_scheduler_type": None,
    "logging_steps": _COUNT,
}
_ROWS: Final = {**_COMMON, "max_length": _COUNT}
_TRIES: Final = {**_COMMON, "beta": Number(0), "max_completion_length": _COUNT, "temperature": Number(0)}
_GROUPS: Final = {**_TRIES, "num_generations": Number(2, whole=True)}
EVERYDAY: Final[Mapping[str, Mapping[str, Number | None]]] = {
    "sft": _ROWS,
    "continued": _ROWS,
    "dpo": {**_ROWS, "beta": Number(0, above=True)},
    "kto": {
        **_ROWS,
        "beta": Number(0, above=True),
        "per_device_train_batch_size": Number(FEWEST["kto"], whole=True),
    },
    "grpo": _GROUPS,
    "rloo": _GROUPS,
    "distill": {**_TRIES, "beta": Number(0, 1), "temperature": Number(0, above=True)},
    "lora": {"r": _COUNT, "lora_alpha": Number(1), "lora_dropout": Number(0, 1, below=True), "target_modules": None},
}
"""Section to names; None: no number."""


def check_everyday(section: str, given: Mapping[str, object]) -> None:
    """Refuse an everyday setting whose value will not do, or that is another section's.

    Raises:
        InputError: there is one.
    """
    for key in given.keys() - EVERYDAY[section].keys():
        if owners := [f"train.{name}" for name, known in EVERYDAY.items() if key in known]:
            raise InputError(f'there is no setting "train.{section}.{key}"; {key} is one of {", ".join(owners)}')
    for key, number in EVERYDAY[section].items():
        if number is None or key not in given:
            continue
        if wanted := number.refused(given[key]):
            raise InputError(f"train.{section}.{key} = {given[key]!r} will not do: it must be {wanted}")

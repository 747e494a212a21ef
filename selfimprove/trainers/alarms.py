"""What goes wrong during a training, told while it can still be stopped: one sentence for each kind, once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Any, Final

from transformers import TrainerCallback

from selfimprove.errors import TrainingError
from selfimprove.trainers.preflight import note

_SPAN: Final = 5
"""Log entries that are averaged, at the beginning and now."""
_COLLAPSED: Final = 0.1
"""Share of the first entropy that is too little."""
_LONGER: Final = 2.0
"""Times the first length that is too long."""
_FELL: Final = 0.05
_ROSE: Final = 0.05
_INFORMATIVE: Final = 0.8
"""Share of groups that should hold both right and wrong tries."""
SO_FAR: Final = "informative_groups_so_far"
CORRECT: Final = "rewards/correct/mean"

Logs = Sequence[Mapping[str, float]]


def entropy_collapse(logs: Logs) -> str | None:
    """Say so where the student has stopped exploring.

    >>> entropy_collapse([{"entropy": 1.0}] * 5 + [{"entropy": 0.01}] * 5)
    'entropy fell from 1.00 to 0.01: the student explores no more; lower the learning rate or raise beta'
    """
    first, now = _ends(logs, "entropy")
    if first is None or now is None or first <= 0 or now >= _COLLAPSED * first:
        return None
    return (
        f"entropy fell from {first:.2f} to {now:.2f}: the student explores no more; lower the learning rate or raise "
        "beta"
    )


def length_explosion(logs: Logs) -> str | None:
    """Say so where completions grow without end."""
    first, now = _ends(logs, "completions/mean_length")
    if first is None or now is None or now < _LONGER * first:
        return None
    return f"completions grew from {first:.0f} to {now:.0f} tokens: give the reward brevity a weight, or end here"


def gamed_reward(logs: Logs) -> str | None:
    """Say so where a part of the reward rises while verified accuracy falls."""
    before, after = _ends(logs, CORRECT)
    if before is None or after is None or after > before - _FELL:
        return None
    for key in sorted({key for entry in logs for key in entry}):
        part = key.removeprefix("rewards/").removesuffix("/mean")
        if key == f"rewards/{part}/mean" and key != CORRECT:
            low, high = _ends(logs, key)
            if low is not None and high is not None and high >= low + _ROSE:
                return (
                    f"the reward {part} rises ({low:.2f} to {high:.2f}) while verified accuracy falls ({before:.2f} to "
                    f"{after:.2f}): it is being gamed; lower its weight"
                )
    return None


def few_informative(logs: Logs) -> str | None:
    """Say so where many groups are all right or all wrong: they were generated, and teach nothing."""
    shares = [entry[SO_FAR] for entry in logs if SO_FAR in entry]
    if len(shares) < 2 * _SPAN or shares[-1] >= _INFORMATIVE:
        return None
    return (
        f"{100 * shares[-1]:.0f} % of the groups held both right and wrong tries, where {100 * _INFORMATIVE:.0f} % are "
        "aimed at: mine more samples (mine.samples), or more problems (mine.pool), to choose from"
    )


ALARMS: Final[tuple[Callable[[Logs], str | None], ...]] = (
    entropy_collapse,
    length_explosion,
    gamed_reward,
    few_informative,
)


def _ends(logs: Logs, key: str) -> tuple[float | None, float | None]:
    """Give the mean of a logged value at the beginning and now; None before there are both."""
    values = [entry[key] for entry in logs if isinstance(entry.get(key), int | float) and math.isfinite(entry[key])]
    return (fmean(values[:_SPAN]), fmean(values[-_SPAN:])) if len(values) >= 2 * _SPAN else (None, None)


class Watchdog(TrainerCallback):
    """Looks at every log entry: what is no number ends the training, the rest is told.

    Attributes:
        said: the alarms so far.
    """

    def __init__(self, method: str) -> None:
        self.method, self.said = method, list[str]()
        self._open = list(ALARMS)

    def state(self) -> dict[str, Any]:
        """Give what was said."""
        return {"said": self.said, "open": [alarm.__name__ for alarm in self._open]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.said = list(state["said"])
        self._open = [alarm for alarm in ALARMS if alarm.__name__ in state["open"]]

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any) -> None:
        """Look at what was just logged.

        Raises:
            TrainingError: the loss or the gradient is no number.
        """
        del args, control
        for name in ("loss", "grad_norm"):
            value = logs.get(name)
            if isinstance(value, float) and not math.isfinite(value):
                raise TrainingError(
                    f"{name} is {value} at step {state.global_step}; lower train.{self.method}.learning_rate"
                )
        for alarm in list(self._open):
            sentence = alarm(state.log_history)
            if sentence:
                self._open.remove(alarm)
                self.said.append(sentence)
                note(f"alarm at step {state.global_step}: {sentence}")

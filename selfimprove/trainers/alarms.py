"""What goes wrong during a training, told while it can still be stopped: one sentence for each kind, once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, variance
from typing import Any, Final, NamedTuple

from transformers import TrainerCallback

from selfimprove.errors import TrainingError
from selfimprove.formats import percent
from selfimprove.stats import wilson
from selfimprove.trainers.preflight import note

_SPAN: Final = 5
"""Log entries that are averaged, at the beginning and now; half of all where there are fewer than twice as many."""
_FEWEST: Final = 4
"""Log entries that a change is told from: a round's reinforcement may have no more."""
_GROUPS: Final = 16
"""Groups that a share is told from."""
_COLLAPSED: Final = 0.1
"""Share of the first entropy that is too little."""
_LONGER: Final = 2.0
"""Times the first length that is too long."""
_MOVED: Final = 0.05
"""Least fall of accuracy, and rise of a reward, that is gaming."""
_ERRORS: Final = 2.0
"""Standard errors that both must be beyond."""
_INFORMATIVE: Final = 0.8
"""Share of groups that should hold both right and wrong tries."""
_REINFORCED: Final = {"grpo", "rloo"}
"""Methods whose entropy should not fall: others fit what they are given, which lowers it."""
SO_FAR: Final = "informative_groups_so_far"
GROUPS: Final = "groups_so_far"
CORRECT: Final = "rewards/correct/mean"

Logs = Sequence[Mapping[str, float]]


def entropy_collapse(logs: Logs) -> str | None:
    """Say so where the student has stopped exploring.

    >>> entropy_collapse([{"entropy": 1.0}] * 5 + [{"entropy": 0.01}] * 5)
    'entropy fell from 1.00 to 0.01: the student explores no more; lower the learning rate or raise beta'
    """
    ends = _ends(logs, "entropy")
    if ends is None or ends.first <= 0 or ends.now >= _COLLAPSED * ends.first:
        return None
    return (
        f"entropy fell from {ends.first:.2f} to {ends.now:.2f}: the student explores no more; lower the learning rate "
        "or raise beta"
    )


def length_explosion(logs: Logs) -> str | None:
    """Say so where completions grow without end."""
    ends = _ends(logs, "completions/mean_length")
    if ends is None or ends.now < _LONGER * ends.first:
        return None
    return (
        f"completions grew from {ends.first:.0f} to {ends.now:.0f} tokens: give the reward brevity a weight, or end "
        "here"
    )


def gamed_reward(logs: Logs) -> str | None:
    """Say so where a part of the reward rises while verified accuracy falls, both by more than chance."""
    right = _ends(logs, CORRECT)
    if right is None or right.first - right.now < right.least:
        return None
    for key in sorted({key for entry in logs for key in entry}):
        part = key.removeprefix("rewards/").removesuffix("/mean")
        if key == f"rewards/{part}/mean" and key != CORRECT:
            ends = _ends(logs, key)
            if ends is not None and ends.now - ends.first >= ends.least:
                return (
                    f"the reward {part} rises ({ends.first:.2f} to {ends.now:.2f}) while verified accuracy falls "
                    f"({right.first:.2f} to {right.now:.2f}): it is being gamed; lower its weight"
                )
    return None


def few_informative(logs: Logs) -> str | None:
    """Say so where many groups are all right or all wrong: they were generated, and teach nothing."""
    share, groups = next(((entry[SO_FAR], int(entry[GROUPS])) for entry in reversed(logs) if GROUPS in entry), (0.0, 0))
    if groups < _GROUPS or wilson(round(share * groups), groups).high >= _INFORMATIVE:
        return None
    return (
        f"{percent(share, 0)} of {groups} groups held both right and wrong tries, where {percent(_INFORMATIVE, 0)} are "
        "aimed at: mine more samples (mine.samples), or more problems (mine.pool), to choose from"
    )


ALARMS: Final[tuple[Callable[[Logs], str | None], ...]] = (
    entropy_collapse,
    length_explosion,
    gamed_reward,
    few_informative,
)


class _Ends(NamedTuple):
    """A logged value at the beginning and now.

    Attributes:
        first: mean of the first entries.
        now: mean of the last ones.
        least: difference that is more than chance, by how the entries differ among themselves.
    """

    first: float
    now: float
    least: float


def _ends(logs: Logs, key: str) -> _Ends | None:
    """Give the ends of a logged value; None before there are enough entries."""
    values = [entry[key] for entry in logs if isinstance(entry.get(key), int | float) and math.isfinite(entry[key])]
    if len(values) < _FEWEST:
        return None
    span = min(_SPAN, len(values) // 2)
    first, last = values[:span], values[-span:]
    error = math.sqrt((variance(first) + variance(last)) / span)
    return _Ends(fmean(first), fmean(last), max(_MOVED, _ERRORS * error))


class Watchdog(TrainerCallback):
    """Looks at every log entry: what is no number ends the training, the rest is told.

    Attributes:
        said: the alarms so far.
    """

    def __init__(self, method: str) -> None:
        self.method, self.said = method, list[str]()
        self._open = [alarm for alarm in ALARMS if alarm is not entropy_collapse or method in _REINFORCED]

    def state(self) -> dict[str, Any]:
        """Give what was said."""
        return {"said": self.said, "open": [alarm.__name__ for alarm in self._open]}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.said = list(state["said"])
        self._open = [alarm for alarm in self._open if alarm.__name__ in state["open"]]

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

"""How fast a training is: told in its log alone, as times differ where files must not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from transformers import TrainerCallback


class Pace(TrainerCallback):
    """Prints tokens a second, prompts counted in, beside every log entry.

    Args:
        seen: gives the tokens processed so far.
    """

    def __init__(self, seen: Callable[[], float]) -> None:
        self.seen, self._begun, self._before = seen, 0.0, 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        del args, state, control
        self._begun, self._before = time.monotonic(), self.seen()

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **_: Any) -> None:
        """Say how fast it was since the last entry."""
        del args, control
        if "loss" not in logs or not state.is_world_process_zero:
            return
        now, seen = time.monotonic(), self.seen()
        rate = (seen - self._before) / max(1e-9, now - self._begun)
        self._begun, self._before = now, seen
        print(f"pace at step {state.global_step}: {rate:.1f} tokens/s", flush=True)  # noqa: T201 - into the log

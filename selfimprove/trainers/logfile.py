"""What a training logs, in `training.jsonl` beside the adapter that is being made: a line an entry, as it comes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from transformers import TrainerCallback

LOG: Final = "training.jsonl"
_TIMED: Final = ("_runtime", "_per_second", "step_time", "train_loss", "num_tokens")
"""Of a log entry: what is about this process, not about the training. Two trainings of the same rows are the same
files; times stand in `training.log`."""


def write_log(folder: Path, history: Sequence[Mapping[str, Any]]) -> None:
    """Write all entries so far."""
    (folder / LOG).write_text("".join(map(_line, history)))


def _line(entry: Mapping[str, Any]) -> str:
    kept = {key: value for key, value in entry.items() if not key.endswith(_TIMED)}
    return json.dumps(kept, sort_keys=True) + "\n"


class LogFile(TrainerCallback):
    """Writes each entry when it is logged; added last, as other callbacks add to entries.

    A training that goes on from a checkpoint begins the file anew with the entries up to there, so no step is in it
    twice.

    Args:
        folder: of the attempt.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write what a checkpoint brought."""
        del args, control
        if state.is_world_process_zero:
            write_log(self.folder, state.log_history)

    def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the newest entry."""
        del args, control
        if state.is_world_process_zero and state.log_history:
            with (self.folder / LOG).open("a") as file:
                file.write(_line(state.log_history[-1]))

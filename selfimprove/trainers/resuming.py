"""Going on from a checkpoint: what is kept beside the model, and how an adapter is taken back."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch.utils.data import Sampler
from transformers import TrainerCallback

from selfimprove.records import TrainingJob
from selfimprove.students.adapters import WEIGHTS
from selfimprove.trainers.alarms import Watchdog
from selfimprove.trainers.arguments import apart
from selfimprove.trainers.checkpoints import MARK, last_whole
from selfimprove.trainers.sharding import shared_out

_ROUNDING: Final = 1e-6
_APART: Final = 1_000_003
_LONG_S: Final = 300.0
"""Seconds without a checkpoint after which the next step that may have one gets one."""


class Stateful(Protocol):
    """Something beside the model that a training goes on from."""

    def state(self) -> dict[str, Any]:
        """Give it as plain values."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        ...


class Kept(TrainerCallback):
    """Writes what a training has beside model and optimizer into each checkpoint, and with that the mark."""

    def __init__(self, *parts: Stateful) -> None:
        self.parts = parts

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark the checkpoint just written."""
        del control
        place = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        if state.is_world_process_zero and place.is_dir():
            part = place / f".{MARK}"
            part.write_text(json.dumps([part.state() for part in self.parts]))
            part.rename(place / MARK)

    def restore(self, checkpoint: str | None) -> None:
        """Give the parts what they had at a checkpoint."""
        if checkpoint:
            for part, state in zip(self.parts, json.loads((Path(checkpoint) / MARK).read_text()), strict=True):
                part.restore(state)


class Timely(TrainerCallback):
    """Has a checkpoint written where the last is minutes old: a hundred steps of reinforcement may take hours.

    Processes that share a training would disagree about the time, so it is for one alone.
    """

    def __init__(self) -> None:
        self._last = time.monotonic()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Ask for one behind a step that may have one."""
        if time.monotonic() - self._last >= _LONG_S and state.global_step % apart(args) == 0:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin to count anew."""
        del args, state, control
        self._last = time.monotonic()


class ByEpoch(Sampler[int]):
    """Rows in another order each epoch, and in the same order when an epoch is begun again to be gone on with.

    transformers draws a later epoch's order from a generator that it does not restore. The first epoch's stays as
    transformers draws it.

    Args:
        inner: transformers' or TRL's sampler.
        trainer: knows the epoch.
    """

    def __init__(self, inner: Any, trainer: Any) -> None:
        self.inner, self.trainer = inner, trainer

    def __len__(self) -> int:
        """Give how many rows an epoch has."""
        return len(self.inner)

    def __iter__(self) -> Iterator[int]:
        """Give places of rows."""
        epoch = int((self.trainer.state.epoch or 0.0) + _ROUNDING)
        if epoch and hasattr(self.inner, "generator"):
            self.inner.generator = torch.Generator().manual_seed(self.trainer.args.seed * _APART + epoch)
        return iter(self.inner)


class Resumes:
    """For trainers of transformers' kind, before them in the bases: an adapter comes back in its own type.

    PEFT would load it in float32, and transformers would load the reference of preference training too, which is made
    anew from where training began.
    """

    model: Any
    args: Any
    state: Any

    def _get_train_sampler(self, *given: Any) -> Any:
        parent: Any = super()
        return ByEpoch(parent._get_train_sampler(*given), self)  # noqa: SLF001 - its own base

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        adapter = Path(resume_from_checkpoint) / WEIGHTS
        model = model or self.model
        if not adapter.is_file() or not hasattr(model, "peft_config") or shared_out(self):
            parent: Any = super()
            parent._load_from_checkpoint(resume_from_checkpoint, model)  # noqa: SLF001 - its own base
            return
        from peft import set_peft_model_state_dict
        from safetensors.torch import load_file

        set_peft_model_state_dict(model, load_file(adapter))


def run(trainer: Any, job: TrainingJob, *parts: Stateful) -> Any:
    """Train, from the last whole checkpoint where there is one, and give what transformers' trainer gives."""
    dogs = [each for each in trainer.callback_handler.callbacks if isinstance(each, Watchdog)]
    kept, last = Kept(*parts, *dogs), last_whole(job)
    kept.restore(last)
    trainer.add_callback(kept)
    if trainer.args.save_strategy != "no" and trainer.args.world_size == 1:
        trainer.add_callback(Timely())
    return trainer.train(resume_from_checkpoint=last)

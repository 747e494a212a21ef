"""What is looked at before a training, each without the training; the rest is in test_sft and test_process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_resuming import job_of

from selfimprove.errors import InputError
from selfimprove.render import TrainingExample
from selfimprove.trainers import dpo, kto, sft
from selfimprove.trainers.preflight import see_loss, try_longest


@pytest.mark.parametrize(("method", "module"), [("sft", sft), ("dpo", dpo), ("kto", kto)])
def test_rows_without_a_trained_token_are_refused(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, module: Any
) -> None:
    """A template that eats the reply is told before anything is trained, with how many rows it ate."""
    from tiny_models import tokenizer

    job, whole = job_of(method, family("llama"), tmp_path), module.training_example

    def eaten(words: Any, messages: Any, target: str) -> TrainingExample:
        made = whole(words, messages, target)
        return TrainingExample(made.ids[: made.prompt_length], made.prompt_length) if "1" in target else made

    read = {"sft": sft.job_examples, "dpo": dpo.job_pairs, "kto": kto.job_rows}[method]
    assert len(read(job, tokenizer())) == 24  # type: ignore[operator]
    monkeypatch.setattr(module, "training_example", eaten)
    with pytest.raises(InputError, match=r"\d+ of 24 rows have no token that is trained on; leave them out"):
        read(job, tokenizer())  # type: ignore[operator]


def test_no_row_without_loss_is_nothing_to_tell(tmp_path: Path, family: Callable[[str], Path]) -> None:
    """The count is of empty rows alone."""
    see_loss(job_of("sft", family("llama"), tmp_path), [3, 1])
    with pytest.raises(InputError, match="1 of 2 rows have no token"):
        see_loss(job_of("sft", family("llama"), tmp_path), [3, 0])


class Tries:
    """A trainer of one weight that keeps what it was tried on."""

    def __init__(self, order: str = "random") -> None:
        self.args = SimpleNamespace(train_sampling_strategy=order, per_device_train_batch_size=2)
        self.model = torch.nn.Linear(1, 1)
        self.train_dataset = [[0.0] * length for length in (3, 9, 5, 9, 1)]
        self.data_collator = list
        self._metrics = {"train": {"entropy": [1.0]}}
        self.tried: list[int] = []

    def compute_loss_context_manager(self) -> Any:
        return torch.enable_grad()

    def _prepare_inputs(self, batch: Any) -> Any:
        return batch

    def compute_loss(self, model: Any, batch: Any) -> Any:
        self.tried = [len(row) for row in batch]
        return model(torch.ones(1, 1)).sum()


def test_the_longest_batch_goes_first_and_leaves_no_trace() -> None:
    """The two longest rows, forward and backward; gradients and what was counted are forgotten."""
    trainer = Tries()
    try_longest(trainer, [len(row) for row in trainer.train_dataset])
    assert trainer.tried == [9, 9]
    assert all(weight.grad is None for weight in trainer.model.parameters())
    assert trainer._metrics["train"] == {}
    grouped = Tries("group_by_length")
    try_longest(grouped, [len(row) for row in grouped.train_dataset])
    assert grouped.tried == []  # its first batch is the longest one

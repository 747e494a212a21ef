"""What every trainer is made with, on machines of any kind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_resuming import job_of
from transformers import TrainingArguments

from selfimprove.records import TrainingJob
from selfimprove.trainers import distill, dpo, grpo, kto, practising, rloo, sft
from selfimprove.trainers.defaults import given
from selfimprove.trainers.loading import load


def made(job: TrainingJob) -> Any:
    """Give the trainer of a job, in this process."""
    if job.method == "distill":
        return distill._trainer(job)
    if job.method in {"grpo", "rloo"}:
        module: Any = {"grpo": grpo, "rloo": rloo}[job.method]
        config = getattr(module, f"{job.method.upper()}Config")
        return practising._trainer(job, given(job), config, module._made)[0]
    tokenizer, model = load(job)
    module = {"sft": sft, "dpo": dpo, "kto": kto}[job.method]
    read = {"sft": sft.job_examples, "dpo": dpo.job_pairs, "kto": kto.job_rows}[job.method]
    return module._trainer(job, tokenizer, model, read(job, tokenizer))  # type: ignore[operator]


@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "grpo", "rloo", "distill"])
def test_one_process_takes_one_of_several_gpus(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """TRL refuses a process that would take all; nobody has to hide the others."""
    monkeypatch.setitem(sys.modules, "letters", SimpleNamespace(count=lambda _: 1.0))

    alone: Any = TrainingArguments._setup_devices

    def of_four(self: TrainingArguments) -> torch.device:
        device: torch.device = alone.func(self)
        self._n_gpu = 4
        return device

    several = cached_property(of_four)
    several.__set_name__(TrainingArguments, "_setup_devices")
    monkeypatch.setattr(TrainingArguments, "_setup_devices", several)
    trainer = made(job_of(method, family("llama"), tmp_path))
    assert (trainer.args.n_gpu, trainer.args.train_batch_size) == (1, trainer.args.per_device_train_batch_size)

"""What a training logs is in the run folder while it trains."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_resuming import job_of

from selfimprove.trainers import learning, sft
from selfimprove.trainers.logfile import LogFile


def steps(folder: Path) -> list[int]:
    """Read the steps that a folder's log tells of."""
    return [json.loads(line)["step"] for line in (folder / "training.jsonl").read_text().splitlines()]


def logged(file: LogFile, state: Any, *numbers: int) -> None:
    """Log steps as transformers does."""
    for step in numbers:
        state.log_history.append({"step": step, "loss": 1.0, "train_runtime": 0.1})
        file.on_log(None, state, None, logs={"loss": 1.0})


def test_an_entry_is_written_as_it_comes_and_no_step_twice(tmp_path: Path) -> None:
    """Each stands in the file at once, without times; gone on with, the file begins with what the checkpoint knew."""
    state = SimpleNamespace(log_history=[], is_world_process_zero=True)
    file = LogFile(tmp_path)
    file.on_train_begin(None, state, None)
    logged(file, state, 1, 2)
    assert steps(tmp_path) == [1, 2]
    logged(file, state, 3, 4, 5)
    assert steps(tmp_path) == [1, 2, 3, 4, 5]
    assert "runtime" not in (tmp_path / "training.jsonl").read_text()
    state.log_history = state.log_history[:3]  # killed behind step 5, with a checkpoint of step 3
    again = LogFile(tmp_path)
    again.on_train_begin(None, state, None)
    logged(again, state, 4)
    assert steps(tmp_path) == [1, 2, 3, 4]


def test_only_the_first_of_several_processes_writes(tmp_path: Path) -> None:
    """The others would write into the same file."""
    state = SimpleNamespace(log_history=[], is_world_process_zero=False)
    file = LogFile(tmp_path)
    file.on_train_begin(None, state, None)
    logged(file, state, 1)
    assert not (tmp_path / "training.jsonl").exists()


def test_a_training_has_its_whole_log_before_its_adapter(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the last step is made, all that the finished file holds is there already."""
    during = list[str]()

    def read(*_: object) -> None:
        during.append((tmp_path / "training.jsonl").read_text())

    monkeypatch.setattr(learning, "save", read)
    job = job_of("sft", family("llama"), tmp_path)
    (tmp_path / "job.json").write_text(job.model_dump_json())
    sft.main(str(tmp_path / "job.json"), str(tmp_path))
    assert during == [(tmp_path / "training.jsonl").read_text()]
    assert [entry["step"] for entry in map(json.loads, during[0].splitlines()) if "loss" in entry] == list(range(1, 9))

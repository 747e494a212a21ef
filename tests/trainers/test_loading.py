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
from test_resuming import job_of, sft_row
from transformers import TrainingArguments

from selfimprove.errors import InputError
from selfimprove.records import TrackRow, TrainingJob
from selfimprove.trainers import distill, dpo, grpo, kto, precision, preflight, rloo, sft
from selfimprove.trainers.loading import begun, load, rows_of, save


def made(job: TrainingJob) -> Any:
    """Give the trainer of a job, in this process."""
    if job.method in {"grpo", "rloo", "distill"}:
        return {"grpo": grpo, "rloo": rloo, "distill": distill}[job.method]._trainer(job)
    tokenizer, model = load(job)
    module: Any = {"sft": sft, "dpo": dpo, "kto": kto}[job.method]
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


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize("settings", [{}, {"full": True}], ids=["adapter", "full"])
def test_a_processor_trains_in_what_it_is_fastest_in(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, settings: dict[str, Any]
) -> None:
    """One without bfloat16 products would take eight times as long in it: every weight is then of float32."""
    monkeypatch.setattr(precision, "cpu_dtype", lambda: kind)
    job = job_of("sft", family("llama"), tmp_path)
    job = job.model_copy(update={"settings": {**job.settings, **settings}})
    model, _ = begun(load(job)[1], job)
    assert {parameter.dtype for parameter in model.parameters()} == {getattr(torch, kind)}


def test_others_may_read_an_adapter(tmp_path: Path) -> None:
    """The safetensors library lets nobody but its owner read what it writes; the files beside it are for all."""

    class Adapted:
        peft_config = None

        def save_pretrained(self, folder: str, selected_adapters: list[str]) -> None:
            assert selected_adapters == ["default"]
            file = Path(folder) / "adapter_model.safetensors"
            file.touch(mode=0o600)

    trainer = SimpleNamespace(
        is_fsdp_enabled=False, is_deepspeed_enabled=False, is_world_process_zero=lambda: True, model=Adapted(),
        accelerator=SimpleNamespace(unwrap_model=lambda model: model),
    )  # fmt: skip
    save(trainer, str(tmp_path))
    assert (tmp_path / "adapter_model.safetensors").stat().st_mode & 0o777 == 0o644


def test_shards_are_gathered_before_they_are_written(tmp_path: Path) -> None:
    """Of the kind that accelerate takes by default transformers would write nothing; a reference is no part of it."""
    asked = list[str]()

    def written(folder: str) -> None:
        assert asked == ["FULL_STATE_DICT"]
        for name in ("adapter_model.safetensors", "training_args.bin", "ref/adapter_model.safetensors"):
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            (Path(folder) / name).touch()

    plugin = SimpleNamespace(set_state_dict_type=asked.append)
    trainer = SimpleNamespace(
        is_fsdp_enabled=True, is_deepspeed_enabled=False, is_world_process_zero=lambda: True, save_model=written,
        accelerator=SimpleNamespace(state=SimpleNamespace(fsdp_plugin=plugin)),
    )  # fmt: skip
    save(trainer, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["adapter_model.safetensors"]


@pytest.mark.parametrize(
    ("kind", "every", "times"),
    [(torch.float32, 100, 10), (torch.bfloat16, 100, 22.9), (torch.float32, 0, 1), (torch.bfloat16, 0, 1)],
)
def test_three_checkpoints_have_to_fit_beside_what_comes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any, every: int, times: float
) -> None:
    """The third is written before the first goes, each 3 times the trained weights, or 7.3 where those are narrow.

    Where none is written, what comes out is all.
    """
    job = TrainingJob(model="", rows="", out=str(tmp_path / "adapter"), settings={"checkpoint_steps": every})
    model = torch.nn.Linear(1000, 1, bias=False, dtype=kind)
    needed = times * 1000 * kind.itemsize
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: SimpleNamespace(free=0.99 * needed))
    with pytest.raises(InputError, match="make room and run the same command again"):
        preflight.check_room(job, model)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: SimpleNamespace(free=1.01 * needed))
    preflight.check_room(job, model)


def test_the_reference_is_in_each_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for three copies of it more, and none where there are no checkpoints."""
    model = torch.nn.ModuleDict({"default": torch.nn.Linear(1000, 1, bias=False)})
    model["lora"] = torch.nn.ModuleDict({"ref": torch.nn.Linear(1000, 1, bias=False)})
    model["lora"].requires_grad_(requires_grad=False)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: SimpleNamespace(free=12 * 4000))
    job = TrainingJob(model="", rows="", out=str(tmp_path / "adapter"), settings={"checkpoint_steps": 5})
    with pytest.raises(InputError, match="make room"):
        preflight.check_room(job, model)
    monkeypatch.setattr(preflight.shutil, "disk_usage", lambda _: SimpleNamespace(free=13 * 4000))
    preflight.check_room(job, model)


def test_a_row_may_hold_what_ends_a_line_in_a_text(tmp_path: Path) -> None:
    """JSON leaves U+2028 and its like as they are: rows that a campaign wrote have to be those that are trained on."""
    (tmp_path / "rows.jsonl").write_text(sft_row(0, "one\u2028two\u0085three", "5").model_dump_json() + "\n", "utf-8")
    job = TrainingJob(model="", rows=str(tmp_path / "rows.jsonl"), out=str(tmp_path / "adapter"))
    assert [row.inputs["problem"] for row in rows_of(job, TrackRow)] == ["one\u2028two\u0085three"]

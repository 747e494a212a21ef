"""The bench of trainers runs from end to end on a tiny random model."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch

BENCH = "training"
SMALL = {"BATCH": 2, "TURNS": 2, "GROUPS": 2, "TRIES": 2, "TOKENS": 6, "ROLLOUTS": 2, "IN_MEMORY": 2, "AT_ONCE": (2, 4)}


@pytest.fixture
def tiny(bench: ModuleType, family: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the bench on a tiny Llama, in the smallest sizes."""
    for name, value in SMALL.items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(bench, "fetch", lambda _: family("llama"))
    rows = list(bench.TASK.problems("train"))[:8]
    monkeypatch.setattr(type(bench.TASK), "problems", lambda *_: rows)
    return bench


def test_all_parts_give_their_keys(
    tiny: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each trainer beside its bare loop, and steps of reinforcement beside plain TRL's, with informative groups and memory."""
    monkeypatch.setenv("PARTS", "memory,sft,dpo,kto,distill,grpo")
    tiny.main()
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert all(told[f"{method}_share_of_bare_loop"] > 0 for method in tiny.TRAINERS)
    assert told["grpo_times_trl"] == pytest.approx(told["grpo_step_s"] / told["trl_step_s"], rel=0.2)
    assert 0 < told["grpo_peak_gb"]["2"] <= told["grpo_peak_gb"]["4"]
    assert 0 <= told["informative_groups"] <= 1
    assert 0 <= told["trl_informative_groups"] <= 1


@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "distill"])
def test_a_bare_loop_has_the_loss_of_its_trainer(tiny: ModuleType, tmp_path: Path, method: str) -> None:
    """On a batch of the trainer's own, with an adapter that changes something."""
    trainer, _ = tiny.TRAINERS[method](tmp_path / method)
    batch = tiny.recorded(trainer)[0]
    torch.manual_seed(1)
    with torch.no_grad():
        for name, weight in trainer.model.named_parameters():
            if "lora_B" in name:
                weight.copy_(torch.randn_like(weight) * 0.05)
    loss = trainer.compute_loss(trainer.model, dict(batch)).item()
    assert tiny.LOSSES[method](trainer.model, batch).item() == pytest.approx(loss, rel=0.05)
    assert abs(loss - {"dpo": math.log(2), "kto": 0.5}.get(method, 0.0)) > 1e-3  # what an adapter without effect has


def test_plain_trl_is_taken_as_it_comes(tiny: ModuleType, tmp_path: Path) -> None:
    """TRL's trainer has the attention that transformers takes unasked, as our engine's copy has, not that of `load`."""
    job, rows, settings = tiny.practice_job(tmp_path, tiny.IN_MEMORY)
    plain = tiny.plain_trainer(job, settings, ["one plus one"] * len(rows), rows)
    assert plain.model.config._attn_implementation == "sdpa"
    assert (plain.args.num_train_epochs, plain.args.max_steps, plain.args.gradient_checkpointing) == (1.0, 1, False)

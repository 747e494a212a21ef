"""What a training says it has trained on, where it made fewer or more steps than an epoch has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_resuming import job_of

from selfimprove.trainers import dpo, kto, learning, sft


@pytest.mark.parametrize(
    ("method", "module", "steps", "epochs"), [("sft", sft, 2, 0.5), ("dpo", dpo, 2, 0.25), ("kto", kto, 12, 1.5)]
)
def test_tokens_are_counted_by_the_steps_made(
    family: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    module: Any,
    steps: int,
    epochs: float,
) -> None:
    """With max_steps the count is of what was gone over, not of all rows, so that other arms get no more."""
    from tiny_models import tokenizer

    monkeypatch.setattr(learning, "die_with_parent", lambda: None)  # it runs in this process
    job = job_of(method, family("llama"), tmp_path)
    given = {**job.settings[method], "max_steps": steps}  # type: ignore[dict-item]
    job = job.model_copy(update={"settings": {**job.settings, method: given, "checkpoint_steps": 0}})
    (tmp_path / "job.json").write_text(job.model_dump_json())
    module.main(str(tmp_path / "job.json"), str(tmp_path))
    made = json.loads((tmp_path / "metrics.json").read_text())
    read, trained = {
        "sft": (sft.job_examples, sft.loss_tokens),
        "dpo": (dpo.job_pairs, lambda pair: pair.replies),
        "kto": (kto.job_rows, lambda row: len(row.reply)),
    }[method]
    whole = sum(map(trained, read(job, tokenizer())))  # type: ignore[operator, arg-type, call-overload]
    assert made["steps"] == steps
    assert made["trained_tokens"] == round(epochs * whole)
    assert made["rows"] == 24

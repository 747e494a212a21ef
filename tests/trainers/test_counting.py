"""What a training says it has trained on, where it made fewer or more steps than an epoch has."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_resuming import job_of

from selfimprove.trainers import dpo, kto, sft


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
    made, whole = run(family("llama"), tmp_path, monkeypatch, method, module, steps)
    assert made["steps"] == steps
    assert made["trained_tokens"] == round(epochs * whole)
    assert made["rows"] == 24


@pytest.mark.parametrize(("method", "module", "most"), [("sft", sft, 3), ("dpo", dpo, 3)])
def test_most_steps_are_a_ceiling_beside_a_budget_of_tokens(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, module: Any, most: int
) -> None:
    """More steps than the tokens take are not made, so that arms are trained on the same; fewer end it earlier."""
    for name, steps, made_steps in (("more", 40, most), ("fewer", 2, 2)):
        made, _ = run(family("llama"), tmp_path / name, monkeypatch, method, module, steps, 200)
        assert made["steps"] == made_steps
        assert (made["trained_tokens"] >= 200) is (steps > most)


def run(
    model: Path, folder: Path, patch: pytest.MonkeyPatch, method: str, module: Any, steps: int, tokens: int = 0
) -> tuple[dict[str, Any], int]:
    """Train in this process, and give the metrics with the tokens of all rows."""
    from tiny_models import tokenizer

    job = job_of(method, model, folder)
    given = {**job.settings[method], "max_steps": steps}  # type: ignore[dict-item]
    settings = {**job.settings, method: given, "checkpoint_steps": 0}
    job = job.model_copy(update={"settings": settings, "trained_tokens": tokens})
    (folder / "job.json").write_text(job.model_dump_json())
    module.main(str(folder / "job.json"), str(folder))
    read, trained = {
        "sft": (sft.job_examples, sft.loss_tokens),
        "dpo": (dpo.job_pairs, lambda pair: pair.replies),
        "kto": (kto.job_rows, lambda row: len(row.reply)),
    }[method]
    whole = sum(map(trained, read(job, tokenizer())))  # type: ignore[operator, arg-type, call-overload]
    return json.loads((folder / "metrics.json").read_text()), whole

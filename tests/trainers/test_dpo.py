"""Preference training for real, on a tiny random model, in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from warm_trainer import Warm

from selfimprove.errors import TrainingError
from selfimprove.programs import program_for
from selfimprove.records import Adapter, PreferenceRow, TrackRow, TrainingJob
from selfimprove.render import training_example
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.trainers import dpo
from selfimprove.trainers.loading import load
from selfimprove.trainers.process import ProcessTrainer

SOLVE = program_for("solve", Arithmetic())
Train = Callable[[TrainingJob], Adapter]


@pytest.fixture
def train(warm: Warm) -> Train:
    """Give what trains, in a process of its own."""
    return ProcessTrainer(launcher=warm.launcher).train


def pair(index: int) -> PreferenceRow:
    """Give a right sum over a wrong one."""
    return PreferenceRow(
        id=f"{index:02d}", program="solve", inputs={"problem": f"What is {index} + 1?"},
        chosen=f"{index} + 1 = {index + 1}\nAnswer: {index + 1}", rejected=f"{index} + 1 = 77\nAnswer: 77",
        problem=str(index), lesson="", round=1,
    )  # fmt: skip


@pytest.fixture
def job(family: Callable[[str], Path], tmp_path: Path) -> TrainingJob:
    """Give a job of eight pairs on a tiny Llama."""
    (tmp_path / "pairs.jsonl").write_text("".join(pair(i).model_dump_json() + "\n" for i in range(8)))
    return TrainingJob(
        model=str(family("llama")),
        rows=str(tmp_path / "pairs.jsonl"),
        out=str(tmp_path / "dpo" / "adapter"),
        method="dpo",
        program_state={"solve": SOLVE.dump()},
        settings={"dpo": {"per_device_train_batch_size": 4, "learning_rate": 1e-2, "num_train_epochs": 4}},
        seed=3,
    )


def margin(job: TrainingJob, adapter: str) -> float:
    """Mean log-probability of the chosen replies less that of the rejected ones."""
    from peft import PeftModel

    tokenizer, model = load(job)
    model = PeftModel.from_pretrained(model, adapter) if adapter else model

    def logprob(row: PreferenceRow, text: str) -> float:
        made = training_example(tokenizer, SOLVE.messages(row.inputs), text)
        with torch.no_grad():
            scores = model(torch.tensor([made.ids])).logits[0].float().log_softmax(-1)
        places = range(made.prompt_length, len(made.ids))
        return sum(scores[at - 1, made.ids[at]].item() for at in places)

    return sum(logprob(row, row.chosen) - logprob(row, row.rejected) for row in map(pair, range(8))) / 8


def test_what_is_preferred_gets_likelier(job: TrainingJob, train: Train) -> None:
    """Over a fresh adapter: the margin grows, the loss falls, and the folder holds one adapter in safetensors."""
    made = train(job)
    assert margin(job, made.path) > margin(job, "") + 1
    lines = [json.loads(line) for line in (Path(made.path) / "training.jsonl").read_text().splitlines()]
    assert any("rewards/margins" in line for line in lines)
    files = {path.name for path in Path(made.path).iterdir()}
    assert {"adapter_model.safetensors", "adapter_config.json", "metrics.json"} <= files
    assert "ref" not in files
    assert made.loss < 0.69  # of a model that prefers nothing


def test_the_supervised_adapter_is_the_reference(job: TrainingJob, train: Train, tmp_path: Path) -> None:
    """Going on from an adapter, the first loss is that of no preference: the start is its own reference."""
    row = TrackRow(
        id="a", track="track_b", program="solve", inputs={"problem": "What is 1 + 1?"}, target="2\nAnswer: 2",
        answer="2", problem="p", source="reference", round=1,
    )  # fmt: skip
    (tmp_path / "rows.jsonl").write_text(row.model_dump_json() + "\n")
    sft = {"learning_rate": 1e-2, "num_train_epochs": 5}
    first = job.model_copy(
        update={
            "method": "sft",
            "rows": str(tmp_path / "rows.jsonl"),
            "out": str(tmp_path / "sft"),
            "settings": {"sft": sft},
        }
    )
    start = train(first)
    dpo = {"per_device_train_batch_size": 8, "learning_rate": 1e-3, "num_train_epochs": 2, "logging_steps": 1}
    made = train(job.model_copy(update={"start": start.path, "settings": {"dpo": dpo}}))
    lines = [json.loads(line) for line in (Path(made.path) / "training.jsonl").read_text().splitlines()]
    assert lines[0]["loss"] == pytest.approx(0.693147, abs=1e-5)


def test_the_base_is_the_reference_of_a_new_adapter(job: TrainingJob) -> None:
    """Without a copy of the adapter beside it, and the first loss is that of no preference too."""
    settings = {"dpo": {"per_device_train_batch_size": 8, "logging_steps": 1}}
    first = job.model_copy(update={"settings": settings})
    tokenizer, model = load(first)
    trainer = dpo._trainer(first, tokenizer, model, dpo.job_pairs(first, tokenizer))
    assert list(trainer.model.peft_config) == ["default"]
    trainer.train()
    assert trainer.state.log_history[0]["loss"] == pytest.approx(0.693147, abs=1e-5)


def test_as_many_trained_tokens_as_asked_and_the_same_bytes_again(
    job: TrainingJob, train: Train, tmp_path: Path
) -> None:
    """Pairs are walked until the count of both replies is reached; the same job gives the same adapter."""
    told = [{"out": str(tmp_path / name / "adapter"), "trained_tokens": 900} for name in ("one", "other")]
    one, other = (train(job.model_copy(update=how)) for how in told)
    assert 900 <= one.trained_tokens <= 1000
    weights = [(Path(made.path) / "adapter_model.safetensors").read_bytes() for made in (one, other)]
    assert weights[0] == weights[1]


def test_pairs_too_long_are_told(job: TrainingJob, train: Train) -> None:
    """No pair within the limit is an error in one sentence."""
    with pytest.raises(TrainingError, match=r"none of its 8 pairs fits max_length = 20"):
        train(job.model_copy(update={"settings": {"dpo": {"max_length": 20}}}))

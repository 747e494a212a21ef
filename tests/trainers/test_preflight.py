"""What is looked at before a training, each without the training; the rest is in test_sft and test_process."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_resuming import job_of

from selfimprove.errors import InputError
from selfimprove.render import TrainingExample
from selfimprove.trainers import distill, dpo, grpo, kto, rloo, sft
from selfimprove.trainers.loading import base_of, load
from selfimprove.trainers.preflight import NOTE, check_loss, try_longest, within_reach


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
    check_loss(job_of("sft", family("llama"), tmp_path), [3, 1])
    with pytest.raises(InputError, match="1 of 2 rows have no token"):
        check_loss(job_of("sft", family("llama"), tmp_path), [3, 0])


class Tries:
    """A trainer of one weight that keeps what it was tried on."""

    def __init__(self, order: str = "random") -> None:
        self.args = SimpleNamespace(train_sampling_strategy=order, per_device_train_batch_size=2)
        self.args.gradient_checkpointing = False
        self.is_fsdp_enabled = self.is_deepspeed_enabled = False
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
    shared = Tries()
    shared.is_fsdp_enabled = True
    try_longest(shared, [len(row) for row in shared.train_dataset])
    assert shared.tried == []  # its weights come to their devices when training begins


@pytest.mark.parametrize("method", ["dpo", "grpo"])
def test_the_longest_batch_is_tried_as_a_step_is_made(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """In training mode, and with checkpoints of activations where they are asked for: it takes no more memory."""
    monkeypatch.setitem(sys.modules, "letters", SimpleNamespace(count=lambda _: 1.0))
    kind = {"dpo": dpo.PairTrainer, "grpo": grpo.EngineTrainer}[method]
    seen, whole = list[tuple[bool, bool]](), kind.compute_loss

    def looked_at(trainer: Any, *given: Any, **more: Any) -> Any:
        layer = base_of(trainer.model).model.layers[0]
        seen.append((layer.training, layer.gradient_checkpointing))
        return whole(trainer, *given, **more)

    monkeypatch.setattr(kind, "compute_loss", looked_at)
    job = job_of(method, family("llama"), tmp_path)
    own: Any = {**job.settings[method], "gradient_checkpointing": True}  # type: ignore[dict-item]
    own["gradient_checkpointing_kwargs"] = {"every_n_layers": 1}
    job = job.model_copy(update={"settings": {**job.settings, method: own}})
    if method == "dpo":
        tokenizer, model = load(job)
        dpo._trainer(job, tokenizer, model, dpo.job_pairs(job, tokenizer))
    else:
        grpo._trainer(job)
    assert seen == [(True, True)]


@pytest.mark.parametrize("method", ["grpo", "rloo", "distill"])
def test_the_longest_tries_go_first_where_the_student_writes(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A batch of the longest prompt with the longest completion, forward and backward, by the trainer's own loss."""
    monkeypatch.setitem(sys.modules, "letters", SimpleNamespace(count=lambda _: 1.0))
    kind = {"grpo": grpo.EngineTrainer, "rloo": rloo.EngineTrainer, "distill": distill.EngineTrainer}[method]
    tried, whole = list[tuple[int, ...]](), kind.compute_loss

    def looked_at(trainer: Any, model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:
        tried.append((*inputs["prompt_ids"].shape, inputs["completion_ids"].shape[1]))
        return whole(trainer, model, inputs, *rest, **more)

    monkeypatch.setattr(kind, "compute_loss", looked_at)
    job = job_of(method, family("llama"), tmp_path)
    made = {"grpo": grpo, "rloo": rloo, "distill": distill}[method]._trainer(job)
    coach = made.coach
    assert tried == [(made.args.per_device_train_batch_size, max(map(len, coach.prompts)), 8)]
    assert all(weight.grad is None for weight in made.model.parameters())
    assert not made._metrics["train"]


def test_prompts_without_room_for_a_completion_are_left_out(
    family: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model takes 20 tokens, a completion needs 8: prompts over 12 are counted, and refused where none is left."""
    job, config = job_of("grpo", family("llama"), tmp_path), SimpleNamespace(max_position_embeddings=20)
    model = SimpleNamespace(config=SimpleNamespace(get_text_config=lambda: config))
    prompts = [[1] * size for size in (12, 13, 5, 30)]
    assert within_reach(job, "abcd", prompts, model, 8) == (["a", "c"], [prompts[0], prompts[2]])
    said = capsys.readouterr().out
    assert said.startswith(
        f"{NOTE}2 of 4 prompts (50\N{NO-BREAK SPACE}%) leave no room for a completion of train.grpo.max_completion"
    )
    assert "the longest has 30 tokens" in said
    with pytest.raises(InputError, match=r"none of its 1 prompts leaves room .* in the 20 tokens the model takes"):
        within_reach(job, "a", prompts[1:2], model, 8)
    config.max_position_embeddings = None
    assert within_reach(job, "abcd", prompts, model, 8) == (list("abcd"), prompts)

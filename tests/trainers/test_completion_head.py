"""The head that sees completions alone says what TRL's says, with its gradients."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

from selfimprove.trainers import completion_head
from selfimprove.trainers.completion_head import CompletionHead, score_completions

TEMPERATURE = 0.7
TOLD = ("log_probs", "entropy", "mean_logits", "is_top1")


def tiny(kind: Any = torch.float32, *, tied: bool = False) -> Any:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        head_dim=8,
        tie_word_embeddings=tied,
    )
    return LlamaForCausalLM(config).to(kind)


def asked(model: Any, labels: Any, **how: Any) -> Any:
    ids = torch.arange(1, 1 + labels.numel()).reshape(labels.shape) % 50
    mask = torch.ones_like(ids)
    mask[0, -2:] = 0
    return model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True, **how)


def labelled() -> Any:
    labels = torch.arange(11, 11 + 36).reshape(4, 9) % 50
    labels[:, :4] = -100
    labels[0, -2:] = -100
    return labels


def both(monkeypatch: pytest.MonkeyPatch, chunk: int, **how: Any) -> tuple[Any, Any]:
    monkeypatch.setattr(completion_head, "_CHUNK", chunk)
    ours, theirs = tiny(**how), tiny(**how)
    for model in (ours, theirs):
        add_fused_lm_head(model, temperature=TEMPERATURE, outputs=TOLD)
    score_completions(ours, TEMPERATURE)
    return ours, theirs


@pytest.mark.parametrize("chunk", [1024, 3])
@pytest.mark.parametrize("tied", [False, True])
def test_scores_and_gradients_are_trls(monkeypatch: pytest.MonkeyPatch, chunk: int, *, tied: bool) -> None:
    """At labelled tokens, those of the head too, whether the logits are kept or made again."""
    ours, theirs = both(monkeypatch, chunk, tied=tied)
    found, expected = (asked(model, labelled()) for model in (ours, theirs))
    for name in (*TOLD, "label_mask", "loss"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), msg=name)
    for made in (found, expected):
        (made.log_probs * torch.linspace(-1, 2, 8)).sum().backward()
    moved = {name: p.grad for name, p in ours.named_parameters()}
    for name, parameter in theirs.named_parameters():
        assert parameter.grad.abs().sum() > 0, name
        torch.testing.assert_close(moved[name], parameter.grad, msg=name)


def test_the_loss_is_over_as_many_items_as_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with TRL's head."""
    ours, theirs = both(monkeypatch, 1024)
    found, expected = (asked(model, labelled(), num_items_in_batch=7) for model in (ours, theirs))
    torch.testing.assert_close(found.loss, expected.loss)


def test_in_half_precision_it_is_as_near_as_bf16_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundredth of a nat."""
    ours, theirs = both(monkeypatch, 1024, kind=torch.bfloat16)
    found, expected = (asked(model, labelled()) for model in (ours, theirs))
    assert found.log_probs.dtype == torch.float32
    torch.testing.assert_close(found.log_probs, expected.log_probs, atol=0.01, rtol=0.01)


def test_the_head_sees_labelled_tokens_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """18 of the 32 that could be told."""
    ours, _ = both(monkeypatch, 1024)
    seen = list[int]()
    real = completion_head._logits
    monkeypatch.setattr(completion_head, "_logits", lambda product, t: seen.append(len(product)) or real(product, t))
    asked(ours, labelled())
    assert seen == [18]


def test_where_nothing_is_labelled_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loss is 0, and still of the model."""
    ours, _ = both(monkeypatch, 1024)
    made = asked(ours, torch.full((4, 9), -100))
    assert made.loss == 0
    made.loss.backward()
    assert not any(p.grad is not None and p.grad.abs().sum() > 0 for p in ours.parameters())


def test_what_is_not_asked_for_the_head_is_the_models_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits and generation are as before."""
    ours, theirs = both(monkeypatch, 1024)
    ids = torch.tensor([[1, 2, 3]])
    torch.testing.assert_close(ours(ids).logits, theirs(ids).logits)
    how = {"max_new_tokens": 3, "do_sample": False, "pad_token_id": 0}
    assert ours.generate(ids, **how).tolist() == theirs.generate(ids, **how).tolist()


class Plain:
    """What of TRL's trainers the mixin stands before."""

    def __init__(self, model: Any, processes: int) -> None:
        self.model, self.args = model, SimpleNamespace(device=torch.device("cpu"))
        self.accelerator = SimpleNamespace(num_processes=processes)


class Ours(CompletionHead, Plain):
    """With the mixin."""


@pytest.mark.parametrize("why", ["nothing", "processes", "bonus", "weighted", "capped", "family"])
def test_the_head_is_trls_where_ours_would_be_wrong(why: str) -> None:
    """Several processes, an entropy bonus, weighted pairs, a head with a bias, a family that scales its logits."""
    model, kind = tiny(), Ours
    if why == "capped":
        model.lm_head = torch.nn.Linear(16, 50)
    elif why == "family":
        model.config.model_type = "cohere"
    elif why == "bonus":
        kind = type("Bonus", (Ours,), {"_entropy_bonus_enabled": True})
    elif why == "weighted":
        kind = type("Weighted", (Ours,), {"use_weighting": True})
    before = model.forward
    made = kind(model, 2 if why == "processes" else 1)
    assert made.narrow is (why == "nothing")
    assert (model.forward == before) is not made.narrow

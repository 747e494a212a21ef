"""The loss and gradients of reinforcement are TRL's own, over the completions that move something."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM
from trl.trainer.utils import add_fused_lm_head

from selfimprove.trainers.only_moving import OnlyMoving

PROMPT, COMPLETION, ROWS = 5, 7, 4


class Plain:
    """What of TRL's trainers the mixin stands before: log-probabilities by TRL's head, and the loss of `dapo`."""

    args = SimpleNamespace(device=torch.device("cpu"))
    accelerator = SimpleNamespace(num_processes=1, autocast=nullcontext)
    beta = 0.0
    top_entropy_quantile = 1.0
    _entropy_bonus_enabled = False
    narrow = True

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, **how: Any
    ) -> Any:
        labels = input_ids.masked_fill(attention_mask == 0, -100)
        labels[:, :-logits_to_keep] = -100
        made = model(input_ids=input_ids, attention_mask=attention_mask, labels=labels, fused_lm_head=True)
        return made.log_probs[:, -logits_to_keep:], made.entropy[:, -logits_to_keep:], None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        ids = torch.cat([inputs["prompt_ids"], inputs["completion_ids"]], 1)
        mask = torch.cat([inputs["prompt_mask"], inputs["completion_mask"]], 1)
        made, self.entropy, _ = self._get_per_token_logps_and_entropies(
            model, ids, mask, COMPLETION, compute_entropy=True
        )
        ratio = (made - made.detach()).exp()
        each = -torch.min(ratio, ratio.clamp(0.8, 1.2)) * inputs["advantages"][:, None]
        return (each * inputs["completion_mask"]).sum() / inputs["completion_mask"].sum()


class Ours(OnlyMoving, Plain):
    """With the mixin."""


def tiny() -> Any:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=50, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, head_dim=8
    )
    model = LlamaForCausalLM(config).float()
    model.lm_head.weight.requires_grad_(False)  # noqa: FBT003 - torch's signature
    add_fused_lm_head(model, outputs=("log_probs", "entropy"))
    return model


def batch(advantages: list[float]) -> dict[str, Any]:
    torch.manual_seed(4)
    prompt_mask, completion_mask = torch.ones(ROWS, PROMPT).long(), torch.ones(ROWS, COMPLETION).long()
    prompt_mask[0, :2] = 0
    completion_mask[1, 4:] = 0
    return {
        "prompt_ids": torch.randint(1, 50, (ROWS, PROMPT)),
        "prompt_mask": prompt_mask,
        "completion_ids": torch.randint(1, 50, (ROWS, COMPLETION)),
        "completion_mask": completion_mask,
        "advantages": torch.tensor(advantages),
    }


def stepped(trainer: Any, given: dict[str, Any]) -> tuple[Any, dict[str, Any], Any]:
    model = tiny()
    loss = trainer._compute_loss(model, dict(given))
    loss.backward()
    return loss.detach(), {n: p.grad for n, p in model.named_parameters() if p.requires_grad}, trainer.entropy


@pytest.mark.parametrize("advantages", [[1.0, -0.5, 0.25, 2.0], [1.0, 0.0, -1.0, 0.0]])
def test_loss_and_gradients_are_trls(advantages: list[float]) -> None:
    """Also where completions without an advantage are left out."""
    (loss, moved, _), (other, expected, _) = stepped(Ours(), batch(advantages)), stepped(Plain(), batch(advantages))
    torch.testing.assert_close(loss, other)
    assert any(grad is not None and grad.abs().sum() > 0 for grad in expected.values())
    for name, grad in expected.items():
        torch.testing.assert_close(moved[name], grad, msg=name)


def test_entropies_are_trls_where_all_move() -> None:
    """In nats, at the completion's tokens."""
    given = batch([1.0, -0.5, 0.25, 2.0])
    _, _, found = stepped(Ours(), given)
    _, _, expected = stepped(Plain(), given)
    there = given["completion_mask"] > 0
    torch.testing.assert_close(found[there], expected[there].float())


def test_a_batch_without_an_advantage_costs_no_pass_and_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """All groups are alike: the loss is 0 and so is each gradient, and there is no entropy to tell of."""
    monkeypatch.setattr(Plain, "_get_per_token_logps_and_entropies", lambda *_: pytest.fail("the model was asked"))
    loss, moved, entropy = stepped(Ours(), batch([0.0] * ROWS))
    assert loss == 0
    assert entropy.isnan().all()
    assert not any(grad is not None and grad.abs().sum() > 0 for grad in moved.values())


def test_what_a_step_tells_of_entropy_is_of_what_moves_it() -> None:
    """Completions that are left out get the mean of the others."""
    given = batch([1.0, 0.0, -1.0, 0.0])
    _, _, found = stepped(Ours(), given)
    others, mean = found[[1, 3]], found[[0, 2]].mean()
    torch.testing.assert_close(others, mean.expand_as(others))


@pytest.mark.parametrize("why", ["nothing", "reference", "old", "quantile", "entropy", "head"])
def test_everything_is_scored_where_it_counts(why: str) -> None:
    """A reference, log-probabilities from before, entropy that chooses tokens or is rewarded, a head of TRL's own."""
    given, trainer, seen = batch([1.0, 0.0, -1.0, 0.0]), Ours(), list[int]()
    model = tiny()
    if why == "reference":
        trainer.beta = 0.1
    elif why == "old":
        given["old_per_token_logps"] = torch.zeros(ROWS, COMPLETION)
    elif why == "quantile":
        trainer.top_entropy_quantile = 0.2
    elif why == "entropy":
        trainer._entropy_bonus_enabled = True
    elif why == "head":
        trainer.narrow = False
    model.model.register_forward_pre_hook(lambda _, __, how: seen.append(len(how["input_ids"])), with_kwargs=True)
    trainer._compute_loss(model, given)
    assert seen == [2 if why == "nothing" else ROWS]

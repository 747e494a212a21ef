"""The head of a student in training sees the completions alone, on a CPU.

Where there is no Triton, TRL's fused head scores every position, those of prompts and padding too, and takes gradients
in float32; that made half of a step's time (6.4 s against 3.2 s for 1,500 tokens of SmolLM2-135M, one run). Here it
sees the hidden states of labelled tokens, in the model's own precision. The losses over it are TRL's.
"""

from __future__ import annotations

from functools import wraps
from types import MethodType
from typing import Any, Final

import torch
from trl.trainer.utils import FusedCausalLMOutput

from selfimprove.trainers.loading import base_of

PLAIN_HEADS: Final = {"llama", "mistral", "phi3", "qwen2", "qwen3", "smollm3"}
"""Families whose logits are the head's output as it is, neither scaled nor capped."""
_CHUNK: Final = 1024  # positions whose logits are held at once
_IGNORED: Final = -100  # the label of a token that carries no loss


class CompletionHead:
    """Before a trainer of TRL's in the bases: its head is ours on one process on a CPU; elsewhere TRL's own."""

    args: Any
    accelerator: Any
    model: Any
    narrow: bool
    """Whether the head is ours."""

    def __init__(self, *given: Any, **how: Any) -> None:
        super().__init__(*given, **how)
        base = base_of(self.model)
        alone = self.args.device.type == "cpu" and self.accelerator.num_processes == 1
        # The bonus has a gradient through the entropies, and weights of pairs take a score that ours does not give.
        more = getattr(self, "_entropy_bonus_enabled", False) or getattr(self, "use_weighting", False)
        self.narrow = alone and not more and has_plain_head(base)
        if self.narrow:
            score_completions(base, float(getattr(self, "temperature", 1.0)))


def has_plain_head(base: Any) -> bool:
    """Say whether a model's logits are its hidden states times one matrix."""
    head = base.get_output_embeddings()
    return base.config.model_type in PLAIN_HEADS and type(head) is torch.nn.Linear and head.bias is None


def score_completions(base: Any, temperature: float = 1.0) -> None:
    """Let a model with TRL's fused head score labelled tokens alone where that head is asked for.

    Args:
        base: with `add_fused_lm_head`, and a plain head.
        temperature: that logits are divided by.
    """
    theirs = base.forward

    @wraps(type(base).forward)  # whose signature `generate` looks at
    def forward(self: Any, *given: Any, fused_lm_head: bool = False, **how: Any) -> Any:
        if not fused_lm_head or how.get("shift_labels") is not None:
            return theirs(*given, fused_lm_head=fused_lm_head, **how)
        labels, count = how.pop("labels")[:, 1:], how.pop("num_items_in_batch", None)
        hidden = self.base_model(*given, **{**how, "use_cache": False}).last_hidden_state[:, :-1]
        there = labels != _IGNORED
        made = TokenScores.apply(hidden[there], self.get_output_embeddings().weight, labels[there], temperature)  # type: ignore[no-untyped-call]
        # Scattered, the scores stay connected to the model where no token is labelled.
        scores = [score.new_zeros(there.shape).masked_scatter(there, score) for score in made]
        total = -scores[0].sum() / torch.as_tensor(there.sum() if count is None else count).clamp(min=1)
        names = ("log_probs", "entropy", "mean_logits", "is_top1")
        return FusedCausalLMOutput(loss=total, label_mask=there, **dict(zip(names, scores, strict=True)))

    base.forward = MethodType(forward, base)


class TokenScores(torch.autograd.Function):
    """What a head says of tokens at hidden states."""

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, chosen: Any, temperature: float) -> tuple[Any, ...]:
        """Score tokens.

        Args:
            ctx: of autograd.
            hidden: shape `[T, width]`.
            weight: the head's, shape `[vocabulary, width]`.
            chosen: token ids, shape `[T]`.
            temperature: that logits are divided by.

        Returns:
            Of shape `[T]`, the first three in float32: log-probabilities in nats, and without a gradient entropies in
            nats, mean logits, and whether no token is likelier.
        """
        parts: list[tuple[Any, ...]] = []
        norms = list[Any]()
        for at in range(0, max(1, len(hidden)), _CHUNK):
            product, tokens = hidden[at : at + _CHUNK] @ weight.T, chosen[at : at + _CHUNK]
            logits = _logits(product, temperature)
            top1, mean, norm = logits.argmax(-1) == tokens, logits.mean(-1), logits.logsumexp(-1)
            scored = logits.gather(-1, tokens[:, None])[:, 0] - norm
            entropy = norm - (logits.sub(norm[:, None]).exp_().mul_(logits)).sum(-1)
            parts.append((scored, entropy, mean, top1))
            norms.append(norm)
        ctx.save_for_backward(hidden, weight, chosen, *norms)
        ctx.temperature = temperature
        ctx.product = product if len(hidden) <= _CHUNK else None  # made once where it fits
        found = [torch.cat(part) for part in zip(*parts, strict=True)]
        ctx.mark_non_differentiable(*found[1:])
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, moved: Any, *_: Any) -> tuple[Any, Any, None, None]:
        """Give the gradients of the hidden states and, where it learns, of the head."""
        hidden, weight, chosen, *norms = ctx.saved_tensors
        made = torch.empty_like(hidden)
        learned = torch.zeros_like(weight, dtype=torch.float32) if ctx.needs_input_grad[1] else None
        for number, norm in enumerate(norms):
            part = slice(number * _CHUNK, (number + 1) * _CHUNK)
            product = hidden[part] @ weight.T if ctx.product is None else ctx.product
            step = _logits(product, ctx.temperature).sub_(norm[:, None]).exp_().mul_(-moved[part, None])
            step.scatter_add_(-1, chosen[part, None], moved[part, None].to(step.dtype))
            step = step.div_(ctx.temperature).to(weight.dtype)
            made[part] = step @ weight
            if learned is not None:
                learned += step.T @ hidden[part]
        return made, None if learned is None else learned.to(weight.dtype), None, None


def _logits(product: Any, temperature: float) -> Any:
    """Give a new tensor of logits in float32."""
    return product.to(torch.float32, copy=True).div_(temperature)

"""Log-probabilities of completions for TRL's trainers of reinforcement, taken where the loss can move something.

On a CPU TRL's fused head scores every position, of the prompts too, in float32, and every completion, also of groups
whose tries are all right or all wrong, which have no advantage. That was half of a step. Here the head sees the
hidden states of the completions alone, in the model's own precision, and the model sees the completions alone that have
an advantage: the others' share of the loss is 0 whatever their log-probabilities.
"""

from __future__ import annotations

from typing import Any, Final

import torch

from selfimprove.trainers.completion_loss import PLAIN_HEADS

_CHUNK: Final = 1024  # positions whose logits are held at once


class ChosenLogps(torch.autograd.Function):
    """Log-probability and entropy, in nats, of tokens at hidden states, under a head that does not learn."""

    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any, chosen: Any, temperature: float) -> tuple[Any, Any]:
        """Score tokens.

        Args:
            ctx: of autograd.
            hidden: shape `[T, width]`.
            weight: the head's, shape `[vocabulary, width]`.
            chosen: token ids, shape `[T]`.
            temperature: that logits are divided by.

        Returns:
            Log-probabilities and entropies, both of shape `[T]` in float32; no gradient goes through the entropies.
        """
        scored, entropies, norms = [], [], []
        for at in range(0, len(hidden), _CHUNK):
            logits = _logits(hidden[at : at + _CHUNK], weight, temperature)
            norm = logits.logsumexp(-1)
            scored.append(logits.gather(-1, chosen[at : at + _CHUNK, None])[:, 0] - norm)
            entropies.append(norm - (logits.sub(norm[:, None]).exp_().mul_(logits)).sum(-1))
            norms.append(norm)
        empty = hidden.new_zeros(0, dtype=torch.float32)
        norm, entropy = torch.cat([*norms, empty]), torch.cat([*entropies, empty])
        ctx.save_for_backward(hidden, weight, chosen, norm)
        ctx.temperature = temperature
        ctx.mark_non_differentiable(entropy)
        return torch.cat([*scored, empty]), entropy

    @staticmethod
    def backward(ctx: Any, moved: Any, _: Any) -> tuple[Any, None, None, None]:
        """Give the gradient of the hidden states."""
        hidden, weight, chosen, norm = ctx.saved_tensors
        made = torch.empty_like(hidden)
        for at in range(0, len(hidden), _CHUNK):
            part = slice(at, at + _CHUNK)
            step = _logits(hidden[part], weight, ctx.temperature).sub_(norm[part, None]).exp_()
            step.mul_(-moved[part, None])
            step.scatter_add_(-1, chosen[part, None], moved[part, None].to(step.dtype))
            made[part] = step.div_(ctx.temperature).to(weight.dtype) @ weight
        return made, None, None, None


def _logits(hidden: Any, weight: Any, temperature: float) -> Any:
    return (hidden @ weight.T).float().div_(temperature)


class CompletionLogps:
    """Before a trainer of TRL's in the bases: its log-probabilities on one process on a CPU; elsewhere TRL's own."""

    args: Any
    accelerator: Any
    temperature: float
    _moving: Any = None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        parent: Any = super()
        alone = not getattr(self, "beta", 0.0) and getattr(self, "top_entropy_quantile", 1.0) == 1.0
        if alone and inputs.get("old_per_token_logps") is None and "old_logps" not in inputs:
            self._moving = (inputs["advantages"] != 0) & (inputs["completion_mask"].sum(1) > 0)
        try:
            return parent._compute_loss(model, inputs)  # noqa: SLF001 - its own base
        finally:
            self._moving = None

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, *given: Any, **how: Any
    ) -> tuple[Any, Any, Any]:
        parent: Any = super()
        head = None if getattr(self, "_entropy_bonus_enabled", False) else self._head(model)
        if head is None or given or how.get("compute_aux_loss") or how.get("pixel_values") is not None:
            return parent._get_per_token_logps_and_entropies(  # type: ignore[no-any-return]  # noqa: SLF001
                model, input_ids, attention_mask, logits_to_keep, *given, **how
            )
        rows = torch.arange(len(input_ids)) if self._moving is None else self._moving.nonzero()[:, 0]
        scored = torch.zeros(len(input_ids), logits_to_keep)
        entropies = torch.zeros_like(scored)
        if not len(rows):
            still = next(p for p in model.parameters() if p.requires_grad).sum() * 0.0
            return scored + still, entropies, None
        size = how.get("batch_size") or len(rows)
        for some in rows.split(size):
            ids, mask = input_ids[some], attention_mask[some]
            made, entropy = self._score(model, head, ids, mask, logits_to_keep)
            scored, entropies = scored.index_put((some,), made), entropies.index_put((some,), entropy)
        if len(rows) < len(input_ids):  # what is told of a step is of what moves it
            others = torch.ones(len(input_ids), dtype=torch.bool).index_fill(0, rows, False)  # noqa: FBT003
            entropies[others] = entropies[rows][attention_mask[rows][:, -logits_to_keep:] > 0].mean()
        return scored, entropies if how.get("compute_entropy") else None, None

    def _score(self, model: Any, head: Any, ids: Any, mask: Any, keep: int) -> tuple[Any, Any]:
        """Score the last `keep` tokens of each row that are not padding; the others get 0."""
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        with self.accelerator.autocast():
            hidden = base.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        hidden, there = hidden[:, -keep - 1 : -1], mask[:, -keep:] > 0
        made, entropy = ChosenLogps.apply(hidden[there], head.weight, ids[:, -keep:][there], self.temperature)  # type: ignore[no-untyped-call]
        empty = torch.zeros(there.shape, dtype=made.dtype)
        return empty.masked_scatter(there, made), empty.masked_scatter(there, entropy)

    def _head(self, model: Any) -> Any:
        """Give the head whose logits can be taken as they are; None where TRL's own way is right."""
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        alone = self.args.device.type == "cpu" and self.accelerator.num_processes == 1
        if not alone or base.config.model_type not in PLAIN_HEADS:
            return None
        head = base.get_output_embeddings()
        plain = type(head) is torch.nn.Linear and head.bias is None and not head.weight.requires_grad
        return head if plain else None

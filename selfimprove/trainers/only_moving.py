"""Completions that move nothing are not looked at in the loss of reinforcement.

Groups whose tries are all right or all wrong have no advantage: their share of the loss is 0 whatever their
log-probabilities, so the model is spared them.
"""

from __future__ import annotations

from typing import Any

import torch


class OnlyMoving:
    """Before `CompletionHead` and TRL's GRPO in the bases.

    Nothing is left out where the head is TRL's own, or where a divergence or an entropy is part of the loss.
    """

    narrow: bool
    beta: float
    top_entropy_quantile: float
    _entropy_bonus_enabled: bool
    _moving: Any = None

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        parent: Any = super()
        alone = not self.beta and self.top_entropy_quantile == 1.0 and not self._entropy_bonus_enabled
        if self.narrow and alone and inputs.get("old_per_token_logps") is None:
            self._moving = (inputs["advantages"] != 0) & (inputs["completion_mask"].sum(1) > 0)
        try:
            return parent._compute_loss(model, inputs)  # noqa: SLF001 - its own base
        finally:
            self._moving = None

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, *given: Any, **how: Any
    ) -> tuple[Any, Any, Any]:
        parent: Any = super()
        score = parent._get_per_token_logps_and_entropies  # noqa: SLF001 - its own base
        if self._moving is None or bool(self._moving.all()):
            return score(model, input_ids, attention_mask, logits_to_keep, *given, **how)  # type: ignore[no-any-return]
        rows = self._moving.nonzero()[:, 0]
        scored = torch.zeros(len(input_ids), logits_to_keep)
        if not len(rows):
            still = next(p for p in model.parameters() if p.requires_grad).sum() * 0.0
            return scored + still, torch.full_like(scored, torch.nan), None  # which TRL leaves out of what it logs
        mask = attention_mask[rows]
        made, entropy, more = score(model, input_ids[rows], mask, logits_to_keep, *given, **how)
        if entropy is not None:  # what is told of a step is of what moves it
            mean = entropy[mask[:, -logits_to_keep:] > 0].mean()
            entropy = torch.full_like(scored, float(mean)).index_put((rows,), entropy)
        return scored.index_put((rows,), made), entropy, more

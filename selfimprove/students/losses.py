"""The loss of a model on a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

_FEWEST: Final = 2
"""The first token is only read."""


def text_loss(model: Any, ids: Sequence[int]) -> float:
    """Give the mean negative log-likelihood of a text's tokens, the first left out, in nats; 0 for a single token."""
    import torch

    if len(ids) < _FEWEST:
        return 0.0
    tokens = torch.tensor([ids], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=tokens).logits[0, :-1].float()
    return float(torch.nn.functional.cross_entropy(logits, tokens[0, 1:]))

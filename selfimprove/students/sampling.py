"""One token a row, drawn with the row's own seed.

A row's draws depend on its seed and its step alone: one uniform number a token, from a hash of both,
put through the inverse of the cumulative distribution. So neighbours in the batch change nothing
beyond the last digits of the logits, and no generator's state has to be kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

_BLOCK = 256
_LIKELY = 512
_ROWS_CPU = 16
"""Rows worked on at once, so that their scores stay in the processor's cache."""


class Drawn(NamedTuple):
    """Tokens and their natural-log probabilities at temperature 1, both of shape `[rows]`."""

    tokens: list[int]
    logprobs: list[float]


def uniforms(seeds: Sequence[int], steps: Sequence[int]) -> Any:
    """Give one number in [0, 1) for each (seed, step).

    SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators") with the
    seed as its state and the step as its counter; 24 bits, so that float32 holds it exactly.

    >>> bool(uniforms([1], [0]) == uniforms([1, 2], [0, 5])[0])
    True
    """
    with np.errstate(over="ignore"):
        z = np.array(seeds, dtype=np.uint64)
        z = z + (np.array(steps, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24)


def draw(logits: Any, temperatures: Any, top_ps: Any, chance: Any) -> Drawn:
    """Draw the next token of each row.

    Args:
        logits: unnormalised scores, shape `[rows, vocabulary]`.
        temperatures: 0 takes the likeliest token, shape `[rows]`.
        top_ps: the smallest set of likeliest tokens that holds this much is drawn from, shape `[rows]`.
        chance: one number in [0, 1) a row, see `uniforms`.
    """
    many = _ROWS_CPU if logits.device.type == "cpu" else len(logits)
    parts = [
        _draw(logits[rows], temperatures[rows], top_ps[rows], chance[rows])
        for rows in (slice(start, start + many) for start in range(0, len(logits), many))
    ]
    return Drawn(
        [token for tokens, _ in parts for token in tokens.tolist()],
        [logprob for _, logprobs in parts for logprob in logprobs.tolist()],
    )


def _draw(logits: Any, temperatures: Any, top_ps: Any, chance: Any) -> tuple[Any, Any]:
    scores = logits.float()
    top, tokens = scores.max(dim=-1, keepdim=True)
    scores = scores - top
    tokens, hot = tokens[:, 0], temperatures > 0
    weights = scores.exp()
    norm = weights.sum(dim=-1).log_()
    if bool(hot.any()):
        if not bool((temperatures == 1).all()):  # greedy rows are thrown away below
            weights = scores.div(temperatures.where(hot, 1)[:, None]).exp_()
        if bool((top_ps < 1).any()):
            weights = _nucleus(weights, top_ps)
        tokens = torch.where(hot, _invert(weights, chance), tokens)
    return tokens, scores.gather(1, tokens[:, None])[:, 0] - norm


def _invert(weights: Any, chance: Any) -> Any:
    """Find where the running sum passes `chance` of the whole: first the block, then the place in it."""
    rows, size = weights.shape
    if size % _BLOCK:
        weights = torch.nn.functional.pad(weights, (0, _BLOCK - size % _BLOCK))
    blocks = weights.view(rows, -1, _BLOCK)
    ends = blocks.sum(dim=-1).cumsum(dim=-1)
    target = chance * ends[:, -1]
    block = (ends <= target[:, None]).sum(dim=-1)
    each = torch.arange(rows, device=weights.device)
    before = torch.where(block > 0, ends[each, (block - 1).clamp(min=0)], torch.zeros_like(target))
    inside = blocks[each, block].cumsum(dim=-1)
    # rounding may put the rest a digit past the block's end; it must still fall on a possible token
    rest = torch.minimum(target - before, inside[:, -1] * (1 - 1e-6))
    return block * _BLOCK + (inside <= rest[:, None]).sum(dim=-1)


def _nucleus(weights: Any, top_ps: Any) -> Any:
    """Leave only the smallest set of likeliest tokens that holds `top_ps` of the whole.

    Drawn from in the vocabulary's order: in order of likelihood, two nearly equal tokens would change
    places with the last digits of the logits, and the draw with them.
    """
    whole = weights.sum(dim=-1, keepdim=True)
    ranked = weights.topk(min(_LIKELY, weights.shape[1]), dim=-1).values
    if bool((ranked.sum(dim=-1) < top_ps * whole[:, 0]).any()):  # flat rows need all tokens sorted
        ranked = weights.sort(dim=-1, descending=True).values
    inside = ranked.cumsum(dim=-1) - ranked < top_ps[:, None] * whole
    least = ranked.gather(1, inside.sum(dim=-1, keepdim=True) - 1)
    return weights.masked_fill(weights < least, 0)

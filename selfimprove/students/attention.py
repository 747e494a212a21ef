"""Attention of one new token a row on CPU: two batched products where the flash kernel is slow.

The flash kernel repacks keys for each row's few queries. As products of `[tokens, width]` with
`[width, queries of the group]` the same sums take 0.5 to 0.8 of its time, in bfloat16 and float32.
What all rows begin with (instructions, worked examples) is read once for all of them, as in arXiv:2402.05099.
"""

from __future__ import annotations

from typing import Any

import torch

NAME = "selfimprove_slots"


def install(model: Any) -> None:
    """Let a model on CPU use it. Prompts, and models that do not use `sdpa`, keep what they have."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    if model.device.type == "cpu" and model.config._attn_implementation == "sdpa":  # noqa: SLF001
        AttentionInterface.register(NAME, attend)
        AttentionMaskInterface.register(NAME, sdpa_mask)
        model.set_attn_implementation(NAME)


def attend(
    module: Any, query: Any, key: Any, value: Any, attention_mask: Any, scaling: float | None = None, **more: Any
) -> tuple[Any, None]:
    """Attend as transformers' `sdpa` does, with its arguments and result.

    Args:
        module: the layer that asks.
        query: shape `[rows, heads, queries, width]`.
        key: shape `[rows, key heads, tokens, width]`, as is `value`; with an attribute `shared`, of keys and values of
            shape `[1, key heads, tokens, width]` that come before every row's own.
        value: see `key`.
        attention_mask: added to the scores, shape `[rows, 1, queries, tokens]`.
        scaling: of the scores, by default `width ** -0.5`.
        more: whatever else `sdpa` takes.
    """
    rows, heads, queries, width = query.shape
    if queries > 1 or attention_mask is None or attention_mask.dtype == torch.bool:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        given = (module, query, key, value, attention_mask)
        return sdpa_attention_forward(*given, scaling=scaling, **more)  # type: ignore[no-any-return]
    groups, queries = key.shape[1], heads // key.shape[1]
    query = query.reshape(rows * groups, queries, width)
    before, shared = 0, getattr(key, "shared", None)
    scores = torch.bmm(_stacked(key), query.transpose(1, 2)).transpose(1, 2).reshape(rows, groups, queries, -1)
    if shared is not None:
        before = shared[0].shape[2]
        first = torch.matmul(_by_group(query, rows, groups), shared[0][0].transpose(1, 2))
        scores = torch.cat([_by_row(first, rows, queries), scores], dim=-1)
    scores = scores.float().mul_(width**-0.5 if scaling is None else scaling).add_(attention_mask)
    weights = scores.softmax(dim=-1).to(value.dtype)
    own = weights[..., before:].reshape(rows * groups, queries, -1)
    found = torch.bmm(own, _stacked(value)).view(rows, groups, queries, -1)
    if shared is not None:
        begun = weights[..., :before].reshape(rows * groups, queries, before)
        found = found + _by_row(torch.matmul(_by_group(begun, rows, groups), shared[1][0]), rows, queries)
    return found.reshape(rows, 1, heads, value.shape[-1]), None


def _by_group(states: Any, rows: int, groups: int) -> Any:
    """Turn `[rows * groups, queries, n]` into `[groups, rows * queries, n]`: one product for all rows."""
    return states.view(rows, groups, -1, states.shape[-1]).transpose(0, 1).reshape(groups, -1, states.shape[-1])


def _by_row(states: Any, rows: int, queries: int) -> Any:
    """Turn `[groups, rows * queries, n]` into `[rows, groups, queries, n]`."""
    return states.view(states.shape[0], rows, queries, -1).transpose(0, 1)


def _stacked(states: Any) -> Any:
    """View `[rows, heads, tokens, width]` as `[rows * heads, tokens, width]`; a slice of slots needs no copy."""
    return states.flatten(0, 1)

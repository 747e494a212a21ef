"""A key/value cache with one slot a running request, behind transformers' own `Cache` interface.

`generate` pads every prompt, grows its cache by copying it at each token and waits for the longest
row. Here memory is kept between requests, each row is written at its own position, and the running
rows are always the first ones, so that attention reads a plain slice with nothing in it to skip.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers.cache_utils import (
    Cache,
    CacheLayerMixin,
    DynamicCache,
    DynamicLayer,
    DynamicSlidingWindowLayer,
)

from selfimprove.students import attention

_CHUNK = 64
"""Tokens a slot grows by. Larger wastes memory, smaller copies the cache more often."""
_PREFILL_TOKENS = 4096
"""Prompt tokens read in one pass, padding counted in: bounds the memory of activations."""
_WORTH_SHARING = 16
"""A common beginning shorter than this is read with each prompt."""
_WORTH_HOLDING_APART = 128
"""From here on a beginning is not copied to each slot: 450 tokens then decode 1.4 times as fast, 30 no faster."""


class SlotLayer(CacheLayerMixin):  # type: ignore[misc] # transformers is untyped; its interface is this class
    """Keys and values of one layer, shape `[slots, heads, tokens, head width]`."""

    is_compileable = False
    is_sliding = False

    def __init__(self, book: _Book) -> None:
        super().__init__()
        self.book = book
        self.shared: tuple[Any, Any] | None = None

    def lazy_initialization(self, key_states: Any, value_states: Any) -> None:
        """Take memory for every slot, sized for what is running."""
        self.keys = _room(key_states, self.book.slots, self.book.capacity)
        self.values = _room(value_states, self.book.slots, self.book.capacity)
        self.is_initialized = True

    def update(self, key_states: Any, value_states: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Write what the model computed where it belongs; give what its queries may look at."""
        book = self.book
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        if book.sharing:
            self.shared = (key_states, value_states)
            return key_states, value_states
        if book.source is None:
            at = book.positions - book.apart
            self.keys[book.rows, :, at] = key_states[:, :, 0]
            self.values[book.rows, :, at] = value_states[:, :, 0]
            keys = self.keys[: book.running, :, : book.width - book.apart]
            if book.apart:
                keys.shared = self.shared
            return keys, self.values[: book.running, :, : book.width - book.apart]
        seen_keys, seen_values = key_states, value_states
        if self.shared is not None:
            many = key_states.shape[0]
            seen_keys = torch.cat([self.shared[0].expand(many, -1, -1, -1), key_states], dim=2)
            seen_values = torch.cat([self.shared[1].expand(many, -1, -1, -1), value_states], dim=2)
        kept_keys, kept_values = (key_states, value_states) if book.apart else (seen_keys, seen_values)
        self.keys[book.rows, :, : kept_keys.shape[2]] = kept_keys[book.source]
        self.values[book.rows, :, : kept_keys.shape[2]] = kept_values[book.source]
        return seen_keys, seen_values

    def grow(self) -> None:
        """Make every slot as long as the book says, keeping what is written."""
        if self.is_initialized and self.keys.shape[2] < self.book.capacity:
            old_keys, old_values = self.keys, self.values
            self.keys = _room(old_keys, self.book.slots, self.book.capacity)
            self.values = _room(old_values, self.book.slots, self.book.capacity)
            self.keys[:, :, : old_keys.shape[2]] = old_keys
            self.values[:, :, : old_values.shape[2]] = old_values

    def move(self, to: Any, of: Any, width: int) -> None:
        """Copy rows into slots that have come free."""
        self.keys[to, :, :width] = self.keys[of, :, :width]
        self.values[to, :, :width] = self.values[of, :, :width]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Prompts see only themselves: asked for when no mask is passed, which is then."""
        return query_length, 0

    def get_seq_length(self) -> int:
        """Positions are always passed, so this only says that prompts begin at 0."""
        return 0

    def get_max_length(self) -> int:
        """Slots grow as long as needed."""
        return -1


class _Book:
    """Where the current pass writes: one for all layers."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.capacity = _CHUNK
        self.running = 0
        self.width = 0
        self.apart = 0
        """Tokens at the beginning of every row that are held once, and by no slot."""
        self.sharing = False
        self.rows: Any = None
        self.positions: Any = None
        self.source: Any = None


def _room(like: Any, slots: int, capacity: int) -> Any:
    return like.new_zeros((slots, like.shape[1], capacity, like.shape[3]))


def fits(model: Any) -> bool:
    """Say whether a model's cache is plain keys and values, so that slots can stand in for it."""
    config = model.config.get_text_config()
    layers = DynamicCache(config=config).layers
    plain = all(type(layer) in {DynamicLayer, DynamicSlidingWindowLayer} for layer in layers)
    chunked = "chunked_attention" in (getattr(config, "layer_types", None) or ())
    written = len(layers) == config.num_hidden_layers
    return bool(layers) and plain and written and not chunked and model.config._attn_implementation in _MASKED  # noqa: SLF001


_MASKED = {"sdpa", "eager", attention.NAME}


class SlotMemory:
    """The running requests of one model: admit some, decode one token for all, drop some.

    Args:
        model: a decoder-only causal language model that `fits`.
        slots: requests that run at once.
    """

    def __init__(self, model: Any, slots: int) -> None:
        attention.install(model)
        self.model, self.slots = model, slots
        self.book = _Book(slots)
        config = model.config.get_text_config()
        count = len(DynamicCache(config=config).layers)
        self.cache = Cache(layers=[SlotLayer(self.book) for _ in range(count)])
        self.lengths: list[int] = []
        self.prefix: list[int] = []
        kinds = set(getattr(config, "layer_types", None) or ())
        self.window = getattr(config, "sliding_window", None)
        if kinds == {"full_attention"}:
            self.window = None
        self.mixed = "full_attention" in kinds and "sliding_attention" in kinds

    def share(self, prompts: Sequence[Sequence[int]]) -> None:
        """Read the beginning that all prompts have in common once; each slot gets a copy, or reads it there."""
        first, last = min(map(tuple, prompts)), max(map(tuple, prompts))
        common = 0
        while common < min(len(first), len(last)) - 2 and first[common] == last[common]:
            common += 1
        if len(prompts) < 2 or common < _WORTH_SHARING or self.window is not None:  # noqa: PLR2004
            return
        self.book.sharing = True
        self._read(torch.tensor([list(first[:common])]), start=0, mask=None)
        self.book.sharing = False
        self.prefix = list(first[:common])
        ours = self.model.config._attn_implementation == attention.NAME  # noqa: SLF001
        self.book.apart = common if ours and common >= _WORTH_HOLDING_APART else 0

    def admissible(self, queue: Sequence[Sequence[int]]) -> int:
        """Say how many prompts from the queue's head may join now."""
        return min(len(queue), self.slots - len(self.lengths))

    def admit(self, prompts: Sequence[Sequence[int]]) -> None:
        """Read all but the last token of each prompt; the last is what `decode` is given first."""
        start = len(self.lengths)
        self._fit(max(len(prompt) for prompt in prompts))
        first: dict[tuple[int, ...], list[int]] = {}
        for slot, prompt in enumerate(prompts, start):
            first.setdefault(tuple(prompt[:-1]), []).append(slot)
        todo = sorted(((list(text), slots) for text, slots in first.items() if text), key=lambda one: len(one[0]))
        while todo:
            longest = len(todo[-1][0]) - len(self.prefix)
            many = max(1, _PREFILL_TOKENS // max(1, longest))
            group, todo = todo[-many:], todo[:-many]
            self._prefill([text for text, _ in group], [slots for _, slots in group])
        self.lengths += [len(prompt) - 1 for prompt in prompts]

    def decode(self, tokens: Sequence[int]) -> Any:
        """Give each running row its next token; returns next-token logits, shape `[rows, vocabulary]`."""
        self._fit(max(self.lengths) + 1)
        book, device = self.book, self.model.device
        book.running, book.width = len(tokens), max(self.lengths) + 1
        book.rows = torch.arange(book.running, device=device)
        book.positions, book.source = torch.tensor(self.lengths, device=device), None
        self.lengths = [length + 1 for length in self.lengths]
        return self.model(
            input_ids=torch.tensor(tokens, device=device)[:, None],
            position_ids=book.positions[:, None],
            attention_mask=self._decode_mask(book.positions, book.width),
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop all other rows; returns the kept ones in their new order.

        The last rows move into the holes, so that those that run stay the first ones.
        """
        kept, holes = list(rows), sorted(set(range(len(self.lengths))) - set(rows))
        order = list(range(len(kept)))
        moved = [row for row in kept if row >= len(kept)]
        to = [hole for hole in holes if hole < len(kept)]
        for hole, row in zip(to, moved, strict=True):
            order[hole] = row
        if moved:
            width = max(self.lengths[row] for row in moved) - self.book.apart
            for layer in self.cache.layers:
                layer.move(to, moved, width)
        self.lengths = [self.lengths[row] for row in order]
        return order

    def _fit(self, length: int) -> None:
        length -= self.book.apart
        if length > self.book.capacity:
            self.book.capacity = -(-length // _CHUNK) * _CHUNK
            for layer in self.cache.layers:
                layer.grow()

    def _prefill(self, texts: list[list[int]], slots: list[list[int]]) -> None:
        """Read texts side by side, padded on the right, where a causal mask hides the padding."""
        begin = len(self.prefix)
        width = max(1, max(len(text) for text in texts) - begin)
        ids = torch.zeros((len(texts), width), dtype=torch.long)
        for row, text in enumerate(texts):
            ids[row, : len(text) - begin] = torch.tensor(text[begin:], dtype=torch.long)
        book, device = self.book, self.model.device
        self._fit(begin + width)
        book.rows = torch.tensor([slot for group in slots for slot in group], device=device)
        book.source = torch.tensor([row for row, group in enumerate(slots) for _ in group], device=device)
        self._read(ids, start=begin, mask=self._prefill_mask(begin, width) if begin else None)

    def _read(self, ids: Any, *, start: int, mask: Any) -> None:
        ids = ids.to(self.model.device)
        positions = torch.arange(start, start + ids.shape[1], device=ids.device)
        self.model(
            input_ids=ids,
            position_ids=positions.expand(ids.shape[0], -1),
            attention_mask=mask,
            past_key_values=self.cache,
            use_cache=True,
            logits_to_keep=1,
        )

    def _prefill_mask(self, begin: int, width: int) -> Any:
        rows = torch.arange(begin, begin + width, device=self.model.device)
        return self._additive(torch.arange(begin + width, device=rows.device) <= rows[:, None])[None, None]

    def _decode_mask(self, positions: Any, width: int) -> Any:
        columns = torch.arange(width, device=positions.device)
        seen = columns <= positions[:, None]
        full = self._additive(seen)[:, None, None]
        if self.window is None:
            return full
        near = self._additive(seen & (columns > positions[:, None] - self.window))[:, None, None]
        return {"full_attention": full, "sliding_attention": near} if self.mixed else near

    def _additive(self, visible: Any) -> Any:
        """A mask that is added to scores: the one form that both attention kernels take."""
        hidden = torch.finfo(self.model.dtype).min
        return torch.zeros(visible.shape, dtype=self.model.dtype, device=visible.device).masked_fill(~visible, hidden)

"""The model's own cache, for architectures whose state is more than keys and values in slots."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import torch


class OwnMemory:
    """The same as `SlotMemory` for any causal model: slower, with nothing assumed about its state.

    Only prompts of one length run together, so nothing is ever padded or masked, and new ones wait
    until all that run have ended.
    """

    def __init__(self, model: Any, slots: int) -> None:
        self.model, self.slots = model, slots
        self.cache: Any = None
        self.lengths: list[int] = []

    def share(self, prompts: Sequence[Sequence[int]]) -> None:
        """Nothing is shared between prompts here."""

    def admissible(self, queue: Sequence[Sequence[int]]) -> int:
        """Say how many prompts from the queue's head may join now."""
        if self.lengths:
            return 0
        alike = takewhile(lambda prompt: len(prompt) == len(queue[0]), queue)
        return min(self.slots, sum(1 for _ in alike))

    def admit(self, prompts: Sequence[Sequence[int]]) -> None:
        """Read all but the last token of each prompt."""
        self.cache = None
        self.lengths = [len(prompt) - 1 for prompt in prompts]
        if self.lengths[0]:
            self._forward([list(prompt[:-1]) for prompt in prompts])

    def decode(self, tokens: Sequence[int]) -> Any:
        """Give each running row its next token; returns next-token logits, shape `[rows, vocabulary]`."""
        self.lengths = [length + 1 for length in self.lengths]
        return self._forward([[token] for token in tokens])

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop all other rows; returns the kept ones in their new order."""
        kept = list(rows)
        if kept:
            self.cache.reorder_cache(torch.tensor(kept, device=self.model.device))
        self.lengths = [self.lengths[row] for row in kept]
        return kept

    def _forward(self, ids: list[list[int]]) -> Any:
        given = torch.tensor(ids, device=self.model.device)
        out = self.model(input_ids=given, past_key_values=self.cache, use_cache=True)
        self.cache = out.past_key_values
        return out.logits[:, -1]

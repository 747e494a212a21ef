"""Rollouts of a student that is being trained, by the same engine that evaluates it.

The engine runs a second copy of the base whose weights are set to base plus adapter before each batch: nothing is
merged into what is trained, so nothing drifts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import torch

from selfimprove.errors import InputError
from selfimprove.records import digest
from selfimprove.students.engine import Engine, Generated, Job
from selfimprove.students.own_cache import OwnMemory
from selfimprove.students.resident import memory_of, slots_for, token_bytes
from selfimprove.students.slots import SlotMemory, fits

_MOST: Final = 64
"""Completions at once, which more would make little faster."""
_TAKEN: Final = re.compile(r"\.lora_[AB]\.default\.weight$")
"""What the copy takes over."""


def check_taken_over(model: Any, copy: Any) -> None:
    """Refuse what is trained beside the layers that a copy takes over: it would generate with other weights.

    Args:
        model: in training.
        copy: of its base; None where another engine generates.

    Raises:
        InputError: something is, or the copy shares such a layer's weights with another.
    """
    if copy is None:
        return
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    other = next((name for name in trained if not _TAKEN.search(name)), None)
    if other is None and copy.get_output_embeddings().weight is copy.get_input_embeddings().weight:
        other = next((name for name in trained if ".lm_head." in name), None)  # of one matrix, changed in both places
    if other is not None:
        raise InputError(
            f"{other} is trained, and tries would be made without it; train linear layers alone: leave its layer out "
            "of train.lora.target_modules"
        )


def slots_of(model: Any, longest: int) -> int:
    """Choose how many completions run at once, by the memory of the model's device, as evaluation does.

    Args:
        model: that generates.
        longest: tokens of a prompt and its completion at most.
    """
    room = token_bytes(model.config.get_text_config(), model.dtype.itemsize) * longest
    return slots_for(room, memory_of("cuda" if torch.cuda.is_available() else "cpu"), _MOST)


@dataclass
class Sampler:
    """Generates with the weights of a model in training.

    Args:
        model: in training, with LoRA layers over a base.
        copy: of the base, for generation alone; None where another engine generates.
        tokenizer: the student's.
        ends: ids of the tokens that end a completion.
        slots: completions at once.
        seed: with the count of batches so far, of every draw.
    """

    model: Any
    copy: Any
    tokenizer: Any
    ends: frozenset[int]
    slots: int = _MOST
    seed: int = 0
    batches: int = field(default=0, init=False)

    def generate(
        self, prompts: Sequence[Sequence[int]], *, limit: int, temperature: float, top_p: float = 1.0
    ) -> list[Generated]:
        """Complete each prompt once, each with a seed of its own.

        Args:
            prompts: token ids.
            limit: tokens at most.
            temperature: of the draws.
            top_p: of the draws.
        """
        self._take_over()
        self.batches += 1
        jobs = [
            Job(tuple(prompt), limit, temperature, top_p, int(digest(self.seed, self.batches, at), 16))
            for at, prompt in enumerate(prompts)
        ]
        memory = (SlotMemory if fits(self.copy) else OwnMemory)(self.copy, min(self.slots, len(jobs)))
        return Engine(memory, self.ends, self._decode).run(jobs)

    def read(self, ids: Sequence[int], limit: int) -> Generated:
        """Give what another engine generated as our own would."""
        ended = bool(ids) and (ids[-1] in self.ends or len(ids) < limit)
        reason: Literal["stop", "length"] = "stop" if ended else "length"
        return Generated(self._decode(list(ids)), len(ids), reason, 0.0, 0.0, tuple(ids))

    def _take_over(self) -> None:
        """Set the copy's weights to the base's plus the adapter's."""
        wanted = dict(self.copy.named_modules())
        with torch.no_grad():
            for name, layer in self.model.base_model.model.named_modules():
                if hasattr(layer, "lora_A") and "default" in layer.lora_A:
                    weight = layer.get_base_layer().weight
                    wanted[name].weight.copy_(weight + layer.get_delta_weight("default").to(weight.dtype))

    def _decode(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True))

"""One base model in memory, shared by every student that differs only in its adapter."""

from __future__ import annotations

import gc
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any, Final

from selfimprove.errors import InputError
from selfimprove.students import adapters
from selfimprove.students.fetch import fetch, quiet

# bitsandbytes recommends a package for 4-bit products on every import, also where nothing is in 4 bits.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

_LONGEST = 300
_CPU_SLOTS = 128
_CUDA_SLOTS = 512
_CONTAINERS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux tells what a container may take; `max`: no less than there is."""
_MEMORY_SHARE = 0.4
"""Of all memory of the machine: the rest is for weights, activations and other processes."""
_BASE: Final = (None, "")
"""What is in force where no adapter is."""


class Resident:
    """Loads a base when it is first needed, and puts one adapter at a time into its weights.

    Args:
        folder: what `fetch` gave.
        dtype: `auto` is bfloat16 where the hardware computes in it, else float32.
        device: `auto` is the first GPU if there is one.
        max_length: tokens of prompt and completion together.
        slots: completions that run at once; by default from the memory of the machine.
    """

    def __init__(self, folder: Path | str, *, dtype: str, device: str, max_length: int, slots: int | None) -> None:
        import torch
        from transformers import AutoConfig, AutoTokenizer

        self.folder = fetch(folder)
        self.lock = RLock()
        self.device = _device(device)
        self.dtype = _dtype(dtype, self.device)
        with _reading("config.json", self.folder):
            self.config = AutoConfig.from_pretrained(self.folder, trust_remote_code=False)
        with _reading("tokenizer", self.folder):
            self.tokenizer = AutoTokenizer.from_pretrained(self.folder, trust_remote_code=False)
        self.tokenizer.padding_side = "left"
        if self.tokenizer.pad_token_id is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        self._reach: int | None = getattr(self.config.get_text_config(), "max_position_embeddings", None)
        self.max_length = min(max_length, self._reach or max_length)
        width = torch.finfo(getattr(torch, self.dtype)).bits // 8
        room = token_bytes(self.config.get_text_config(), width) * self.max_length
        self.slots = slots or slots_for(
            room, memory_of(self.device), _CUDA_SLOTS if self.device != "cpu" else _CPU_SLOTS
        )
        self._base: Any = None
        self._active: tuple[Path | None, str] = _BASE
        self._originals: dict[str, Any] = {}
        self._copy: Any = None

    def model(self, adapter: Path | None, version: str = "") -> Any:
        """Give the model with this adapter in force. Call it, and use what it gives, under the lock.

        Args:
            adapter: its folder; None: the base alone.
            version: its `adapters.adapter_hash`: other weights may be written into the same folder.

        Raises:
            InputError: the folder holds another version by now, or it does not go into this model.
        """
        if self._base is None:
            self._base = self._load(self.folder)
        if (adapter, version) != self._active:
            self._deactivate()
            if adapter is not None:
                self._activate(adapter, version)
            self._active = adapter, version
        return self._base if self._copy is None else self._copy

    def unload(self) -> None:
        """Give the memory back; the next use loads again."""
        import torch

        with self.lock:
            self._base = self._copy = None
            self._active, self._originals = _BASE, {}
            gc.collect()
            if self.device != "cpu" and torch.cuda.is_available():
                torch.cuda.empty_cache()

    def limit(self) -> str:
        """Say how long prompt and completion may be together, and whose limit it is."""
        if self.max_length == self._reach:
            return f"the model takes {self.max_length}"
        return f"student.max_length is {self.max_length}"

    def ends(self) -> frozenset[int]:
        """Give the tokens that end a completion: the tokenizer's and the generation config's."""
        return ends_of(self.tokenizer, self.folder)

    def _load(self, folder: Path) -> Any:
        import torch
        from transformers import AutoModelForCausalLM

        how = {"use_safetensors": True, "trust_remote_code": False}
        with _reading("model.safetensors", folder), quiet():
            model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, self.dtype), **how)
        return model.to(self.device).eval()

    def _activate(self, path: Path, version: str) -> None:
        if adapters.adapter_hash(path) != version:
            raise InputError(f"the adapter {path} was changed after it was given to the student; give it again")
        adapters.check_base(path, self.folder)
        if adapters.is_whole(path):
            self._copy = self._load(path)
            return
        lora = adapters.read(path)
        originals = adapters.put_in(self._base, lora, path) if lora else None
        if originals is None:
            self._copy = adapters.merged_copy(self._base, path)
        else:
            self._originals = originals

    def _deactivate(self) -> None:
        adapters.take_out(self._base, self._originals)
        self._originals, self._copy, self._active = {}, None, _BASE


def ends_of(tokenizer: Any, folder: Path) -> frozenset[int]:
    """Give the tokens that end a completion of a model: its tokenizer's and its generation config's."""
    found = {tokenizer.eos_token_id}
    for name in ("generation_config.json", "config.json"):
        if (folder / name).is_file():
            given = json.loads((folder / name).read_text(encoding="utf-8")).get("eos_token_id")
            found |= set(given) if isinstance(given, list) else {given}
    return frozenset(token for token in found if token is not None)


def token_bytes(config: Any, width: int) -> int:
    """Bytes that one token takes in the cache of all layers, `width` bytes a number."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * width)


def slots_for(room: int, memory: int, most: int) -> int:
    """Choose how many completions run at once: a pure function, so that a resumed run batches alike.

    Args:
        room: bytes one completion of full length takes.
        memory: bytes of the device in all (not what happens to be free).
        most: more than this brings no speed.

    >>> slots_for(room=47_000_000, memory=24_000_000_000, most=128)
    128
    >>> slots_for(room=1_000_000_000, memory=24_000_000_000, most=128)
    9
    """
    return max(1, min(most, int(memory * _MEMORY_SHARE) // room))


def memory_of(device: str) -> int:
    """Give the bytes of a device in all; of the processor those of the container, where they are less.

    Raises:
        ValueError, OSError: the system does not tell.
    """
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.get_device_properties(device).total_memory)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [path.read_text().strip() for path in _CONTAINERS if path.is_file()]
    return min([total, *(int(limit) for limit in limits if limit.isdigit())])


def _device(asked: str) -> str:
    import torch

    if asked == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=asked)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        why = str(error).partition("\n")[0].rstrip(".")
        raise InputError(
            f'student.device = "{asked}" cannot be used: {why}; selfimprove doctor tells what there is'
        ) from error
    return asked


def _dtype(asked: str, device: str) -> str:
    known = {"float32", "bfloat16", "float16"}
    if asked != "auto":
        if asked not in known:
            raise InputError(f'dtype = "{asked}" is unknown; use "auto", {", ".join(sorted(known))}')
        return asked
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    return cpu_dtype()


def cpu_dtype() -> str:
    """Give the number format that this processor is fastest in: bfloat16 where it multiplies in it, else float32.

    Without AVX-512 or its like a product in bfloat16 takes seven to nine times as long, and a step of training thirty.
    """
    import torch

    built: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    multiplies = built and torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001
    return "bfloat16" if multiplies else "float32"


@contextmanager
def _reading(part: str, folder: Path) -> Iterator[None]:
    """Say in one sentence what part of a model folder cannot be read, and why."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        why = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise InputError(
            f"the {part} in {folder} cannot be loaded: {why[:_LONGEST]}; mend it or fetch it again"
        ) from error

"""Real tokenizers without weights, from what carries them; tests skip where that is missing.

Packages are looked for unpacked in the folder that SELFIMPROVE_TOKENIZERS names and where `make install` puts them, and
among the installed ones; Qwen2.5's is read from a GGUF file of any Qwen2.5 model in that folder, SmolLM2's from the
library's cache.
"""

from __future__ import annotations

import copy
import os
import struct
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

LLAMA3_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n"
    "{{ m['content'] | trim }}<|eot_id|>{% endfor %}"
    "{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _file(package: str, path: str) -> Path:
    for folder in (os.environ.get("SELFIMPROVE_TOKENIZERS", ""), f"{sys.prefix}/tokenizers"):
        if (unpacked := Path(folder) / package / path).is_file():
            return unpacked
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {package} is not there; make install puts it beside the packages")
    return Path(next(iter(spec.submodule_search_locations))) / path


def mistral() -> Any:
    """Give the tokenizer of Mistral 7B v0.1, which Math-Shepherd's is."""
    from transformers import LlamaTokenizer
    from transformers.tokenization_utils_base import generate_merges

    pieces = _pieces(_file("mistral_common", "data/tokenizer.model.v1").read_bytes())
    vocab = {piece: index for index, (piece, _) in enumerate(pieces)}
    return LlamaTokenizer(vocab=vocab, merges=generate_merges(vocab, dict(pieces)), legacy=True, add_bos_token=True)


def llama3() -> Any:
    """Give the tokenizer of Llama 3 with the plain form of its template."""
    from transformers import PreTrainedTokenizerFast
    from transformers.convert_slow_tokenizer import TikTokenConverter

    file = str(_file("llama_models", "llama3/tokenizer.model"))
    marks = ["<|begin_of_text|>", "<|end_of_text|>", *(f"<|reserved_special_token_{i}|>" for i in range(4))]
    marks += ["<|start_header_id|>", "<|end_header_id|>", "<|reserved_special_token_4|>", "<|eot_id|>"]
    made = TikTokenConverter(file, pattern=_WORDS, extra_special_tokens=marks).converted()
    fast = PreTrainedTokenizerFast(tokenizer_object=made, bos_token=marks[0], eos_token=marks[-1])
    fast.chat_template = LLAMA3_TEMPLATE
    return fast


def qwen() -> Any:
    """Give the tokenizer of Qwen2.5, which Qwen2.5-Math-PRM's (with a mark more) and Skywork-o1-Open-PRM's are."""
    return copy.deepcopy(_qwen())  # whoever adds a mark adds it to its own


@cache
def _qwen() -> Any:
    """Read it once: a vocabulary of 150,000 takes a while."""
    from transformers import AutoTokenizer

    folder = Path(os.environ.get("SELFIMPROVE_TOKENIZERS", "") or "no folder named")
    found = sorted(folder.glob("*[qQ]wen2.5*.gguf"))
    if not found:
        pytest.skip("SELFIMPROVE_TOKENIZERS names no folder that holds a Qwen2.5 model as GGUF")
    return AutoTokenizer.from_pretrained(folder, gguf_file=found[0].name)


def smollm2() -> Any:
    """Give the tokenizer of SmolLM2-135M."""
    from transformers import AutoTokenizer

    from selfimprove.students.fetch import cache_root

    folder = cache_root() / "models" / "HuggingFaceTB--SmolLM2-135M-Instruct"
    if not folder.is_dir():
        pytest.skip(f"{folder} is missing; selfimprove fetch smollm2-135m")
    return AutoTokenizer.from_pretrained(folder)


def _pieces(data: bytes) -> list[tuple[str, float]]:
    """Read the pieces of a sentencepiece model: field 1 of the file, each with a text (1) and a score (2)."""
    found, place = [], 0
    while place < len(data):
        key, place = _varint(data, place)
        length, place = _varint(data, place)
        if key == 0x0A:
            found.append(_piece(data[place : place + length]))
        place += length
    return found


def _piece(data: bytes) -> tuple[str, float]:
    length, place = _varint(data, 1)
    text = data[place : place + length].decode()
    return text, struct.unpack("<f", data[place + length + 1 : place + length + 5])[0]


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[place]
        value, shift, place = value | (byte & 0x7F) << shift, shift + 7, place + 1
        if byte < 0x80:
            return value, place

"""How each family turns a hidden state into a score: a few numbers per token, read from safetensors alone.

Every head here is a function of the base model's last hidden state, in float32, so that no family needs code from a
model's folder: a language model's `+` and `-` logits are two rows of its output matrix.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import InputError

Head = Callable[[Any], Any]
"""From hidden states, shape `[steps, width]`, to scores in [0, 1], shape `[steps]`."""


def two_label_head(folder: Path, tokenizer: Any) -> Head:
    """Read Qwen2.5-Math-PRM's head: linear, ReLU, linear to two labels; the score is label 1 of their softmax."""
    del tokenizer
    w1, b1, w2, b2 = read(folder, ("score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias"))

    def score(hidden: Any) -> Any:
        inner = (hidden @ _on(w1, hidden).T + _on(b1, hidden)).relu()
        return (inner @ _on(w2, hidden).T + _on(b2, hidden)).softmax(dim=-1)[:, 1]

    return score


def plus_minus_head(folder: Path, tokenizer: Any) -> Head:
    """Read the rows of `+` and `-` of the output matrix; the score is `+` of their softmax (Math-Shepherd, RLHFlow)."""
    import torch

    names = tensor_names(folder)
    tied = "lm_head.weight" not in names
    (matrix,) = read(folder, ("model.embed_tokens.weight" if tied else "lm_head.weight",))
    rows = torch.stack([matrix[tokenizer.encode(sign)[-1]] for sign in "+-"])

    def score(hidden: Any) -> Any:
        return (hidden @ _on(rows, hidden).T).softmax(dim=-1)[:, 0]

    return score


def value_head(folder: Path, tokenizer: Any) -> Head:
    """Read Skywork-o1-Open-PRM's head: one number, through a sigmoid."""
    del tokenizer
    return _linear(*read(folder, ("v_head.summary.weight", "v_head.summary.bias")))


def own_head(folder: Path, tokenizer: Any) -> Head:
    """Read the head that this library trains: one number, through a sigmoid."""
    del tokenizer
    return _linear(*read(folder, ("weight", "bias"), "head.safetensors"))


HEADS: Final[Mapping[str, Callable[[Path, Any], Head]]] = {
    "qwen2.5-math-prm": two_label_head,
    "math-shepherd": plus_minus_head,
    "rlhflow": plus_minus_head,
    "skywork-o1-open-prm": value_head,
    "own": own_head,
}


def _linear(weight: Any, bias: Any) -> Head:
    def score(hidden: Any) -> Any:
        return (hidden @ _on(weight, hidden).T + _on(bias, hidden)).sigmoid()[:, 0]

    return score


def _on(tensor: Any, like: Any) -> Any:
    return tensor.to(like.device)


def tensor_names(folder: Path, file: str = "") -> dict[str, Path]:
    """Say which file holds each tensor of a model's folder, or of one file in it."""
    from safetensors import safe_open

    index = folder / "model.safetensors.index.json"
    if index.is_file() and not file:
        held = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {name: folder / place for name, place in held.items()}
    names: dict[str, Path] = {}
    for path in [folder / file] if file else sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as tensors:
            names |= dict.fromkeys(tensors.keys(), path)
    return names


def read(folder: Path, wanted: Sequence[str], file: str = "") -> list[Any]:
    """Read tensors in float32.

    Raises:
        InputError: the folder lacks one.
    """
    from safetensors import safe_open

    names = tensor_names(folder, file)
    found = []
    for name in wanted:
        if name not in names:
            raise InputError(f"{folder} holds no tensor {name}, so it is no reward model of the family that was named")
        with safe_open(names[name], framework="pt") as tensors:
            found.append(tensors.get_tensor(name).float())
    return found

"""LoRA adapters put into resident weights and taken out again, without loading the base anew."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from selfimprove.errors import InputError
from selfimprove.records import digest
from selfimprove.store import sha256_of
from selfimprove.students.fetch import model_hash

_PLAIN = {
    "use_dora": False,
    "bias": "none",
    "modules_to_save": None,
    "fan_in_fan_out": False,
    "lora_bias": False,
    "layer_replication": None,
    "trainable_token_indices": None,
    "target_parameters": None,
    "alora_invocation_tokens": None,
    "arrow_config": None,
    "kasa_config": None,
    "monteclora_config": None,
    "use_bdlora": None,
    "use_qalora": False,
    "rank_pattern": {},
    "alpha_pattern": {},
}
"""Settings of a LoRA that is nothing but `W + scale * B @ A`; any other goes through PEFT itself."""
WEIGHTS: Final = "adapter_model.safetensors"
"""File of an adapter's weights, as PEFT names it."""
BEGUN_PLAIN: Final = (True, False, "gaussian", "orthogonal")
"""`init_lora_weights` that leave the base as it is, and look at nothing but the seed."""
_KIND = ("model_type", "hidden_size", "num_hidden_layers", "vocab_size")


class Lora(NamedTuple):
    """The matrices of a plain LoRA by the name of the module they change."""

    scale: float
    pairs: dict[str, tuple[Any, Any]]
    """Module name to (A of shape `[rank, in]`, B of shape `[out, rank]`)."""


def is_whole(path: Path) -> bool:
    """Say whether a folder holds a whole model: all of it was trained."""
    return (path / "config.json").is_file() and not (path / "adapter_config.json").is_file()


def loading(path: Path, base: str, prompt: str) -> str:
    """Write the lines of Python that load an adapter with its base, or a whole model, and its tokenizer.

    Args:
        path: what is loaded, made absolute.
        base: folder or hub id of an adapter's base.
        prompt: what gives the messages to ask it with, which ends the lines as a comment.
    """
    whole, own = is_whole(path), json.dumps(str(path.resolve()), ensure_ascii=False)
    start = own if whole else json.dumps(str(Path(base).resolve()) if Path(base).is_dir() else base, ensure_ascii=False)
    lines = [
        *([] if whole else ["from peft import PeftModel"]),
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        f"tokenizer = AutoTokenizer.from_pretrained({start})",
        f"model = AutoModelForCausalLM.from_pretrained({start})",
        *([] if whole else [f"model = PeftModel.from_pretrained(model, {own})"]),
        f"# {prompt}",
    ]
    return "\n".join(lines)


def adapter_hash(path: Path) -> str:
    """Hash an adapter's weights and settings, wherever it and its base lie, to 16 characters; so a whole model's."""
    if is_whole(path):
        return model_hash(path)
    settings = {key: value for key, value in _config(path).items() if key != "base_model_name_or_path"}
    return digest(sha256_of(_weights(path)), settings)


def prompt_hash(path: Path) -> str:
    """Give the hash of the prompt that an adapter, also a combined one, was trained under; empty where none is told."""
    files = [path / name for name in ("metrics.json", "combined.json")]
    told = (json.loads(file.read_text("utf-8")).get("render_hash") for file in files if file.is_file())
    return str(next(told, None) or "")


def check_base(path: Path, folder: Path) -> None:
    """Refuse an adapter that says it was trained on other weights than those in `folder`, or another kind of model."""
    if is_whole(path):
        mine, theirs = (json.loads((each / "config.json").read_text("utf-8")) for each in (folder, path))
        if any(mine.get(key) != theirs.get(key) for key in _KIND):
            raise InputError(f"the model in {path} is of another kind than the student in {folder}; name that student")
        return
    base = _config(path).get("base_model_name_or_path")
    if base and Path(base).is_dir() and Path(base).resolve() != folder.resolve():
        made_for, ours = model_hash(Path(base)), model_hash(folder)
        if made_for != ours:
            raise InputError(
                f"the adapter {path} was trained on {base} ({made_for}), not on {folder} ({ours}); "
                "use the base it was trained on"
            )


def read(path: Path) -> Lora | None:
    """Read a plain LoRA; None when it is of a kind that only PEFT can merge."""
    from safetensors.torch import load_file

    config = _config(path)
    if config.get("peft_type") != "LORA":
        return None
    if beyond_plain(config):
        return None
    tensors = load_file(_weights(path))
    pairs: dict[str, tuple[Any, Any]] = {}
    for name in tensors:
        if not name.endswith((".lora_A.weight", ".lora_B.weight")):
            return None
        module = name.removeprefix("base_model.model.").rsplit(".lora_", 1)[0]
        stem = name.rsplit(".lora_", 1)[0]
        if f"{stem}.lora_A.weight" not in tensors or f"{stem}.lora_B.weight" not in tensors:
            raise InputError(f"the adapter {path} is damaged: {stem} lacks one of its two matrices")
        pairs[module] = (tensors[f"{stem}.lora_A.weight"], tensors[f"{stem}.lora_B.weight"])
    rank, alpha = float(config["r"]), float(config["lora_alpha"])
    return Lora(alpha / (rank**0.5 if config.get("use_rslora") else rank), pairs)


def beyond_plain(settings: Mapping[str, Any]) -> list[str]:
    """Name the settings by which a LoRA is more than `W + scale * B @ A`.

    >>> beyond_plain({"r": 8, "use_dora": True, "bias": "none", "modules_to_save": ["lm_head"]})
    ['use_dora', 'modules_to_save']
    """
    found = [key for key, default in _PLAIN.items() if (settings.get(key) or default) != default]
    return found + ["init_lora_weights"] * (settings.get("init_lora_weights", True) not in BEGUN_PLAIN)


def put_in(model: Any, lora: Lora, path: Path) -> dict[str, Any] | None:
    """Add a LoRA to the weights in place; returns the originals by module name.

    The sum is taken in float32 and rounded once. None,
    with nothing changed, when a target is no linear layer, or one tied to the embeddings.

    Raises:
        InputError: a target is missing from the model or has another shape.
    """
    import torch

    modules = {}
    for name, (a, b) in lora.pairs.items():
        try:
            modules[name] = model.get_submodule(name)
        except AttributeError:
            raise InputError(f"the adapter {path} is for another model: this one has no {name}") from None
        tied = modules[name].weight is model.get_input_embeddings().weight
        if tied or not isinstance(modules[name], torch.nn.Linear):
            return None
        needed, found = (b.shape[0], a.shape[1]), tuple(modules[name].weight.shape)
        if needed != found:
            raise InputError(f"the adapter {path} is for another model: {name} is {found} here and {needed} there")
    originals = {}
    with torch.no_grad():
        for name, (a, b) in lora.pairs.items():
            weight = modules[name].weight
            originals[name] = weight.detach().to("cpu", copy=True)  # beside the weights they would take the room again
            delta = b.to(weight.device).float() @ a.to(weight.device).float()
            weight.copy_(weight.float() + lora.scale * delta)
    return originals


def take_out(model: Any, originals: dict[str, Any]) -> None:
    """Give the weights back their exact bits."""
    import torch

    with torch.no_grad():
        for name, weight in originals.items():
            model.get_submodule(name).weight.copy_(weight)


def merged_copy(model: Any, path: Path) -> Any:
    """Merge any kind of adapter with PEFT, into a second copy of the model."""
    from peft import PeftModel

    try:
        return PeftModel.from_pretrained(copy.deepcopy(model), str(path)).merge_and_unload().eval()
    except (RuntimeError, ValueError, KeyError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"the adapter {path} does not go into this model: {reason}") from error


def _config(path: Path) -> dict[str, Any]:
    file = path / "adapter_config.json"
    if not file.is_file():
        raise InputError(f"{path} holds no adapter: adapter_config.json is missing; give the folder training wrote")
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{file} is not JSON ({error}); train the adapter again") from error
    if not isinstance(found, dict):
        raise InputError(f"{file} holds no settings; train the adapter again")
    return found


def _weights(path: Path) -> Path:
    file = path / WEIGHTS
    if not file.is_file():
        raise InputError(f"{path} has no {WEIGHTS}; save the adapter as safetensors, not as a pickle")
    return file

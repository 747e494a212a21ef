"""Several adapters of one base as one: stacked, or averaged, by PEFT's `add_weighted_adapter`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args

from selfimprove.errors import InputError, nearest
from selfimprove.store import check_folder, whole_folder, write_whole
from selfimprove.students.adapters import check_base, prompt_hash
from selfimprove.students.fetch import fetch, quiet

How = Literal["stack", "linear", "ties", "dare_linear", "dare_ties"]
_FEWEST: Final = 2
_PEFT: Final = {
    "stack": "cat",
    "linear": "cat",
    "ties": "ties_svd",
    "dare_linear": "dare_linear_svd",
    "dare_ties": "dare_ties_svd",
}
"""PEFT's own `linear`, `ties` and `dare` add up the factors A and B, whose product then holds every A with every B."""
_WHOLE: Final = ("stack", "ties", "dare_ties")
"""Ways for which each part counts in full: `ties` divides by how many agree."""


def combine(
    base: str | Path,
    adapters: Sequence[Path],
    out: Path,
    *,
    how: How = "linear",
    weights: Sequence[float] | None = None,
    density: float = 0.5,
    seed: int = 0,
) -> Path:
    """Write one adapter made of several.

    `stack` adds up what they change in the weights, `linear` averages it, `ties` resolves signs first
    (arXiv:2306.01708), the `dare` ones drop a random part of it (arXiv:2311.03099). The first two are exact; all have
    the sum of the ranks. What comes out is as good as it is measured to be: averaging promises nothing.

    Args:
        base: the model they were trained on, see `fetch`.
        adapters: their folders, two or more.
        out: a new folder.
        how: see above.
        weights: of each; default: equal shares, and 1 each for `stack` and the `ties`.
        density: share of the values that is kept, in (0, 1], for all but `stack` and `linear`.
        seed: of what is dropped.

    Raises:
        InputError: an adapter belongs to another base or prompt, there are too few, or a setting will not do.
        RunFolderError: the folder cannot be written.
    """
    _refuse(adapters, out, how, weights, density)
    folder = fetch(base)
    hashes = {prompt_hash(path) for path in adapters}
    for path in adapters:
        check_base(path, folder)
    if len(hashes) > 1:
        raise InputError(f"the adapters were trained under {len(hashes)} prompts; combine those of one")
    model = _loaded(folder, adapters)
    given = list(weights or [1.0 if how in _WHOLE else 1 / len(adapters)] * len(adapters))
    names = [f"part{at}" for at in range(len(adapters))]
    if any(model.peft_config[name].use_dora for name in names):
        raise InputError("DoRA adapters cannot be combined: their magnitudes are no sums; train plain LoRA")
    rank = sum(model.peft_config[name].r for name in names)
    more: dict[str, Any] = {} if _PEFT[how] == "cat" else {"density": density, "svd_rank": rank}
    import torch

    torch.manual_seed(seed)
    try:
        model.add_weighted_adapter(names, given, "combined", combination_type=_PEFT[how], **more)
    except ValueError as error:
        raise InputError(f"these adapters cannot be combined by {how}: {error}") from error
    model.peft_config["combined"].use_rslora = False  # its alpha is its rank: a scale of 1
    told = {"combined": [str(path) for path in adapters], "how": how, "weights": given, "render_hash": hashes.pop()}
    with whole_folder(out) as part:
        with quiet():
            model.save_pretrained(part, selected_adapters=["combined"])
        _settle(part)
        write_whole(part / "combined.json", (json.dumps(told, indent=1) + "\n").encode())
    return out


def _refuse(adapters: Sequence[Path], out: Path, how: str, weights: Sequence[float] | None, density: float) -> None:
    if how not in get_args(How):
        raise InputError(f'there is no way "{how}" to combine adapters; {nearest(how, get_args(How))}')
    if len(adapters) < _FEWEST:
        raise InputError(f"name two adapters or more; {len(adapters)} is given")
    if weights is not None and len(weights) != len(adapters):
        raise InputError(f"{len(adapters)} adapters need as many weights; {len(weights)} are given")
    if not 0 < density <= 1:
        raise InputError(f"density = {density} will not do: it is the share that is kept, above 0 and up to 1")
    check_folder(out, new=True)
    for path in adapters:
        if not (path / "adapter_config.json").is_file():
            raise InputError(f"{path} holds no adapter; name a folder with adapter_config.json")


def _loaded(folder: Path, adapters: Sequence[Path]) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    with quiet():
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        made = PeftModel.from_pretrained(model, adapters[0], adapter_name="part0")
        for at, path in enumerate(adapters[1:], 1):
            made.load_adapter(path, adapter_name=f"part{at}")
    return made


def _settle(out: Path) -> None:
    """Put the files where a single adapter's lie: PEFT writes a named one into a folder of its name."""
    inner = out / "combined"
    for file in inner.iterdir():
        file.replace(out / file.name)
    inner.rmdir()

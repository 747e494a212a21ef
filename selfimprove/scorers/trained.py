"""A trained process reward model: a base model, a family's way to write a solution, and its head."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from threading import RLock
from typing import Any, Final, NamedTuple

from selfimprove import progress
from selfimprove.errors import InputError, MissingDependencyError, nearest
from selfimprove.records import StepItem, digest
from selfimprove.scorers.families import ENCODERS, Encoded
from selfimprove.store import sha256_of

_BATCH_TOKENS: Final = 4096
"""Tokens read in one pass, padding counted in."""
_DTYPES: Final = ("auto", "bfloat16", "float32", "float16")
CARD: Final = "scorer.json"
"""What a scorer that this library trained says of itself."""

TRAINED_ON: Final = "trained_on.json"
"""Ids of the problems that it learned from."""


class Card(NamedTuple):
    """What `scorer.json` holds."""

    base: str
    """Folder or hub id of the base model."""
    base_hash: str
    max_length: int


class TrainedScorer:
    """Scores all steps of a solution in one pass. Satisfies `StepScorer`.

    Weights are read from safetensors, and no code from the model's folder is run. A solution longer than
    `max_length` tokens gets no verdict. `trained_on` holds the ids of the problems that a scorer of ours learned from;
    `measured_as` is the identity without the number format, so that one card holds for all machines.

    Args:
        family: one of `ENCODERS`.
        folder: a folder, hub id or short name of the model; for `own` the folder that training wrote.
        dtype: `auto` (`float32` on a CPU, else `bfloat16`), `bfloat16`, `float32` or `float16`.
        device: `auto`, `cpu`, `cuda:0`, ...
        max_length: tokens of question and solution; the model's own limit where that is less.

    Raises:
        InputError: no such family or model, or a model of another family.
        MissingDependencyError: torch or transformers is not installed.
    """

    def __init__(
        self, family: str, folder: Path | str, *, dtype: str = "auto", device: str = "auto", max_length: int = 4096
    ) -> None:
        if family not in ENCODERS:
            raise InputError(f'there is no family of reward models "{family}"; {nearest(family, ENCODERS)}')
        try:
            from transformers import AutoTokenizer

            from selfimprove.scorers import heads
            from selfimprove.students.fetch import fetch, model_hash
        except ImportError as error:
            raise MissingDependencyError('a trained scorer needs pip install "selfimprove[train]"') from error
        self.family, self.lock = family, RLock()
        own = Path(folder) if family == "own" else None
        card = read_card(own) if own else None
        base = fetch(card.base if card else folder)
        if card and model_hash(base) != card.base_hash:
            raise InputError(f"{own} was trained on {card.base}, which has changed since; train the scorer again")
        self.tokenizer: Any = AutoTokenizer.from_pretrained(base, trust_remote_code=False)
        self.model = load_base(base, dtype=dtype, device=device, adapter=own)
        self.head = heads.HEADS[family](own or base, self.tokenizer)
        self.max_length = longest(self.model, min(max_length, card.max_length if card else max_length))
        from selfimprove.students.adapters import adapter_hash

        made_of = (
            [model_hash(base), adapter_hash(own), sha256_of(own / "head.safetensors")] if own else [model_hash(base)]
        )
        self._identity = f"{family}/{digest(*made_of, str(self.model.dtype))}"
        self.measured_as = f"{family}/{digest(*made_of)}"
        self.trained_on = _trained_on(own) if own else frozenset[str]()

    @property
    def identity(self) -> str:
        """Family and hash of weights and dtype."""
        return self._identity

    def score(self, items: Sequence[StepItem]) -> list[list[float] | None]:
        """Score each step, shape `[items][steps]`; None where a solution is too long."""
        from selfimprove.programs import stated

        encode = ENCODERS[self.family]
        coded = [
            encode(self.tokenizer, stated(item.problem), item.steps) if item.steps else Encoded([], [])
            for item in items
        ]
        found: list[list[float] | None] = [[] if not one.at else None for one in coded]
        fitting = [i for i, one in enumerate(coded) if one.at and len(one.ids) <= self.max_length]
        fitting.sort(key=lambda i: -len(coded[i].ids))
        with self.lock:
            while fitting:
                many = max(1, _BATCH_TOKENS // len(coded[fitting[0]].ids))
                batch, fitting = fitting[:many], fitting[many:]
                for index, scores in zip(batch, self._batch([coded[i] for i in batch]), strict=True):
                    found[index] = scores
                progress.current().advance(done=len(batch))
        return found

    def _batch(self, coded: Sequence[Encoded]) -> list[list[float]]:
        """Read solutions side by side, padded on the right, where causal attention does not see the padding."""
        import torch

        width = max(len(one.ids) for one in coded)
        ids = torch.zeros((len(coded), width), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, one in enumerate(coded):
            ids[row, : len(one.ids)] = torch.tensor(one.ids)
            mask[row, : len(one.ids)] = 1
        device = self.model.device
        with torch.inference_mode():
            hidden = self.model(
                input_ids=ids.to(device), attention_mask=mask.to(device), **self._how()
            ).last_hidden_state
            return [self.head(hidden[row, one.at].float()).tolist() for row, one in enumerate(coded)]

    def _how(self) -> dict[str, Any]:
        return {"use_cache": False} if hasattr(self.model.config, "use_cache") else {}


def load_base(folder: Path, *, dtype: str = "auto", device: str = "auto", adapter: Path | None = None) -> Any:
    """Load a model without its head, its adapter merged in."""
    import torch
    from transformers import AutoModel

    from selfimprove.students.fetch import quiet

    if dtype not in _DTYPES:
        raise InputError(f'dtype = "{dtype}" is unknown; {nearest(dtype, _DTYPES)}')
    place = ("cuda:0" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    chosen = ("float32" if place == "cpu" else "bfloat16") if dtype == "auto" else dtype
    how = {"use_safetensors": True, "trust_remote_code": False, "dtype": getattr(torch, chosen)}
    try:
        with quiet():
            model, report = AutoModel.from_pretrained(folder, output_loading_info=True, **how)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{folder} cannot be loaded: {str(error).splitlines()[0]}") from error
    missing = [name for name in report["missing_keys"] if not name.startswith("pooler.")]  # behind what is read here
    if missing:
        raise InputError(f"{folder} lacks weights, such as {min(missing)}; fetch it again")
    if adapter is not None:
        from selfimprove.students.adapters import merged_copy

        model = merged_copy(model, adapter)
    return model.to(place).eval()


def longest(model: Any, wanted: int) -> int:
    """Give how many tokens a model reads, at most `wanted`; RoBERTa's kind leaves the first places to its padding."""
    most = getattr(model.config, "max_position_embeddings", None) or wanted
    places = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(places, "padding_idx", None)
    return min(wanted, most - (0 if padding is None else padding + 1))


def read_card(folder: Path) -> Card:
    """Read what a trained scorer says of itself.

    Raises:
        InputError: the folder holds no scorer.
    """
    file = folder / CARD
    if not file.is_file():
        raise InputError(f"{folder} holds no scorer: {CARD} is missing; give the folder that training wrote")
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        return Card(str(held["base"]), str(held["base_hash"]), int(held["max_length"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file} is damaged ({type(error).__name__}: {error}); train the scorer again") from error


def _trained_on(folder: Path) -> frozenset[str]:
    """Read which problems a scorer of ours learned from: what it scores there says little of other problems."""
    file = folder / TRAINED_ON
    if not file.is_file():
        return frozenset()
    try:
        return frozenset(map(str, json.loads(file.read_text(encoding="utf-8"))))
    except (ValueError, TypeError) as error:
        raise InputError(f"{file} is damaged ({error}); train the scorer again") from error

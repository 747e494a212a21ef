"""The base of an exported student: its name, and the licence that its card states."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from selfimprove.config import Config
from selfimprove.export.card import Licence
from selfimprove.students.fetch import fetch, hub_id_of

_PLAIN: Final = re.compile(r"[\w.+-]+")
_LICENCES: Final = {
    "HuggingFaceTB/SmolLM2-135M-Instruct": "apache-2.0",
    "HuggingFaceTB/SmolLM2-360M-Instruct": "apache-2.0",
    "HuggingFaceTB/SmolLM2-1.7B-Instruct": "apache-2.0",
    "Qwen/Qwen2.5-0.5B-Instruct": "apache-2.0",
    "Qwen/Qwen2.5-1.5B-Instruct": "apache-2.0",
    "Qwen/Qwen3-0.6B": "apache-2.0",
}
"""Of bases that have a short name here, where their card is not beside their weights."""


def base_of(config: Config) -> str:
    """Give the folder or hub id that a campaign's base is loaded by."""
    folder = Path(config.campaign.student).expanduser()
    return str(folder) if folder.is_dir() else hub_id_of(config.campaign.student)


def base_name(config: Config) -> str:
    """Name the base without the folders of this machine."""
    base = base_of(config)
    return Path(base).name if Path(base).is_dir() else base


def licence_of(config: Config) -> Licence:
    """Read the licence of the base out of its card, as far as there is one that can be read.

    Raises:
        InputError: the base cannot be had.
    """
    card, told = fetch(config.campaign.student) / "README.md", dict[str, Any]()
    with suppress(Exception):  # whatever YAML makes of a card that anyone may have written
        from huggingface_hub import metadata_load

        told = metadata_load(card) or {}
    return Licence(
        _plain(told.get("license")) or _LICENCES.get(base_name(config), ""), _plain(told.get("license_name"))
    )


def _plain(value: object) -> str:
    """Give a value of a card's that can be written into another, or nothing.

    >>> _plain("qwen-research"), _plain("my: own"), _plain(["mit"]), _plain(None)
    ('qwen-research', '', '', '')
    """
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else ""

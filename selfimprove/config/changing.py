"""Single settings changed by text, as a command line gives them: a key, and a value in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

from selfimprove.errors import InputError


def toml_value(text: str) -> Any:
    r"""Read one value in TOML; what is none is the text itself.

    >>> toml_value("[2, 3]"), toml_value("adamw_torch"), toml_value("1\nother = 2")
    ([2, 3], 'adamw_torch', '1\nother = 2')
    """
    try:
        read = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return read["value"] if len(read) == 1 else text


def changed_values(values: dict[str, Any], changes: Sequence[str]) -> dict[str, Any]:
    """Change single values of nested tables by `section.key=value`s, in place, and give the tables back.

    Raises:
        InputError: a change names no section, a key under a value, or a part of a list that is not there.

    >>> changed_values({"campaign": {"rounds": 1}}, ["campaign.rounds=2", "mine.samples=8"])
    {'campaign': {'rounds': 2}, 'mine': {'samples': 8}}
    >>> changed_values({"phases": [{"rounds": 1}, {"rounds": 2}]}, ["phases.1.budget_usd=2.5"])
    {'phases': [{'rounds': 1}, {'rounds': 2, 'budget_usd': 2.5}]}
    """
    for change in changes:
        name, sign, text = change.partition("=")
        *sections, key = name.strip().split(".")
        if not sign or not sections:
            raise InputError(f'--set "{change}" will not do; write SECTION.KEY=VALUE, such as campaign.rounds=2')
        place: Any = values
        for section in sections:
            place = place.setdefault(section, {}) if isinstance(place, dict) else place[_index(place, section, name)]
            if not isinstance(place, dict | list):
                raise InputError(f'--set "{name.strip()}": {section} is a value, no table')
        place[key if isinstance(place, dict) else _index(place, key, name)] = toml_value(text)
    return values


def _index(tables: list[Any], text: str, name: str) -> int:
    """Read which of several tables is meant, counted from 0."""
    if not text.isdecimal() or int(text) >= len(tables):
        raise InputError(f'--set "{name.strip()}": {text} is none of its {len(tables)} parts, which are counted from 0')
    return int(text)

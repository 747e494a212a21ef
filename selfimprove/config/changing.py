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
        InputError: a change names no section, or a key under a value.

    >>> changed_values({"campaign": {"rounds": 1}}, ["campaign.rounds=2", "mine.samples=8"])
    {'campaign': {'rounds': 2}, 'mine': {'samples': 8}}
    """
    for change in changes:
        name, sign, text = change.partition("=")
        *sections, key = name.strip().split(".")
        if not sign or not sections:
            raise InputError(f'--set "{change}" will not do; write SECTION.KEY=VALUE, such as campaign.rounds=2')
        place = values
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise InputError(f'--set "{name.strip()}": {section} is a value, no table')
        place[key] = toml_value(text)
    return values

"""Settings written into a run folder, and compared with those that are there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from selfimprove.config.campaign import RESUMABLE, Config
from selfimprove.config.showing import shown, written

Key = tuple[str, ...]
"""Where a setting stands: its section, its name there, and so on."""


def write_config(config: Config) -> str:
    """Write settings as TOML that `load_config` reads back; secrets among them are hidden."""
    import tomlkit

    return tomlkit.dumps(written(config))


def changed(old: Config, new: Config) -> list[str]:
    """List the settings that differ and may not when a run is gone on with, see `differences`."""
    return differences(written(old), written(new), RESUMABLE.__contains__)


def different(old: Config, new: Config) -> list[str]:
    """List all settings that differ, see `differences`."""
    return differences(written(old), written(new))


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], may: Callable[[Key], bool] = lambda _: False
) -> list[str]:
    """List the settings that differ, each as `section.key: old -> new`.

    Args:
        old: as they were written, see `selfimprove.config.showing.written`.
        new: the same of today.
        may: says which may differ; they are left out.
    """
    before, after = _flat(old), _flat(new)
    return [
        f"{shown('.'.join(key))}: {shown(repr(before.get(key)))} -> {shown(repr(after.get(key)))}"
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key) and not may(key)
    ]


def _flat(values: Any, above: Key = ()) -> dict[Key, Any]:
    """Give each value by its place; a list of tables is told apart by their numbers."""
    if isinstance(values, list) and all(isinstance(value, dict) for value in values):
        values = {str(at): value for at, value in enumerate(values)}
    if not isinstance(values, Mapping):
        return {above: values}
    return {key: value for name, inner in values.items() for key, value in _flat(inner, (*above, name)).items()}

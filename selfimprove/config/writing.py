"""Settings written into a run folder, and compared with those that are there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from selfimprove.config.campaign import RESUMABLE, Config
from selfimprove.config.showing import shown, written
from selfimprove.config.teaching import TeacherConfig, TeacherRole


def write_config(config: Config) -> str:
    """Write settings as TOML that `load_config` reads back; secrets among them are hidden."""
    import tomlkit

    return tomlkit.dumps(written(config))


def changed(old: Config, new: Config) -> list[str]:
    """List the settings that differ and may not when a run is gone on with, as `section.key: old -> new`."""
    return [row for place, row in _differences(old, new) if place not in RESUMABLE]


def different(old: Config, new: Config) -> list[str]:
    """List all settings that differ, as `changed` does."""
    return [row for _, row in _differences(old, new)]


def _differences(old: Config, new: Config) -> Iterator[tuple[tuple[str, str], str]]:
    before, after = _by_section(old), _by_section(new)
    for name, was in before.items():
        now = after[name]
        for key in sorted({*was, *now}):
            if was.get(key) != now.get(key):
                old_value, new_value = (shown(repr(side.get(key))) for side in (was, now))
                yield (name, key), f"{shown(f'{name}.{key}')}: {old_value} -> {new_value}"


def _by_section(config: Config) -> dict[str, dict[str, Any]]:
    """Give the settings as they are written, those of a teacher's role as `role.key`."""
    values = written(config)
    teacher = values["teacher"]
    roles = [name for name, kind in TeacherConfig.model_fields.items() if kind.annotation is TeacherRole]
    inner = {f"{role}.{key}": value for role in roles for key, value in teacher.pop(role).items()}
    phases = {f"{at}.{key}": value for at, phase in enumerate(values.pop("phases", ())) for key, value in phase.items()}
    return {**values, "teacher": {**teacher, **inner}, "phases": phases}

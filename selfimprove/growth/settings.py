"""The settings of a curation: read, written into its folder, compared with what is there."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from selfimprove.config.campaign import RESUMABLE as OF_A_CAMPAIGN
from selfimprove.config.changing import changed_values
from selfimprove.config.curating import RESUMABLE, CurateConfig
from selfimprove.config.reading import make_section, read_toml
from selfimprove.config.showing import hide_secrets, without_none, without_passwords
from selfimprove.config.writing import Key, differences
from selfimprove.errors import InputError, RunFolderError
from selfimprove.programs.in_force import FROZEN, Frozen
from selfimprove.programs.saved import Compiled
from selfimprove.store import RunFolder, sha256_of

FILE: Final = "curate.toml"
_MODELS: Final = {"api_key_env", *(key[1] for key in OF_A_CAMPAIGN if key[0] == "teacher")}
"""Settings of a model that may change, as those of a campaign's teacher."""
_SHOWN: Final = 3


def read_settings(path: Path, changes: Sequence[str] = ()) -> CurateConfig:
    """Read a curation's TOML file, with single settings changed.

    Raises:
        InputError: it cannot be read, or holds a key or value that is not one.
    """
    return make_section(CurateConfig, changed_values(read_toml(path), changes), str(path))


def refuse_campaign(folder: RunFolder) -> None:
    """Refuse a folder that a campaign was begun in.

    Raises:
        RunFolderError: it was.
    """
    if folder.has("campaign.toml") or folder.has("stage.toml"):
        raise RunFolderError(f"{folder.path} holds a campaign; name another folder with --out")


def claim(folder: RunFolder, config: CurateConfig, compiled: Mapping[str, Compiled]) -> None:
    """Take a folder for these settings, or see that it was begun under the same.

    Args:
        folder: of the curation.
        config: its settings.
        compiled: the programs that it begins with; kept where it has not begun.

    Raises:
        RunFolderError: it was begun under other ones.
    """
    import tomlkit

    new = _plain(config)
    if folder.has(FILE):
        old = tomllib.loads(folder.checked(FILE).read_text("utf-8"))
        rows = differences(old, new, _may_differ)
        if rows:
            more = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
            raise RunFolderError(
                f"{folder.path} was begun under other settings ({'; '.join(rows[:_SHOWN])}{more}); name another folder "
                "with --out"
            )
    else:
        folder.write_json(FROZEN, Frozen.of_compiled(compiled))
    folder.write_text(FILE, tomlkit.dumps(new))


def _plain(config: CurateConfig) -> dict[str, Any]:
    values: dict[str, Any] = without_passwords(without_none(config.model_dump(mode="json")))
    for model in values["models"].values():
        hide_secrets(model)
    files = (config.curate.seeds, config.curate.taxonomy, *config.curate.held_out)
    values["files"] = {name: _hash(Path(name)) for name in files if Path(name).is_file()}
    return values


def _hash(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}; give a readable file") from error


def _may_differ(key: Key) -> bool:
    return key[:2] in RESUMABLE or (key[0] == "models" and key[-1] in _MODELS)

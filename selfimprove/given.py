"""What a campaign is given: plugs as objects, by name or as settings, and settings over a file."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, Final

from selfimprove.config import Config, load_config, make_config, merge
from selfimprove.errors import InputError
from selfimprove.plugs import check_plug
from selfimprove.protocols import Student, Task, Teacher, Trainer
from selfimprove.store import RunFolder

OBJECTS: Final = "objects.json"
"""File of a run folder: which plugs were objects, by their kind, each with the name of its type."""
_PLUGS: Final = {"task": Task, "student": Student, "teacher": Teacher, "trainer": Trainer}


def objects_of(plugs: Mapping[str, Any]) -> dict[str, Any]:
    """Give the plugs that are objects, by their kind; a trainer is nothing else.

    Raises:
        InputError: one lacks what its protocol names.
    """
    objects = {
        name: thing
        for name, thing in plugs.items()
        if thing is not None and (name == "trainer" or not isinstance(thing, str | Path | Mapping))
    }
    for name, thing in objects.items():
        check_plug(thing, _PLUGS[name])
    return objects


def objects_in(run: Path) -> dict[str, str]:
    """Give the plugs of a run folder that were objects, by their kind."""
    folder = RunFolder(run, writer=False)
    return dict(folder.json(OBJECTS)) if folder.has(OBJECTS) else {}


def name_objects(folder: RunFolder, given: Mapping[str, object]) -> None:
    """Write down which plugs are objects: no settings name them."""
    known = objects_in(folder.path)
    named = {**known, **{kind: type(thing).__name__ for kind, thing in given.items()}}
    if named != known:
        folder.write_json(OBJECTS, named)


def call_of(run: Path) -> str:
    """Write the Python that goes on with a run folder whose plugs were objects."""
    plugs = "".join(f"{kind}=..., " for kind in objects_in(run))
    return f'Campaign("{run / "campaign.toml"}", {plugs}out="{run}").run()'


def check_objects(run: Path, given: Container[str]) -> None:
    """Refuse to go on with a run folder without the objects that it was made with.

    Raises:
        InputError: a plug was an object there and is none now.
    """
    lacking = {kind: name for kind, name in objects_in(run).items() if kind not in given}
    if lacking:
        named = " and ".join(f"the {kind} ({name})" for kind, name in lacking.items())
        raise InputError(f"{run} was made with objects for {named}: give them in Python, {call_of(run)}")


def config_of(config: Path | str | Config | None, plugs: Mapping[str, Any], *settings: Mapping[str, Any]) -> Config:
    """Put plugs and settings over a file or a config.

    Args:
        config: what they go over; None: the defaults.
        plugs: by their kind: an object or a name becomes a key, a mapping is a section.
        settings: sections by name, and keys of `[campaign]`; later ones go over earlier ones.

    Raises:
        InputError: a setting will not do.
    """
    named = {name: _label(name, thing) for name, thing in plugs.items() if not isinstance(thing, Mapping)}
    tables = {name: thing for name, thing in plugs.items() if isinstance(thing, Mapping)}
    campaign = {name: label for name, label in named.items() if label is not None and name in {"task", "student"}}
    values = merge(_base(config), {"campaign": campaign})
    if (teacher := named.get("teacher")) is not None:
        values = merge(values, {"teacher": {"model": teacher}})
    for key, value in (pair for some in (tables, *settings) for pair in some.items()):
        table = key in Config.model_fields or isinstance(value, Mapping)
        values = merge(values, {key: value} if table else {"campaign": {key: value}})
    return make_config(values, "Campaign")


def _base(config: Path | str | Config | None) -> dict[str, Any]:
    if config is None:
        return {}
    return (config if isinstance(config, Config) else load_config(Path(config))).model_dump(mode="json")


def _label(plug: str, thing: Any) -> str | None:
    """Name a plug in the settings."""
    if thing is None or isinstance(thing, str):
        return thing
    if isinstance(thing, Path):
        return str(thing)
    if plug == "teacher":  # not by a name of its own, which could be that of a model
        return f"{type(thing).__module__}:{type(thing).__name__}"
    return str(getattr(thing, "name", None) or type(thing).__name__)

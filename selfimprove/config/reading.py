"""Settings read from TOML or plain values; what will not do is refused in one sentence."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError

from selfimprove.arms import ARMS, in_turn
from selfimprove.config.campaign import Config
from selfimprove.config.showing import shown, without_password
from selfimprove.errors import InputError, nearest

S = TypeVar("S", bound=BaseModel)
_DEEPEST: Final = 32
_UNWRITABLE: Final = re.compile("[\0\ud800-\udfff]")


def load_config(path: Path) -> Config:
    """Read a campaign's TOML file.

    Raises:
        InputError: the file is missing, is not TOML, or holds a key or value that is not one.
    """
    return make_config(read_toml(path), str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file as plain values.

    Raises:
        InputError: the file is missing or is not TOML.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError(f"{path} cannot be read: {reason}; name a TOML file (selfimprove init writes one)") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not valid TOML: {shown(str(error))}; mend that line") from error
    except (ValueError, RecursionError) as error:
        reason = "a number of thousands of digits" if isinstance(error, ValueError) else "tables nested too deeply"
        raise InputError(f"{path} is not valid TOML: {reason}; take it out") from error


def make_config(values: Mapping[str, Any], where: str = "config") -> Config:
    """Check settings given as nested mappings.

    Raises:
        InputError: see `load_config`.
    """
    config = make_section(Config, values, where)
    _refuse_mixing(config, where)
    _refuse_phases(config, where)
    _refuse_probe(config, where)
    return config


def make_section(kind: type[S], values: Mapping[str, Any], where: str) -> S:
    """Check nested mappings as settings of a kind; errors as `load_config`."""
    _refuse_unwritable(values, where, ())
    try:
        config = kind.model_validate(values)
        config.model_dump(mode="json")
    except ValidationError as error:
        raise InputError(_sentence(error, where, kind)) from error
    except (ValueError, TypeError) as error:  # of pydantic's serializer
        raise InputError(
            f"{where}: a setting cannot be written down ({shown(str(error))}); give plain values"
        ) from error
    return config


def _refuse_phases(config: Config, where: str) -> None:
    """Refuse phases that could never be entered, or at once."""
    for at, phase in enumerate(config.phases):
        if bool(phase.when) != bool(at):
            raise InputError(f"{where}: phases.{at}.when: the first phase has no condition, and every later one has")
        asked = {term.metric for term in phase.terms} & {"consistency", "pass_at_k"}
        if asked and not config.evaluate.samples:
            raise InputError(
                f"{where}: phases.{at}.when asks for {min(asked)}, which is only known with evaluate.samples; set it"
            )


def _refuse_probe(config: Config, where: str) -> None:
    """Refuse to try ways to choose lessons for arms that have none."""
    arms = config.campaign.arms
    if config.select.policy == "probe" and not any(ARMS[arm].track for arm in in_turn(arms)):
        raise InputError(
            f'{where}: select.policy = "probe" tries ways to choose lessons, and none of campaign.arms = '
            f'{json.dumps(arms)} learns from lessons; name another policy, or an arm with a track, such as "track_b"'
        )


def _refuse_mixing(config: Config, where: str) -> None:
    """Refuse two orders of the same rows."""
    if config.select.order != "easy_to_hard":
        return
    kept: dict[str, Any] = {"train_sampling_strategy": "sequential", "packing": False, "shuffle_dataset": False}
    for name in ("sft", "continued"):
        given = getattr(config.train, name).model_extra or {}
        for key in kept.keys() & given.keys():
            if given[key] != kept[key]:
                raise InputError(
                    f"{where}: train.{name}.{key} = {json.dumps(given[key])} would mix the rows that select.order = "
                    '"easy_to_hard" puts in order; leave one of the two out'
                )


def _refuse_unwritable(value: Any, where: str, path: tuple[str, ...]) -> None:
    """Refuse what no run folder could hold, or what could not be compared with it: a campaign writes its settings."""
    wrong = ""
    if isinstance(value, float) and not math.isfinite(value):
        wrong = f"= {value} will not do: it is no finite number"
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        wrong = "will not do: a number of more than 64 bits"
    elif any(_UNWRITABLE.search(text) for text in (value, path[-1] if path else "") if isinstance(text, str)):
        wrong = "holds a NUL or half a character; correct it"
    elif len(path) > _DEEPEST:
        wrong = "is nested too deeply; flatten it"
    if wrong:
        raise InputError(f"{where}: {shown('.'.join(path))} {wrong}")
    if isinstance(value, Mapping):
        for key, held in value.items():
            _refuse_unwritable(held, where, (*path, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for at, held in enumerate(value):
            _refuse_unwritable(held, where, (*path, str(at)))


def _sentence(error: ValidationError, where: str, root: type[BaseModel]) -> str:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    key = shown(".".join(path))
    if first["type"] == "extra_forbidden":
        return f'{where}: there is no key "{key}"; {nearest(path[-1], _known_at(path[:-1], root))}'
    if first["type"] == "missing":
        return f"{where}: {key} is missing; set it"
    value = shown(repr(first["input"]))
    if path[-1] == "base_url":
        value = without_password(value)
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] in {"tuple_type", "list_type"}:  # TOML knows no tuple
        example = json.dumps([first["input"]]) if isinstance(first["input"], str) else "[...]"
        reason = f"give a list, such as {shown(example)}"
    return f"{where}: {key} = {value} will not do: {reason[0].lower()}{reason[1:]}"


def _known_at(path: list[str], root: type[BaseModel]) -> list[str]:
    section, named = root, False
    for part in path:
        if named or part.isdecimal():  # a name of a mapping; of a list, whose kind of table was found by its name
            named = False
            continue
        found = section.model_fields[part].annotation
        named = get_origin(found) is Mapping
        found = get_args(found)[named] if named or get_origin(found) is tuple else found
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return []
        section = found
    return list(section.model_fields)

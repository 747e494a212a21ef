"""A commented TOML file to start a campaign from, made from the config's own types, so that it never goes stale."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args, get_origin

import tomlkit
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from selfimprove import config
from selfimprove.errors import InputError
from selfimprove.protocols import Task
from selfimprove.store import write_whole
from selfimprove.tasks.load import load_task

Start = Mapping[str, Mapping[str, object]]

_WIDTH = 100
_SFT: Mapping[str, object] = {"learning_rate": 2e-4, "num_train_epochs": 3}
_STARTS: Mapping[str, Start] = {
    "gsm8k": {
        "data": {"train": 6000, "dev": 400, "test": 1319},
        "student": {"max_tokens": 256},
        "train.sft": _SFT,
    },
    "strategyqa": {
        "data": {"train": 1600, "dev": 400, "test": 229},
        "student": {"max_tokens": 160},
        "train.sft": _SFT,
    },
    "mmlu": {
        "data": {"train": 4000, "dev": 800, "test": 2000},
        "teacher": {"model": "self"},
        "student": {"max_tokens": 192},
        "train.sft": _SFT,
    },
    "math": {
        "data": {"train": 6000, "dev": 400, "test": 500},
        "student": {"max_tokens": 512},
        "train.sft": _SFT,
    },
    "arithmetic": {
        "data": {"train": 2000, "dev": 400, "test": 400},
        "student": {"max_tokens": 160},
        "select": {"policy": "ladder", "label": "level"},
        "train.sft": {"learning_rate": 1e-3, "num_train_epochs": 1},
    },
}
"""Where a campaign on a named task begins; every other key keeps its default."""

_OWN_RATIONALES: Start = {"train.sft": _SFT}
_NO_RATIONALES: Start = {"teacher": {"model": "self"}, "train.sft": _SFT}
_ALWAYS: Mapping[str, tuple[str, ...]] = {
    "campaign": ("task", "student", "rounds", "seed"),
    "data": ("train", "dev", "test"),
    "teacher": ("model",),
}
"""Keys that are set in every file, so that a reader sees them first."""

_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
_NO_OPTIONS = {"data_dir", "sizes", "path", "dataset", "config", "name"}
"""Fields of tasks that other keys set."""


def init(task: str, path: Path) -> str:
    """Write a commented TOML file for a task, every key with its meaning, unit and default, and give its text.

    Args:
        task: as `campaign.task`.
        path: the file; never overwritten.

    Raises:
        InputError: there is no such task, or the file exists.
    """
    if path.exists():
        raise InputError(f"{path} exists and is not overwritten; name another file, or remove it")
    text = template(task)
    write_whole(path, text.encode())
    return text


def template(task: str) -> str:
    """Give the text that `init` writes; errors as `init` for the task."""
    made = load_task(task)
    start = {name: dict(values) for name, values in _start(task, made).items()}
    start.setdefault("campaign", {})["task"] = task
    lines = [
        *_prose(f"A campaign on {task}: selfimprove plan FILE says what it will take, selfimprove run FILE runs it."),
        *_prose(
            'A line that begins with "#" and no space is a default or, where the default is unset, an example: take '
            'the "#" away to change it.'
        ),
    ]
    for name, field in config.Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            lines += _section((name,), section, start)
        elif isinstance(part := next(iter(get_args(section)), None), type) and issubclass(part, BaseModel):
            lines += ["", *_prose(_said(config.Config, name)), *_repeated(name, part)]
        else:
            lines += ["", *_prose(_said(config.Config, name)), f"[{name}]", *_options(made)]
    return "\n".join(lines) + "\n"


def _start(task: str, made: Task) -> Start:
    if task in _STARTS:
        return _STARTS[task]
    if task.startswith("reasoning_gym:"):
        return _NO_RATIONALES
    first = next(iter(made.problems("train")), None)
    return _OWN_RATIONALES if first is not None and first.rationale else _NO_RATIONALES


def _section(path: tuple[str, ...], section: type[BaseModel], start: Start) -> Iterator[str]:
    """Write one table: its own keys first, then the tables inside it."""
    name = ".".join(path)
    given = start.get(name, {})
    open_ended = section.model_config.get("extra") == "allow"
    inner = {key: _table(field) for key, field in section.model_fields.items() if _table(field)}
    yield ""
    yield from _prose(inspect.getdoc(section) or "")
    yield f"[{name}]"
    for key, field in section.model_fields.items():
        if key in inner:
            continue
        value = given.get(key, _default(field))
        yield from _prose(_explained(section, key, field))
        is_set = key in given or key in _ALWAYS.get(name, ())
        yield f"{'' if is_set else '#'}{key} = {_toml(_example(field) if value is None else value)}"
    if open_ended:
        yield from (f"{key} = {_toml(value)}" for key, value in given.items())
    for key, table in inner.items():
        if table is not None:
            yield from _section((*path, key), table, start)


def _repeated(name: str, section: type[BaseModel]) -> Iterator[str]:
    """Write a table that may stand several times, or not at all."""
    yield f"#[[{name}]]"
    for key, field in section.model_fields.items():
        default = _default(field)
        yield from _prose(_explained(section, key, field))
        yield f"#{key} = {_toml(_example(field) if default is None else default)}"


def _table(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _default(field: FieldInfo) -> object:
    return field.get_default(call_default_factory=True, validated_data={})


def _explained(section: type[BaseModel], key: str, field: FieldInfo) -> str:
    """Say what a key means, its default and what it may be."""
    default = "unset" if _default(field) is None else _toml(_default(field))
    facts = "; ".join(part for part in (f"default {default}", _allowed(field)) if part)
    said = _said(section, key)
    return f"{said} ({facts})" if said else f"{facts[0].upper()}{facts[1:]}"


def _allowed(field: FieldInfo) -> str:
    """Say which values a field takes, from its bounds or its choices."""
    bounds: dict[str, float] = {}
    for limit in [*field.metadata, *(m for inner in _inside(field.annotation) for m in inner)]:
        bounds |= {name: value for name in _BOUNDS if (value := getattr(limit, name, None)) is not None}
    if bounds.keys() == {"ge", "le"}:
        said = [f"{bounds['ge']:,.10g} to {bounds['le']:,.10g}"]
    else:
        said = [f"{words} {bounds[name]:,.10g}" for name, words in _BOUNDS.items() if name in bounds]
    if choices := _choices(field.annotation):
        how_many = "one of" if get_origin(field.annotation) is Literal else "any of"
        said.append(f"{how_many} {', '.join(map(_toml, choices))}")
    return ", ".join(said)


def _inside(annotation: object) -> Iterator[list[object]]:
    """Give the metadata of fields inside a union, such as `Annotated[float, Field(ge=0)] | None`."""
    for part in get_args(annotation):
        for extra in getattr(part, "__metadata__", ()):
            yield extra.metadata if isinstance(extra, FieldInfo) else [extra]


def _choices(annotation: object) -> tuple[object, ...]:
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next((found for part in get_args(annotation) if (found := _choices(part))), ())


def _example(field: FieldInfo) -> object:
    """Give a value of the right type for a key that is unset by default."""
    kinds, choices = str(field.annotation), field.examples or _choices(field.annotation)
    if choices:
        return choices[0]
    return next((value for name, value in (("tuple", []), ("float", 1.0), ("int", 1)) if name in kinds), "...")


def _options(task: Task) -> Iterator[str]:
    """List the task's own options, commented out at their defaults."""
    described = dict(re.findall(r"^ {4}(\w+): (.+(?:\n {8,}.+)*)", inspect.getdoc(type(task)) or "", re.MULTILINE))
    for name, default in _option_defaults(task):
        if name in described:
            yield from _prose(described[name][0].upper() + described[name][1:].rstrip("."))
        yield f"#{name} = {_toml(default)}"


def _option_defaults(task: Task) -> Iterator[tuple[str, object]]:
    kind: Any = type(task)
    fields = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    listed = [field for field in fields if field.name not in _NO_OPTIONS]
    if task.name.startswith("reasoning_gym:"):
        from reasoning_gym.factory import DATASETS

        listed += [
            f for f in dataclasses.fields(DATASETS[task.name.partition(":")[2]][1]) if f.name not in {"seed", "size"}
        ]
    for field in listed:
        made = field.default_factory() if callable(field.default_factory) else field.default
        if isinstance(made, str | bool | int | float | tuple | list):
            yield field.name, made
        elif made is None:
            yield field.name, "..."


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update(value)
        return table.as_string()
    return tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()


def _prose(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _said(section: type[BaseModel], key: str) -> str:
    """Give the string that stands under a field in the source, which explains it."""
    return _docstrings(inspect.getmodule(section) or config).get((section.__name__, key), "").rstrip(".")


@cache
def _docstrings(module: ModuleType) -> Mapping[tuple[str, str], str]:
    found = {}
    for made in ast.parse(inspect.getsource(module)).body:
        if not isinstance(made, ast.ClassDef):
            continue
        for field, below in zip(made.body, made.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                found[made.name, field.target.id] = inspect.cleandoc(str(below.value.value))
    return found

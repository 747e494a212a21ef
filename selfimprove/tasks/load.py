"""Turn a task's name, file or import path into a task."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from selfimprove.errors import InputError, nearest
from selfimprove.plugs import load_plug
from selfimprove.protocols import Task
from selfimprove.records import Split
from selfimprove.tasks.cuts import Limited, checked_sizes

_NAMED = {
    "gsm8k": "selfimprove.tasks.gsm8k:Gsm8k",
    "strategyqa": "selfimprove.tasks.strategyqa:StrategyQa",
    "mmlu": "selfimprove.tasks.choice:MultipleChoice",
    "math": "selfimprove.tasks.hendrycks_math:HendrycksMath",
    "arithmetic": "selfimprove.tasks.arithmetic:Arithmetic",
}
FILE_ENDINGS = (".jsonl", ".json", ".ndjson")
_FORMS = 'a file of problems such as "problems.jsonl", "reasoning_gym:NAME", or "package.module:Name"'


def load_task(
    spec: str | Task,
    *,
    data_dir: Path | None = None,
    options: Mapping[str, object] | None = None,
    sizes: Mapping[Split, int] | None = None,
) -> Task:
    """Give the task that a name, a file or an import path means; a task is given back.

    Args:
        spec: `gsm8k`, `strategyqa`, `mmlu`, `math`, `arithmetic`, `reasoning_gym:NAME`, a path that ends in `.jsonl`,
            or `package.module:Name`.
        data_dir: folder with local copies of the named data sets; None: the environment's `SELFIMPROVE_DATA`, else the
            hub.
        options: the task's own settings.
        sizes: the most problems to use of a split; procedural tasks draw that many.

    Raises:
        InputError: there is no such task, option or file.
    """
    given = dict(options or {})
    limits = dict(checked_sizes(sizes or {}))
    if not isinstance(spec, str):
        _refuse_options(given, type(spec).__name__)
        return Limited(spec, limits) if limits else spec
    if spec.startswith("reasoning_gym:"):
        from selfimprove.tasks.reasoning_gym import ReasoningGym

        own = {name: given.pop(name) for name in ("seed",) if name in given}
        return _build(ReasoningGym, {**own, "dataset": spec.partition(":")[2], "config": given}, limits, spec)
    if spec.endswith(FILE_ENDINGS):
        from selfimprove.tasks.jsonl import JsonlTask

        return _build(JsonlTask, {**given, "path": spec}, limits, spec)
    if spec not in _NAMED and ":" not in spec:
        raise InputError(f'there is no task "{spec}"; {nearest(spec, _NAMED)}; or give {_FORMS}')
    made = load_plug(_NAMED.get(spec, spec), "task")
    if not callable(made):
        _refuse_options(given, spec)
        task = _checked(made, spec)
        return Limited(task, limits) if limits else task
    if "data_dir" in _parameters(made):
        given.setdefault("data_dir", data_dir or _data_dir(spec))
    return _build(made, given, limits, spec)


def _data_dir(task: str) -> Path | None:
    """Give the folder that the environment names, when it has this task's data; else None, for the hub."""
    named = os.environ.get("SELFIMPROVE_DATA")
    return Path(named) if named and (task not in _NAMED or (Path(named) / task).is_dir()) else None


def _build(make: Any, given: dict[str, object], limits: dict[Split, int], spec: str) -> Task:
    """Make a task from its options, checked against its parameters."""
    known = _parameters(make)
    for name in given:
        if name not in known:
            raise InputError(f'task {spec} has no option "{name}"; {nearest(name, known - {"sizes"})}')
    takes_sizes = "sizes" in known
    if takes_sizes and limits:
        given["sizes"] = {**_default_sizes(make), **limits}
    try:
        made = TypeAdapter(make).validate_python(given) if dataclasses.is_dataclass(make) else make(**given)
    except ValidationError as error:
        wrong = error.errors()[0]
        if isinstance(cause := wrong.get("ctx", {}).get("error"), InputError):  # the task's own check says it best
            raise cause from None
        place = ".".join(map(str, wrong["loc"])) or "its options"
        raise InputError(f"task {spec}: {place:.80} = {wrong['input']!r:.80}: {wrong['msg']}; correct it") from error
    except TypeError as error:
        raise InputError(f"task {spec} cannot be made from {sorted(given)}: {error}; correct its options") from error
    task = _checked(made, spec)
    return task if takes_sizes or not limits else Limited(task, limits)


def _default_sizes(make: Any) -> Mapping[Split, int]:
    fields = dataclasses.fields(make) if dataclasses.is_dataclass(make) else ()
    default = next((each.default_factory for each in fields if each.name == "sizes"), dataclasses.MISSING)
    return default() if callable(default) else {}


def _parameters(make: Any) -> set[str]:
    if dataclasses.is_dataclass(make):
        return {each.name for each in dataclasses.fields(make) if each.init}
    try:
        return set(inspect.signature(make).parameters)
    except (TypeError, ValueError):
        return set()


def _checked(made: object, spec: str) -> Task:
    if isinstance(made, Task):
        return made
    needed = ("name", "instruction", "problems", "parse", "compare", "conclude")
    missing = [name for name in needed if not hasattr(made, name)]
    raise InputError(
        f'task "{spec}" is no Task: it lacks {", ".join(missing)}; add them, see selfimprove.protocols.Task'
    )


def _refuse_options(given: Mapping[str, object], spec: str) -> None:
    if given:
        raise InputError(
            f"task {spec} is an object already and takes no options: {', '.join(sorted(given))}; leave them out"
        )

"""Import what a setting names as `package.module:Name`."""

from __future__ import annotations

import importlib
import traceback
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import InputError, nearest

_LONGEST: Final = 200


def said(error: Exception) -> str:
    """Write an error of somebody else's code in one line, with the place it comes from."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}: {' '.join(str(error).split())[:_LONGEST]}"


def load_plug(path: str, what: str) -> Any:
    """Give the object that `package.module:Name` names.

    Args:
        path: where it is.
        what: what it is to be, such as `task`; for the error.

    Raises:
        InputError: there is no such module, or nothing of that name in it, or importing it fails.
    """
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(
            f'{what} "{path}": there is no module {error.name}; install it, or run where it can be imported'
        ) from error
    except Exception as error:  # a module of somebody else's: anything may happen in it
        raise InputError(f'{what} "{path}": importing {module_name} fails with {said(error)}; mend that') from error
    if not hasattr(module, name):
        public = [each for each in vars(module) if not each.startswith("_")]
        raise InputError(f'{what} "{path}": {module_name} has no "{name}"; {nearest(name, public)}')
    return getattr(module, name)


def check_plug(thing: object, kind: type) -> None:
    """Refuse an object that lacks what a protocol names; properties are not evaluated.

    Raises:
        InputError: see above; a class is given in the place of an object.
    """
    what, name = kind.__name__.lower(), thing.__name__ if isinstance(thing, type) else type(thing).__name__
    if isinstance(thing, type):
        raise InputError(f'{what} "{name}" is a class; give an object of it')
    members = [each for each in dir(kind) if not each.startswith("_")]
    missing = [each for each in members if each not in dir(thing) and not hasattr(thing, each)]
    if missing:
        raise InputError(
            f'{what} "{name}" is no {kind.__name__}: it lacks {", ".join(missing)}; '
            f"add that, see selfimprove.protocols.{kind.__name__}"
        )

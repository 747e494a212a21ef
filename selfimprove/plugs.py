"""Import what a setting names as `package.module:Name`."""

from __future__ import annotations

import importlib
from typing import Any

from selfimprove.errors import InputError, nearest


def load_plug(path: str, what: str) -> Any:
    """Give the object that `package.module:Name` names.

    Args:
        path: where it is.
        what: what it is to be, such as `task`; for the error.

    Raises:
        InputError: there is no such module, or nothing of that name in it.
    """
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not module_name.startswith(error.name):
            raise  # the module is there and misses something itself
        raise InputError(
            f'{what} "{path}": there is no module {error.name}; install it, or run where it can be imported'
        ) from error
    if not hasattr(module, name):
        public = [each for each in vars(module) if not each.startswith("_")]
        raise InputError(f'{what} "{path}": {module_name} has no "{name}"; {nearest(name, public)}')
    return getattr(module, name)

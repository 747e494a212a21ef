"""Engines that run the student: in this process, or behind a server that speaks OpenAI's protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from selfimprove.errors import InputError
from selfimprove.protocols import Student

SERVER = "openai-server:"
"""How the name of a student behind a server begins."""
_HERE = {"dtype": "auto", "device": "auto", "max_length": None}
"""Settings of a model that is loaded here, with what leaves them open."""
_ROOM = 2048
"""Tokens of prompt and completion together, at least."""


def load_student(spec: str | Path, *, max_tokens: int = 0, **settings: Any) -> Student:
    """Make a student from what a config file names.

    Args:
        spec: a folder, a hub id, a short name such as `smollm2-135m`, or
            `openai-server:MODEL@http://127.0.0.1:8000/v1`.
        max_tokens: the longest completion that it will be asked for, for which a model loaded here keeps room.
        settings: keyword arguments of `TransformersStudent` or `OpenAIServerStudent`; a server is asked for as many
            completions at once as `slots` says.

    Raises:
        InputError: there is no such model, the server's address is incomplete, or a setting is not for servers.
    """
    if str(spec).startswith(SERVER):
        from selfimprove.students.openai_server import OpenAIServerStudent

        return OpenAIServerStudent(*_served(str(spec)), **_for_server(settings))
    from selfimprove.students.transformers import TransformersStudent

    own = settings.pop("max_length", None)
    return TransformersStudent(spec, max_length=own or room_for(max_tokens), **settings)


def room_for(max_tokens: int) -> int:
    """Give how many tokens, prompt and completion together, a model loaded here holds where nothing else is set.

    A second chance after a completion that was cut off is twice as long, and a prompt stands before it.

    >>> room_for(256), room_for(4096)
    (2048, 12288)
    """
    return max(_ROOM, 3 * max_tokens)


def _for_server(settings: dict[str, Any]) -> dict[str, Any]:
    """Give the settings of a student behind a server."""
    for name, unset in _HERE.items():
        if settings.get(name, unset) != unset:
            raise InputError(
                f"{name} = {settings[name]!r} cannot be set for a student behind a server, which loads its model "
                "itself; leave it out"
            )
    kept = {name: value for name, value in settings.items() if name not in {*_HERE, "slots"}}
    return {**kept, "concurrency": settings["slots"]} if settings.get("slots") else kept


def check_student(spec: str) -> None:
    """Refuse what can be no student's name; nothing is asked, fetched or loaded.

    Raises:
        InputError: it names neither a folder, a hub id, a short name nor a server.
    """
    from selfimprove.students.fetch import hub_id_of

    if spec.startswith(SERVER):
        _served(spec)
    elif not Path(spec).expanduser().is_dir():
        hub_id_of(spec)


def _served(spec: str) -> tuple[str, str]:
    """Give model and address of a student behind a server."""
    model, at, base_url = spec.removeprefix(SERVER).rpartition("@")
    if not (at and model and base_url.startswith(("http://", "https://"))):
        raise InputError(f'the student "{spec}" names no server; write openai-server:MODEL@http://HOST:PORT/v1')
    return model, base_url

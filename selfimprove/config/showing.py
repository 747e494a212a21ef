"""Settings as they may be shown: on one line, and without secrets."""

from __future__ import annotations

import re
from typing import Any, Final

from selfimprove.config.campaign import Config

_LONGEST_SHOWN: Final = 80
SECRET: Final = re.compile(r"key|token$|secret|password|credential|auth|header", re.IGNORECASE)
"""Names of settings whose values are secrets."""
_IN_ADDRESS: Final = re.compile(r"[^/@\s]+(?=@)|(?<=\?).+")
_USER: Final = re.compile(r"(?<=//)[^/?#\s]+(?=@)")
_QUERY: Final = re.compile(r"(https?://[^?\s]*\?)\S+")
_HIDDEN: Final = "***"


def written(config: Config) -> dict[str, Any]:
    """Give settings as plain values, without what is unset, and with `***` in the place of secrets.

    Whatever is written down or sent away is made of this: a run folder is passed on, keys are not.
    """
    values: dict[str, Any] = without_passwords(without_none(config.model_dump(mode="json")))
    hide_secrets(values["teacher"])
    return values


def hide_secrets(teacher: dict[str, Any]) -> None:
    """Put `***` in the place of secrets in a teacher's settings."""
    teacher["parameters"] = without_secrets(teacher.get("parameters", {}))
    if not teacher.get("api_key_env", "UNSET").isupper():  # not written as variables are: perhaps the key itself
        teacher["api_key_env"] = _HIDDEN
    if "base_url" in teacher:
        teacher["base_url"] = without_password(teacher["base_url"])


def without_none(value: Any) -> Any:
    """Leave out what is unset, as TOML has no word for it."""
    if isinstance(value, dict):
        return {key: without_none(held) for key, held in value.items() if held is not None}
    return [without_none(held) for held in value if held is not None] if isinstance(value, list) else value


def without_secrets(value: Any, *, secret: bool = False) -> Any:
    """Put `***` in the place of texts whose names say that they are secrets."""
    if isinstance(value, dict):
        return {key: without_secrets(held, secret=secret or bool(SECRET.search(key))) for key, held in value.items()}
    if isinstance(value, list):
        return [without_secrets(held, secret=secret) for held in value]
    return _HIDDEN if secret and isinstance(value, str) else value


def without_passwords(value: Any) -> Any:
    """Hide users, passwords and queries of the addresses in all texts.

    >>> without_passwords(["judge:openai/m@https://me:secret@host/v1?key=1", "me@home"])
    ['judge:openai/m@https://***@host/v1?***', 'me@home']
    """
    if isinstance(value, dict):
        return {key: without_passwords(held) for key, held in value.items()}
    if isinstance(value, list):
        return [without_passwords(held) for held in value]
    if not isinstance(value, str):
        return value
    return _QUERY.sub(rf"\1{_HIDDEN}", _USER.sub(_HIDDEN, value))


def shown(text: str) -> str:
    """Write a text on one line, its middle left out where it is long."""
    line = "".join(char if char.isprintable() else " " for char in text)
    half = _LONGEST_SHOWN // 2
    return line if len(line) <= _LONGEST_SHOWN else f"{line[:half]}...{line[-half:]}"


def without_password(address: str) -> str:
    """Hide what stands before the host of an address, and its query."""
    return _IN_ADDRESS.sub(_HIDDEN, address)

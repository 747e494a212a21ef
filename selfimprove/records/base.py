"""What all records have in common, and how anything is hashed."""

from __future__ import annotations

import hashlib
import json
from typing import Final

from pydantic import BaseModel, ConfigDict

_PLAIN: Final = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def digest(*parts: object) -> str:
    """Hash any JSON-able parts to 16 hexadecimal characters, the same on every machine.

    >>> digest("a", 1) == digest("a", 1)
    True
    """
    return hashlib.sha256(_PLAIN.encode(parts).encode()).hexdigest()[:16]


class Record(BaseModel):
    """A frozen row: equal by value, refused when it holds a field it should not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

"""How often a split was looked at on this machine, over all run folders: each look makes the next one worth less.

A run folder knows its own looks. A fork, or the same settings in a new folder, looks at the same problems again; so
each look is also written into a file of the user's, named by the hash of the split's problems.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import ValidationError

from selfimprove.records import Record
from selfimprove.store import write_whole

_log = logging.getLogger(__name__)


class Look(Record):
    """One look at a split. A line of the file."""

    split: Literal["dev", "test"]
    run: str
    """Which run folder, see `run_id`."""
    what: str
    """What was looked at: a baseline, an arm that dev decided on, a merged model, or the students of a test."""


def run_id(folder: Path) -> str:
    """Give what a run folder is known by: drawn once and kept in it, so that a copy is the same."""
    place = folder / ".identity"
    if not place.is_file():
        write_whole(place, uuid4().hex.encode())
    return place.read_text("utf-8").strip()


def state_root() -> Path:
    """Name the folder that is kept between campaigns; SELFIMPROVE_STATE overrides it."""
    if chosen := os.environ.get("SELFIMPROVE_STATE"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_state_dir("selfimprove"))


def baseline(shots: int) -> str:
    """Name a look at the untouched student with so many worked examples."""
    return f"baseline, {shots} shots"


def decided(round_: int, arm: str) -> str:
    """Name a look that an arm of a round was decided by."""
    return f"round {round_}, {arm}"


def looks_at(data_sha256: str) -> list[Look]:
    """Give every look at a split that this machine knows of; a line that cannot be read is left out."""
    found = []
    try:
        lines = _file(data_sha256).read_text("utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            found.append(Look.model_validate_json(line))
        except ValidationError:
            _log.warning("%s holds a line that is no look: %.80s", _file(data_sha256), line)
    return found


def count_look(data_sha256: str, look: Look) -> None:
    """Write a look down, once; where that place cannot be written to, the log says so and the campaign goes on."""
    if look in looks_at(data_sha256):
        return
    path = _file(data_sha256)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(look.model_dump_json() + "\n")
    except OSError as error:
        _log.warning("%s cannot be written (%s): this look is not counted beyond its run folder", path, error.strerror)


def elsewhere(looks: Sequence[Look], run: Path) -> list[Look]:
    """Give the looks of other run folders."""
    here = run_id(run) if (run / ".identity").is_file() else ""
    return [look for look in looks if look.run != here]


def _file(data_sha256: str) -> Path:
    return state_root() / "openings" / f"{data_sha256[:32]}.jsonl"

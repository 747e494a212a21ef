"""How often a split was looked at on this machine, over all run folders: each look makes the next one worth less.

A run folder knows its own looks. A fork, or the same settings in a new folder, looks at the same problems again; so
each look is also written into a file of the user's, named by the hash of the split's problems. Beside it stand the
problems, for a split of other size may hold the same.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
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
    """Give every look that this machine knows of at a split, or at another that holds half of its problems or more.

    A line that cannot be read is left out.
    """
    own, found = _problems(_file(data_sha256)), _looks(_file(data_sha256))
    for other in sorted(_file(data_sha256).parent.glob("*.problems")) if own else ():
        if other.stem != _file(data_sha256).stem and 2 * len(own & _problems(other)) >= len(own):
            found += [look for look in _looks(other.with_suffix(".jsonl")) if look not in found]
    return found


def know_split(data_sha256: str, problems: Iterable[str]) -> None:
    """Write down which problems a split holds, by their ids; where that cannot be, as `count_look`."""
    _written(_file(data_sha256).with_suffix(".problems"), "".join(f"{problem}\n" for problem in problems), "w")


def _problems(file: Path) -> set[str]:
    try:
        return set(file.with_suffix(".problems").read_text("utf-8").split())
    except OSError:
        return set()


def _looks(file: Path) -> list[Look]:
    found = []
    try:
        lines = file.read_text("utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            found.append(Look.model_validate_json(line))
        except ValidationError:
            _log.warning("%s holds a line that is no look: %.80s", file, line)
    return found


def count_look(data_sha256: str, look: Look) -> None:
    """Write a look down, once; where that place cannot be written to, the log says so and the campaign goes on."""
    if look not in _looks(_file(data_sha256)):
        _written(_file(data_sha256), look.model_dump_json() + "\n", "a")


def _written(path: Path, text: str, mode: Literal["a", "w"]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        _log.warning("%s cannot be written (%s): looks are not counted beyond the run folder", path, error.strerror)


def elsewhere(looks: Sequence[Look], run: Path) -> list[Look]:
    """Give the looks of other run folders."""
    here = run_id(run) if (run / ".identity").is_file() else ""
    return [look for look in looks if look.run != here]


def _file(data_sha256: str) -> Path:
    return state_root() / "openings" / f"{data_sha256[:32]}.jsonl"

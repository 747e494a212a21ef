"""Where a fork begins: the last round that it took over from another campaign."""

from __future__ import annotations

from typing import Final

from selfimprove.graphs.places import round_folder
from selfimprove.records import Record
from selfimprove.store import RunFolder

FORK: Final = "fork.json"


class Forked(Record):
    """What a campaign was made of. A file of the run folder."""

    parent: str
    """The other campaign's run folder."""
    round: int
    """Last round that was taken over."""
    changes: tuple[str, ...] = ()
    """What differs in the settings."""
    notes: tuple[str, ...] = ()
    """What of that another setting goes over."""


def forked(folder: RunFolder) -> Forked | None:
    """Say what a campaign was made of; None: of nothing."""
    return folder.found(FORK, Forked)


def taken_over(folder: RunFolder) -> tuple[str, ...]:
    """Name the folders of the rounds that came with the fork: nothing here could make them again."""
    made = forked(folder)
    return tuple(f"{round_folder(r)}/" for r in range(made.round + 1)) if made else ()

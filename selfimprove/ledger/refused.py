"""What a refused command leaves of a ledger that it began: nothing, unless it holds calls."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from selfimprove import progress
from selfimprove.errors import InputError, MissingDependencyError, RunFolderError
from selfimprove.ledger.file import lock_of
from selfimprove.ledger.journal import Ledger
from selfimprove.locking import take_lock

_SIDES: Final = ("", "-wal", "-shm", ".lock")


@contextmanager
def gone_if_empty(path: Path) -> Iterator[None]:
    """Take away a ledger that is begun inside the block, with its folders, where that is refused before any call.

    A ledger that was there before, or that another process uses, stays.
    """
    if path.exists():
        yield
        return
    begun = [folder for folder in path.parents if not folder.exists()]
    try:
        yield
    except (InputError, MissingDependencyError):
        _clear(path, begun)
        raise


def _clear(path: Path, begun: Sequence[Path]) -> None:
    try:
        lock = take_lock(lock_of(path), path)
    except RunFolderError:
        return
    try:
        if holds_calls(path):
            return
        for side in _SIDES:
            Path(f"{path}{side}").unlink(missing_ok=True)
    finally:
        os.close(lock)
    with suppress(OSError):  # somebody else put something there
        for folder in begun:
            folder.rmdir()


def holds_calls(path: Path, *, paid: bool = False) -> bool:
    """Say whether a ledger holds calls, or `paid` ones: not those of a model in this process; the watcher is told."""
    if not path.is_file():
        return False
    with closing(Ledger(path, reader=True)) as ledger:
        totals = ledger.totals()
    kept = bool(totals.teacher_calls if paid else totals.calls)
    if kept:
        progress.current().say(f"{path} keeps the calls that were made")
    return kept

"""What a command has begun that is then refused: none of it is left."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from selfimprove.errors import InputError
from selfimprove.store import check_folder

LEDGER: Final = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm")


def files_in(out: Path) -> frozenset[str] | None:
    """Name what a folder holds; None where there is no such folder.

    Raises:
        InputError: it is a file.
    """
    check_folder(out)
    return frozenset(path.name for path in out.iterdir()) if out.is_dir() else None


@contextmanager
def nothing_left(
    out: Path, there: frozenset[str] | None, names: Iterable[str], settings: str = "campaign.toml"
) -> Iterator[None]:
    """Take away what a campaign that is refused has begun.

    Args:
        out: the run folder.
        there: what `files_in` gave before; None: the folder goes too, if it is empty by then.
        names: of the files and folders that may go; those that were there before stay.
        settings: the file that is written once nothing is wrong; with it all of them stay.
    """
    try:
        yield
    except InputError:
        if not (out / settings).exists():
            for name in set(names) - (there or frozenset()):
                shutil.rmtree(out / name) if (out / name).is_dir() else (out / name).unlink(missing_ok=True)
            if there is None:
                with suppress(OSError):
                    out.rmdir()
        raise

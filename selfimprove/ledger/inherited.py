"""What a fork takes over from the campaign that it was made of: its answered calls, in a file that is only read.

The fork pays for its own calls alone, and neither campaign can harm the other's ledger. A copy rather than a pointer: a
run is its folder, and can be copied or outlive the other.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from selfimprove.errors import RunFolderError
from selfimprove.ledger.file import LedgerFile
from selfimprove.ledger.sums import FIELDS

INHERITED: Final = "inherited.sqlite"
_COPY: Final = (
    f"INSERT OR IGNORE INTO calls ({', '.join(FIELDS)}) "  # noqa: S608 - our own words
    f"SELECT {', '.join(FIELDS)} FROM theirs.calls WHERE state='answered'"
)


def inherit(run: Path, out: Path) -> None:
    """Copy a campaign's answered calls, those it inherited itself counted in, into a file of another folder.

    Args:
        run: its run folder; a process may be writing there.
        out: the folder of the new file.

    Raises:
        RunFolderError: a ledger cannot be read, or the copy not written.
    """
    LedgerFile(out / INHERITED, reader=False).close()
    try:
        with closing(sqlite3.connect(out / INHERITED, isolation_level=None)) as db:
            for name in ("ledger.sqlite", INHERITED):
                if (run / name).is_file():
                    db.execute("ATTACH ? AS theirs", (str(run / name),))
                    db.execute(_COPY)
                    db.execute("DETACH theirs")
            db.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        raise RunFolderError(f"the ledger of {run} cannot be copied to {out} ({error}); mend that first") from error

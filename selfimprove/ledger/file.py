"""The ledger's SQLite file: one connection, and writes that arrive together share a transaction."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import RunFolderError
from selfimprove.locking import RUN_LOCK, take_lock

VERSION: Final = 2
# Rows lie in order of arrival, not of key: a batch then touches few pages.
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY,
    payer TEXT NOT NULL,          -- student or teacher
    role TEXT NOT NULL,
    model TEXT NOT NULL,          -- identity asked; the one that answered is in the completion
    round INTEGER NOT NULL,       -- 0: before the first round or after the last
    stage TEXT NOT NULL,
    problem TEXT NOT NULL,
    state TEXT NOT NULL,          -- reserved, answered, failed, in doubt
    reserved_usd REAL NOT NULL DEFAULT 0,
    usd REAL NOT NULL DEFAULT 0,
    doubt_usd REAL NOT NULL DEFAULT 0,
    doubts INTEGER NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 1,
    latency_s REAL,               -- of the last try
    at REAL NOT NULL,
    completion TEXT,
    reserved_tokens INTEGER NOT NULL DEFAULT 0,
    doubt_tokens INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS hits (
    payer TEXT NOT NULL, role TEXT NOT NULL, model TEXT NOT NULL, round INTEGER NOT NULL, stage TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (payer, role, model, round, stage)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spans (
    name TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL                    -- NULL: the process was killed inside it
);
"""
# What a process reserved and never settled may have been answered and billed.
_TO_DOUBT: Final = (
    "UPDATE calls SET state='in doubt', doubt_usd=doubt_usd+reserved_usd, reserved_usd=0, "
    "doubt_tokens=doubt_tokens+reserved_tokens, reserved_tokens=0, doubts=doubts+1 WHERE state='reserved'"
)


@dataclass(eq=False)
class _Write:
    """Rows on their way into the file."""

    sql: str
    rows: Sequence[Sequence[Any]]
    done: bool = False
    error: sqlite3.Error | None = None


class LedgerFile:
    """The file, safe to use from several threads.

    Args:
        path: the file, or `:memory:`.
        reader: only look, as another process may be writing.
        alone: lock it for this process, see `lock_of`; else the run folder around it is locked already.

    Raises:
        RunFolderError: the file is no ledger, is damaged, was written by another version, or is in use.
    """

    def __init__(self, path: Path | str, *, reader: bool, alone: bool = False) -> None:
        self.path = path
        self._lock = take_lock(lock_of(Path(path)), Path(path)) if alone else None
        self._turn = threading.Lock()
        self._waiting: deque[_Write] = deque()
        try:
            place, is_address = _place(path, reader=reader)
            self._db = sqlite3.connect(place, uri=is_address, check_same_thread=False, isolation_level=None)
            self._check_version()
            if not reader:
                self._prepare()
        except sqlite3.Error as error:
            self._let_go()
            raise RunFolderError(f"{path} is not a readable ledger ({error}); restore it from a copy") from error
        except RunFolderError:
            self._let_go()
            raise

    def _check_version(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        known = self._db.execute("SELECT count(*) FROM sqlite_master WHERE name='calls'").fetchone()[0]
        if known and version != VERSION:
            raise RunFolderError(
                f"{self.path} is a ledger of another version (it is {version}, this one writes {VERSION}); "
                "go on with the version that began it, or start in a new folder"
            )

    def _prepare(self) -> None:
        damage = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise sqlite3.DatabaseError(" ".join(str(damage).split()))
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        there = {name for _, name, *_ in self._db.execute("PRAGMA table_info(calls)")}
        for name in ("reserved_tokens", "doubt_tokens"):  # which a file lacks that was begun without them
            if name not in there:
                self._db.execute(f"ALTER TABLE calls ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0")
        self._db.execute(f"PRAGMA user_version={VERSION}")
        self._db.execute(_TO_DOUBT)

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            self._db.close()
            self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Give the rows of a query.

        Raises:
            RunFolderError: the file cannot be read.
        """
        with self._turn:
            try:
                return self._db.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                raise RunFolderError(f"{self.path} cannot be read ({error}); restore it from a copy") from error

    def write(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Write rows, and return once they are committed.

        Whoever comes to the file first writes for all who wait behind: one transaction, however many threads.

        Raises:
            RunFolderError: the file cannot be written.
        """
        mine = _Write(sql, list(rows))
        if not mine.rows:
            return
        self._waiting.append(mine)
        with self._turn:
            if not mine.done:
                self._write_waiting()
        if mine.error is not None:
            raise RunFolderError(
                f"{self.path} cannot be written ({mine.error}); free the place or mend it, and run the same command"
            ) from mine.error

    def _write_waiting(self) -> None:
        batch = [self._waiting[at] for at in range(len(self._waiting))]
        error = self._transact(batch)
        for each in batch:
            each.done, each.error = True, error
            self._waiting.popleft()

    def _transact(self, batch: Sequence[_Write]) -> sqlite3.Error | None:
        by_sql: dict[str, list[Sequence[Any]]] = defaultdict(list)
        for each in batch:
            by_sql[each.sql] += each.rows
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for sql, rows in by_sql.items():
                self._db.executemany(sql, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            return error
        except BaseException:
            self._roll_back()  # the batch stays in the queue: the next writer takes it along
            raise
        return None

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("ROLLBACK")


def lock_of(path: Path) -> Path:
    """Give the file that whoever writes a ledger locks: the run folder's, where it lies in one."""
    of_run = path.with_name(RUN_LOCK)
    return of_run if of_run.exists() else Path(f"{path}.lock")


def _place(path: Path | str, *, reader: bool) -> tuple[str, bool]:
    """Give what SQLite opens, and whether it is an address.

    With no write-ahead log beside it nobody is writing, and a folder that cannot be written to can still be read.
    """
    if not reader:
        return str(path), False
    settled = "" if Path(f"{path}-wal").exists() else "&immutable=1"
    return f"{Path(path).resolve().as_uri()}?mode=ro{settled}", True

"""The ledger's file: who may write it, what it survives, and the hours that it counts."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from ledger_calls import Counting, request, reserve

from selfimprove.errors import BudgetExceededError, InputError, RunFolderError
from selfimprove.ledger import Caps, Journaled, Ledger, Reservation, Settlement
from selfimprove.ledger.refused import gone_if_empty
from selfimprove.records import Completion
from selfimprove.store import RunFolder


def test_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    """A damaged ledger is one sentence."""
    (tmp_path / "l.sqlite").write_bytes(b"not a database at all, " * 100)
    with pytest.raises(RunFolderError, match="not a readable ledger"):
        Ledger(tmp_path / "l.sqlite")


def test_writes_that_arrive_together_share_a_transaction(tmp_path: Path) -> None:
    """While one thread writes, the others' rows gather, and the next one to come takes them all along."""
    ledger = Ledger(tmp_path / "l.sqlite")
    file, begun = ledger._file, []
    file._db.set_trace_callback(lambda sql: begun.append(sql) if sql.startswith("BEGIN") else None)
    with file._turn:
        threads = [threading.Thread(target=reserve, args=(ledger, str(t), 0.1)) for t in range(16)]
        for thread in threads:
            thread.start()
        while len(file._waiting) < 16:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert len(begun) == 1
    assert ledger.totals().calls == 16


def test_interrupted_write_is_taken_along_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer whose writing is broken off by Ctrl-C is written with the next."""
    ledger = Ledger(tmp_path / "l.sqlite")
    reserve(ledger, "a", 0.1)

    class Breaking:
        def __init__(self, db: object) -> None:
            self.db = db

        def execute(self, sql: str) -> object:
            if sql == "COMMIT":
                monkeypatch.setattr(ledger._file, "_db", self.db)
                raise KeyboardInterrupt
            return self.db.execute(sql)  # type: ignore[attr-defined]

        def executemany(self, sql: str, rows: object) -> object:
            return self.db.executemany(sql, rows)  # type: ignore[attr-defined]

    monkeypatch.setattr(ledger._file, "_db", Breaking(ledger._file._db))
    with pytest.raises(KeyboardInterrupt):
        ledger.settle([Settlement("a", Completion(text="paid for", usd=0.05))])
    reserve(ledger, "b", 0.1)
    assert ledger.lookup(["a"])["a"].text == "paid for"


def test_full_disk_is_one_sentence_and_holds_nothing(tmp_path: Path) -> None:
    """Where the file cannot grow, the call is not sent and its reservation is given back."""
    ledger = Ledger(tmp_path / "l.sqlite")
    pages = ledger._file._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._file._db.execute(f"PRAGMA max_page_count={pages}")
    many = [Reservation(str(at), request(), "m" * 999, "reason", 0.01) for at in range(200)]
    with pytest.raises(RunFolderError, match=r"cannot be written .*full"):
        ledger.reserve(many)
    assert (ledger.spent_usd, ledger.totals().calls) == (pytest.approx(0.0), 0)


def test_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    """A file that another version wrote is refused with both numbers, by writers and readers."""
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger._file._db.execute("PRAGMA user_version=1")
    ledger.close()
    for reader in (False, True):
        with pytest.raises(RunFolderError, match="another version"):
            Ledger(tmp_path / "l.sqlite", reader=reader)


def test_damaged_ledger_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    """Pages that are overwritten are found before anything is built on them."""
    ledger = Ledger(tmp_path / "l.sqlite")
    Journaled(Counting(), ledger).complete([request(str(i) * 50) for i in range(400)])
    ledger.close()
    data = bytearray((tmp_path / "l.sqlite").read_bytes())
    data[8192 : len(data) - 4096] = b"\xa5" * (len(data) - 12288)
    (tmp_path / "l.sqlite").write_bytes(data)
    with pytest.raises(RunFolderError, match="not a readable ledger"):
        Ledger(tmp_path / "l.sqlite")


def test_a_campaigns_ledger_has_one_writer(tmp_path: Path) -> None:
    """A command that is given the ledger of a running campaign is refused, and the campaign while that runs."""
    folder, path = RunFolder(tmp_path), tmp_path / "ledger.sqlite"
    with pytest.raises(RunFolderError, match=f"ledger.sqlite is in use by process {os.getpid()}"):
        Ledger(path, alone=True)
    folder.close()
    ledger = Ledger(path, alone=True)
    with pytest.raises(RunFolderError, match="in use by process"):
        RunFolder(tmp_path)
    ledger.close()
    RunFolder(tmp_path).close()


def test_a_clock_that_is_set_back_takes_no_time_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A span is as long as it lasted."""
    ledger, clock = Ledger(":memory:"), iter([5000.0, 1000.0, 1000.0])
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: next(clock))
        with ledger.span("campaign"):
            pass
    assert 0 <= ledger.spans()["campaign"] < 60


def test_hours_count_over_all_processes(tmp_path: Path) -> None:
    """Time that earlier processes ran counts, up to the last sign of life where one was killed."""
    ledger = Ledger(tmp_path / "l.sqlite")
    spans = [
        ("campaign", 1000.0, 2800.0),
        ("campaign", 5000.0, None),
        ("mine", 5000.0, 6800.0),
        ("campaign", 9000.0, 9000.0),
    ]
    ledger._file.write("INSERT INTO spans VALUES (?,?,?)", spans)
    ledger.close()
    Ledger(tmp_path / "l.sqlite", caps=Caps(hours=1.01)).check_hours()
    over = Ledger(tmp_path / "l.sqlite", caps=Caps(hours=0.99))
    with pytest.raises(BudgetExceededError, match=r"campaign.max_hours = 0.99 is reached: 1.00 hours gone; raise it"):
        Journaled(Counting(), over).complete([request()])


def test_what_a_killed_process_had_open_counts_up_to_its_last_deed() -> None:
    """A round and a stage that were begun again took both their times; what runs now took its time so far."""
    ledger = Ledger(":memory:")
    spans = [
        ("campaign", 1000.0, None),
        ("round-01", 1010.0, None),
        ("mine", 1020.0, 1100.0),
        ("train track_b", 1110.0, None),
        ("campaign", 5000.0, None),
        ("round-01", 5000.0, 5300.0),
        ("train track_b", 5000.0, 5200.0),
        ("round-02", 5300.0, None),
        ("mine", 5310.0, 5350.0),
    ]
    ledger._file.write("INSERT INTO spans VALUES (?,?,?)", spans)
    assert ledger.seconds("campaign") == 110 + 350
    assert ledger.seconds("round-01") == 100 + 300
    assert ledger.seconds("train track_b") == 200
    assert ledger.seconds("round-02") == 50
    assert ledger.seconds("mine") == 80 + 40


def test_a_ledger_without_calls_goes_with_a_refusal_unless_it_was_there(tmp_path: Path) -> None:
    """So does its lock, and the folder that was made for it; an older ledger stays as it is."""
    path = tmp_path / "runs" / "compile" / "ledger.sqlite"
    with pytest.raises(InputError, match="no"), gone_if_empty(path), closing(Ledger(path, alone=True)):
        raise InputError("no")
    assert not any(tmp_path.iterdir())
    path.parent.mkdir(parents=True)
    Ledger(path).close()
    with pytest.raises(InputError, match="no"), gone_if_empty(path), closing(Ledger(path, alone=True)):
        raise InputError("no")
    assert path.is_file()

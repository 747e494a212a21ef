from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from selfimprove.errors import RunFolderError
from selfimprove.records import Message
from selfimprove.store import RunFolder, require_space, write_whole


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    """Records survive the way to disk and back."""
    folder = RunFolder(tmp_path / "run")
    rows = [Message(role="user", content="ü\n\u2028"), Message(role="assistant", content="")]
    folder.write_rows("a/rows.jsonl", rows, by=lambda m: m.role)
    assert folder.rows("a/rows.jsonl", Message) == [rows[1], rows[0]]


def test_changed_file_is_refused(tmp_path: Path) -> None:
    """A file that is not what was written there is not read."""
    folder = RunFolder(tmp_path / "run")
    folder.write_rows("rows.jsonl", [Message(role="user", content="a")])
    folder.at("rows.jsonl").write_text('{"role":"user","content":"b"}\n')
    with pytest.raises(RunFolderError, match="not what was written"):
        folder.rows("rows.jsonl", Message)


def test_second_process_is_refused_by_name(tmp_path: Path) -> None:
    """Another process on the same folder gets one sentence with the id of the first."""
    folder = RunFolder(tmp_path / "run")
    code = f"from selfimprove.store import RunFolder; from pathlib import Path; RunFolder(Path({str(folder.path)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"in use by process {os.getpid()}" in done.stderr
    folder.close()
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up while a file is written costs nothing that was there."""
    write_whole(tmp_path / "a", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="No space left on device"):
        write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_manifest_lists_every_file_with_its_hash(tmp_path: Path) -> None:
    """A folder opened again knows what was written, and by which hash."""
    folder = RunFolder(tmp_path / "run")
    folder.write_text("note.txt", "abc")
    folder.close()
    again = RunFolder(tmp_path / "run")
    assert again.hashes["note.txt"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_disk_that_is_too_small_is_said_before_the_start(tmp_path: Path) -> None:
    """A need beyond the free space is refused with both figures."""
    with pytest.raises(RunFolderError, match=r"needs about .* GB and .* GB are free"):
        require_space(tmp_path / "run", 10**18)

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from selfimprove.errors import RunFolderError
from selfimprove.records import Message
from selfimprove.store import RunFolder, sha256_of, whole_folder, write_whole


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


def test_what_a_killed_writer_left_is_swept_away(tmp_path: Path) -> None:
    """Half a file beside its place is gone when the folder is opened again; a whole one is not."""
    folder = RunFolder(tmp_path / "run")
    folder.write_text("a/note.txt", "abc")
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    half = folder.path / "a" / f".note.txt.{killed.pid}.part"
    half.write_text("ab")
    folder.close()
    RunFolder(folder.path, writer=False)
    assert half.exists(), "a reader must not take it from under a writer"
    RunFolder(folder.path).close()
    assert sorted(p.name for p in (folder.path / "a").iterdir()) == ["note.txt"]


def test_what_another_process_writes_stays(tmp_path: Path) -> None:
    """An export beside a campaign that begins keeps its folder with the half files in it."""
    half = tmp_path / "run/.export.part" / f".README.md.{os.getppid()}.part"
    half.parent.mkdir(parents=True)
    half.write_text("half")
    RunFolder(tmp_path / "run").close()
    assert half.exists()


def test_a_disk_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what another process holds is in use; a disk that knows no locks is another sentence."""

    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", none)
    with pytest.raises(RunFolderError, match=r"run cannot be locked \(No locks available\); name one on a local disk"):
        RunFolder(tmp_path / "run")


@pytest.mark.parametrize("before_replace", [True, False])
def test_killed_while_a_file_changes_it_is_the_old_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, before_replace: bool
) -> None:
    """Whether a kill comes before or after a changed file is in place, what is there is taken for what was written."""
    folder = RunFolder(tmp_path / "run")
    folder.write_text("note.txt", "old")
    real = Path.replace

    def killed(self: Path, target: Path) -> Path:
        if target.name == "note.txt":
            if not before_replace:
                real(self, target)
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        folder.write_text("note.txt", "new")
    folder.close()
    monkeypatch.undo()
    again = RunFolder(tmp_path / "run")
    assert again.checked("note.txt").read_text() == ("old" if before_replace else "new")
    again.write_text("note.txt", "new")
    again.close()
    assert RunFolder(tmp_path / "run").checked("note.txt").read_text() == "new"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"version": 1, "fil', "manifest.json is damaged"),
        ('{"version": 1}', "manifest.json is damaged"),
        ("[]", "manifest.json is damaged"),
        ('{"version": 2, "files": {}}', "is of version 2 and this is version 1"),
    ],
)
def test_manifest_of_other_content_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """A truncated manifest, or one of another version, is one sentence, and lets go of the lock."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text(text)
    for _ in range(2):
        with pytest.raises(RunFolderError, match=said):
            RunFolder(tmp_path / "run")


def test_damaged_files_are_named_and_put_aside(tmp_path: Path) -> None:
    """Changed and missing files are named; put aside they are kept beside their place, and unknown."""
    folder = RunFolder(tmp_path / "run")
    for name in ("a/sound.txt", "a/changed.txt", "a/missing.txt"):
        folder.write_text(name, name)
    folder.at("a/changed.txt").write_text("else")
    folder.at("a/missing.txt").unlink()
    assert folder.damaged() == ["a/changed.txt", "a/missing.txt"]
    folder.set_aside(folder.damaged())
    assert folder.damaged() == []
    assert (folder.at("a/changed.txt.damaged")).read_text() == "else"
    assert not folder.has("a/changed.txt")
    folder.list_tree("a")
    assert set(folder.hashes) == {"a/sound.txt"}


def test_manifest_lists_every_file_with_its_hash(tmp_path: Path) -> None:
    """A folder opened again knows what was written, and by which hash."""
    folder = RunFolder(tmp_path / "run")
    folder.write_text("note.txt", "abc")
    folder.close()
    again = RunFolder(tmp_path / "run")
    assert again.hashes["note.txt"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_is_hashed_as_others_do(tmp_path: Path) -> None:
    """The hash of a file is what `sha256sum` says of it."""
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_of(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file is; a fault of what writes into it stays what it is."""

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(ConnectionError), whole_folder(tmp_path / "out"):
        raise ConnectionError("gone")
    monkeypatch.setattr(os, "mkdir", refused)
    with (
        pytest.raises(RunFolderError, match="out cannot be written: Permission denied"),
        whole_folder(tmp_path / "out"),
    ):
        pass
    assert not list(tmp_path.iterdir())

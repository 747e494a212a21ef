from __future__ import annotations

import os
from pathlib import Path

import pytest

from selfimprove.curating.row_files import row_files
from selfimprove.errors import RunFolderError

NAMES = ("a.jsonl", "b.jsonl")


def test_rows_go_into_the_files_that_there_are(tmp_path: Path) -> None:
    """A row is written once into each file that is named and open; a name without a file is left out."""
    with row_files(tmp_path, NAMES) as out:
        assert out.put(("a.jsonl", "a.jsonl", "c.jsonl"), {"x": "ü"}) == ["a.jsonl"]
        assert out.put(NAMES, {"y": 1}) == [*NAMES]
        assert not any((tmp_path / name).exists() for name in NAMES)
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == '{"x": "ü"}\n{"y": 1}\n'
    assert (tmp_path / "b.jsonl").read_text(encoding="utf-8") == '{"y": 1}\n'


def test_none_is_there_where_one_could_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error amid the rows and a full disk at their end leave the folder as it was."""
    with pytest.raises(TypeError, match="JSON serializable"), row_files(tmp_path, NAMES) as out:
        out.put(NAMES, {"x": object()})
    assert not [*tmp_path.iterdir()]

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="No space left on device"), row_files(tmp_path, NAMES) as out:
        out.put(NAMES, {"x": 1})
    assert not [*tmp_path.iterdir()]

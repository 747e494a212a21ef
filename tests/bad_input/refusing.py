"""What it is to be refused as it should be: exit code 2, one sentence, nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    said: str


Cli = Callable[..., Done]


def refused(done: Done, *named: str) -> None:
    """Check that something was refused as it should be."""
    assert done.code == 2, done.said
    assert "Traceback" not in done.said
    assert len(done.said.strip().splitlines()) == 1, done.said
    assert len(done.said) < 700
    for text in named:
        assert text in done.said


def left_behind(folder: Path, known: set[str]) -> set[str]:
    """Name the files that were not there before."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() or p.is_symlink()} - known

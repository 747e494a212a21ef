"""What a file was made of, as a hash beside it, so that nothing made of something else is written over it."""

from __future__ import annotations

from pathlib import Path

from selfimprove.errors import InputError
from selfimprove.store import write_whole


def check_made_of(made: Path, mark: Path, wanted: str, said: str) -> None:
    """Refuse to write over a file that was made of something else.

    Args:
        made: the file; what is not there yet may be written.
        mark: the file beside it that holds the hash.
        wanted: hash of what it is to be made of.
        said: the refusal, in a sentence.

    Raises:
        InputError: the file was made of something else, or nothing says of what.
    """
    if made.exists() and not (mark.is_file() and mark.read_text(encoding="utf-8").strip() == wanted):
        raise InputError(said)


def mark_made_of(mark: Path, wanted: str) -> None:
    """Write down what a file is made of, before it is written."""
    write_whole(mark, f"{wanted}\n".encode())

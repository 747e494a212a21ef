"""Files of rows that become visible when all of them are whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from selfimprove.store import whole_file


class RowFiles(NamedTuple):
    """Files that rows are written into, by name."""

    files: Mapping[str, BinaryIO]

    def put(self, names: Iterable[str], row: Mapping[str, Any]) -> list[str]:
        """Write a row into each of these files, and give those that there are."""
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
        into = [name for name in dict.fromkeys(names) if name in self.files]
        for name in into:
            self.files[name].write(line)
        return into


@contextmanager
def row_files(folder: Path, names: Iterable[str]) -> Iterator[RowFiles]:
    """Open files of a folder; none is there unless all could be written whole.

    Raises:
        RunFolderError: the place cannot be written to.
    """
    with ExitStack() as stack:
        made = RowFiles({name: stack.enter_context(whole_file(folder / name)) for name in names})
        yield made
        for file in made.files.values():
            file.flush()  # a full disk is met here, before the first of them is visible

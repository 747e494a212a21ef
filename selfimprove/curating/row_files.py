"""Files of rows that become visible when all of them are whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, TextIO


class RowFiles:
    """Files that are written row by row, and are there as a whole or not at all."""

    def __init__(self, folder: Path, names: Iterable[str]) -> None:
        self._paths = {name: folder / name for name in names}
        self._stack = ExitStack()
        self._open: dict[str, TextIO] = {}

    def __enter__(self) -> Self:
        for name, path in self._paths.items():
            self._open[name] = self._stack.enter_context(self._beside(path).open("w", encoding="utf-8"))
        return self

    def put(self, names: Iterable[str], row: Mapping[str, Any]) -> list[str]:
        """Write a row into each of these files, and give those that there are."""
        line = json.dumps(row, ensure_ascii=False) + "\n"
        into = [name for name in dict.fromkeys(names) if name in self._open]
        for name in into:
            self._open[name].write(line)
        return into

    def __exit__(self, kind: object, *_: object) -> None:
        for file in self._open.values():
            file.flush()
            os.fsync(file.fileno())
        self._stack.close()
        for path in self._paths.values():
            if kind is None:
                self._beside(path).replace(path)
            else:
                self._beside(path).unlink(missing_ok=True)

    @staticmethod
    def _beside(path: Path) -> Path:
        return path.with_name(f".{path.name}.{os.getpid()}.part")

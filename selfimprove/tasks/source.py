"""Rows from files and from the hub, each knowing where it came from, so that errors can say it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from unicodedata import category

from selfimprove.errors import InputError, MissingDependencyError, nearest

_LONGEST: Final = 200_000


@dataclass(frozen=True)
class Row:
    """One row of a data set."""

    fields: Mapping[str, object]
    where: str
    """File and line, or hub id and index, as an error message says it."""

    def text(self, field: str, advice: str = "") -> str:
        """Give a field that must be a non-empty string.

        Raises:
            InputError: it is missing, empty or something else.
        """
        value = self.fields.get(field)
        if isinstance(value, str) and value.strip():
            return _sound(value, field, self.where)
        if field not in self.fields:
            known = f"the row has {nearest(field, self.fields)}" if self.fields else "the row is empty"
            raise InputError(f'{self.where}: "{field}" is missing; {advice or known}')
        raise InputError(f'{self.where}: "{field}" must be text, not {json.dumps(value, default=str)[:80]}; correct it')

    def texts(self, field: str) -> tuple[str, ...]:
        """Give a field that may be missing, one string or several, as strings.

        Raises:
            InputError: it is something else.
        """
        value = self.fields.get(field)
        if value is None:
            return ()
        if isinstance(value, str):
            return (value.strip(),) if value.strip() else ()
        if isinstance(value, Sequence) and all(isinstance(item, str) for item in value):
            return tuple(item.strip() for item in value if item.strip())
        raise InputError(f'{self.where}: "{field}" must be a list of texts, not {json.dumps(value, default=str)[:80]}')


def _sound(text: str, field: str, where: str) -> str:
    """Refuse a text that no model can be shown."""
    if len(text) > _LONGEST:
        raise InputError(f'{where}: "{field}" has {len(text):,} characters; at most {_LONGEST:,} are taken')
    kinds = {category(character) for character in set(text)}
    if "Cs" in kinds or "\0" in text:
        raise InputError(f'{where}: "{field}" holds half a character or a NUL; correct it')
    if not any(kind[0] in "LNPS" for kind in kinds):
        raise InputError(f'{where}: "{field}" holds nothing that can be seen; correct it')
    return text.strip()


def read_rows(path: Path) -> list[Row]:
    """Read a JSON Lines file, or a JSON file that holds a list; BOM and CRLF are fine.

    Raises:
        InputError: the file is missing, empty, not UTF-8, or a line is not a JSON object.
    """
    text = read_text(path)
    stripped = text.lstrip()
    if stripped.startswith("["):
        listed = _parsed(text, str(path))
        pairs = (
            [(f"{path}, row {index}", value) for index, value in enumerate(listed, 1)]
            if isinstance(listed, list)
            else []
        )
    else:
        lines = enumerate(text.split("\n"), 1)  # not splitlines: a JSON string may hold U+2028
        pairs = [(f"{path}, line {n}", _parsed(line, f"{path}, line {n}")) for n, line in lines if line.strip()]
    for where, value in pairs:
        if not isinstance(value, dict):
            raise InputError(f"{where}: not a JSON object but {json.dumps(value)[:80]}; each row needs named fields")
    if not pairs:
        raise InputError(f"{path} holds no rows; give a file with one JSON object a line")
    return [Row(fields, where) for where, fields in pairs if isinstance(fields, dict)]


def read_text(path: Path) -> str:
    """Read a UTF-8 file without its BOM.

    Raises:
        InputError: it is missing, a folder, or not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else []
        hint = nearest(path.name, near) if near else "its folder does not exist or is empty"
        raise InputError(f"{path} does not exist; {hint}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); give a readable file") from error


def _parsed(text: str, where: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON ({error.msg} at column {error.colno}); correct or remove it") from None
    except RecursionError:
        raise InputError(f"{where}: JSON nested too deeply; correct or remove it") from None
    except ValueError:  # Python reads no longer ones
        raise InputError(f"{where}: a number of thousands of digits; write it as text or remove it") from None


def find(data_dir: Path | None, task: str, *files: str) -> list[Path] | None:
    """Give a task's files under a data folder; None when no folder was named, so that the hub is asked.

    Raises:
        InputError: a folder was named and one of the files is not there.
    """
    if data_dir is None:
        return None
    paths = [Path(data_dir) / task / name for name in files]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} does not exist; data_dir must be a folder that holds {task}/{', '.join(files)}")
    return paths


def from_hub(repository: str, split: str, config: str | None = None, *, files: str) -> list[Row]:
    """Read one split of a data set through `datasets`, from its cache or the hub.

    Args:
        repository: hub id.
        split: name of the split on the hub.
        config: name of the configuration.
        files: which local files would do instead, for the message.

    Raises:
        InputError: it cannot be reached.
        MissingDependencyError: `datasets` is not installed.
    """
    try:
        import datasets
    except ImportError:
        raise MissingDependencyError(
            f'reading {repository} needs datasets; install it with: pip install "selfimprove[tasks]"'
        ) from None
    try:
        table = datasets.load_dataset(repository, config, split=split)
    except Exception as error:
        reason = str(error).partition("\n")[0][:160]
        raise InputError(
            f"{repository} ({split}) cannot be reached on the hub ({type(error).__name__}: {reason}); "
            f"go online, or set data_dir or SELFIMPROVE_DATA to a folder that holds {files}"
        ) from error
    return [Row(dict(fields), f"{repository} ({split}), row {index}") for index, fields in enumerate(table, 1)]

"""The run folder: every file written whole or not at all, hashed, and listed.

A run *is* its folder. Copying the folder copies the campaign.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

from pydantic import BaseModel, ValidationError

from selfimprove.errors import InputError, RunFolderError
from selfimprove.locking import RUN_LOCK, take_lock

R = TypeVar("R", bound=BaseModel)
_VERSION: Final = 1
_PART: Final = ".part"
_ASIDE: Final = ".damaged"
_ELSE: Final = "restore it, or put the ledger.sqlite* alone into a new folder, so that nothing is paid for twice"


def check_campaign(run: Path) -> None:
    """Refuse a place that holds no campaign.

    Raises:
        InputError: see above.
    """
    if not (run / "campaign.toml").is_file():
        raise InputError(f"{run} holds no campaign; name a run folder, such as runs/demo")


def check_folder(out: Path, *, new: bool = False) -> None:
    """Refuse a place that cannot be a folder, or, where it is to be new, one that holds something.

    Raises:
        InputError: see above.
    """
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InputError(f"{out} cannot be a folder, as {there} is a file; name another")
    if new and there == out and any(out.iterdir()):
        raise InputError(f"{out} is not empty; name a new folder")


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write, of which a reader sees all once it is closed, or nothing.

    Raises:
        RunFolderError: the place cannot be written to.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}{_PART}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        with _writing(path):
            raise


@contextlib.contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Give a folder to write into, which gets its name once all of it is written; else nothing is left.

    Args:
        out: a new or empty folder.

    Raises:
        InputError: it is neither.
        RunFolderError: it cannot be written.
    """
    check_folder(out, new=True)
    part = out.with_name(f".{out.name}{_PART}")
    shutil.rmtree(part, ignore_errors=True)  # of one that was killed
    with _writing(out):
        part.mkdir(parents=True)
    try:
        yield part
        with _writing(out):
            if out.exists():
                out.rmdir()
            part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise RunFolderError(f"{path} cannot be written: {why}; free the place or name another") from error


def write_whole(path: Path, data: bytes) -> str:
    """Write a file as `whole_file` does, and give its sha256."""
    with whole_file(path) as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


class RunFolder:
    """One campaign's files, with their hashes in `manifest.json`.

    Args:
        path: the folder; made when it does not exist.
        writer: take the lock that lets one process write.

    Raises:
        RunFolderError: another process holds the lock, the folder cannot be written, or its manifest cannot be read.
    """

    def __init__(self, path: Path, *, writer: bool = True) -> None:
        self.path = path
        self._lock = take_lock(path / RUN_LOCK, path) if writer else None
        self._listing = threading.Lock()
        self._coming: dict[str, str] = {}
        try:
            self._hashes = _manifest(path)
            if writer:
                _sweep(path)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let another process write."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def at(self, name: str) -> Path:
        """Give the place of a file named relative to the folder."""
        return self.path / name

    def has(self, name: str) -> bool:
        """Say whether a file was written whole."""
        return name in self._hashes and self.at(name).is_file()

    def write_rows(self, name: str, rows: Iterable[BaseModel], by: Callable[[Any], Any] | None = None) -> str:
        """Write records as JSON lines, sorted by `by` (default: problem, then id), and give the name."""
        ordered = sorted(rows, key=by or _by_problem)
        data = "".join(row.model_dump_json(exclude_defaults=True) + "\n" for row in ordered)
        return self._listed(name, data.encode())

    def write_json(self, name: str, value: BaseModel | dict[str, Any]) -> str:
        """Write one record or mapping as indented JSON, and give the name."""
        plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        return self._listed(name, (json.dumps(plain, indent=1, ensure_ascii=False) + "\n").encode())

    def write_text(self, name: str, text: str) -> str:
        """Write a text, and give the name."""
        return self._listed(name, text.encode())

    def rows(self, name: str, kind: type[R]) -> list[R]:
        """Read records back.

        Raises:
            RunFolderError: the file is missing, was changed since it was written, or does not parse.
        """
        lines = self._checked(name).splitlines()
        try:
            return [kind.model_validate_json(line) for line in lines]
        except ValidationError as error:
            raise RunFolderError(
                f"{self.at(name)} does not hold {kind.__name__} rows: {error.errors()[0]['msg']}"
            ) from error

    def record(self, name: str, kind: type[R]) -> R:
        """Read one record back; errors as `rows`."""
        try:
            return kind.model_validate_json(self._checked(name))
        except ValidationError as error:
            raise RunFolderError(
                f"{self.at(name)} does not hold a {kind.__name__}: {error.errors()[0]['msg']}"
            ) from error

    def found(self, name: str, kind: type[R]) -> R | None:
        """Read one record back; None where it was not written. Errors as `rows`."""
        return self.record(name, kind) if self.has(name) else None

    def json(self, name: str) -> Any:
        """Read a JSON file back; errors as `rows`."""
        return json.loads(self._checked(name))

    def checked(self, name: str) -> Path:
        """Give the place of a file after comparing its hash; errors as `rows`."""
        self._checked(name)
        return self.at(name)

    def list_tree(self, name: str) -> None:
        """Take a file, or all files under a folder, that something else wrote into the manifest."""
        tree = [self.at(name)] if self.at(name).is_file() else self.at(name).rglob("*")
        files = [path.relative_to(self.path) for path in tree if path.is_file()]
        aside = [path for path in files if any(part.endswith(_ASIDE) for part in path.parts)]
        found = {str(path): _sha256(self.at(str(path))) for path in files if path not in aside}
        with self._listing:
            self._hashes.update(found)
            self._write_manifest()

    def damaged(self, names: Iterable[str] | None = None) -> list[str]:
        """Name the listed files (all, or of these) that are missing, or are not what was written there."""
        looked_at = sorted(self._hashes if names is None else names)
        return [name for name in looked_at if _sha256(self.at(name)) != self._hashes[name]]

    def set_aside(self, names: Iterable[str]) -> None:
        """Put files or folders out of the way, as `NAME.damaged`, and forget them."""
        with self._listing:
            for name in names:
                put_aside(self.at(name))
                for known in [known for known in self._hashes if known == name or known.startswith(f"{name}/")]:
                    del self._hashes[known]
            self._write_manifest()

    @property
    def hashes(self) -> dict[str, str]:
        """Name to sha256 of every listed file."""
        return dict(self._hashes)

    def _listed(self, name: str, data: bytes) -> str:
        new = hashlib.sha256(data).hexdigest()
        if self._hashes.get(name, new) != new:
            # Killed between the file and its listing, the file would look damaged: it is announced first.
            with self._listing:
                self._coming[name] = new
                self._write_manifest()
        write_whole(self.at(name), data)
        with self._listing:
            self._hashes[name] = new
            self._coming.pop(name, None)
            self._write_manifest()
        return name

    def _write_manifest(self) -> None:
        listed = {"version": _VERSION, "files": dict(sorted(self._hashes.items()))}
        if self._coming:
            listed["coming"] = self._coming
        write_whole(self.path / "manifest.json", (json.dumps(listed, indent=1) + "\n").encode())

    def _checked(self, name: str) -> bytes:
        path = self.at(name)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RunFolderError(f"{path} cannot be read: {error.strerror}; {_ELSE}") from error
        if hashlib.sha256(data).hexdigest() != self._hashes.get(name):
            raise RunFolderError(f"{path} is not what was written there; {_ELSE}")
        return data


def _by_problem(row: Any) -> tuple[str, str]:
    return getattr(row, "problem", ""), getattr(row, "id", "")


def put_aside(path: Path) -> None:
    """Rename a file or folder to `NAME.damaged`, over one from before; a missing one stays missing."""
    beside = path.with_name(f"{path.name}{_ASIDE}")
    try:
        if not path.exists():
            return
        if beside.is_dir():
            shutil.rmtree(beside)
        path.replace(beside)
    except OSError as error:
        raise RunFolderError(f"{path} is damaged and cannot be put aside: {error.strerror}; move it away") from error


def _sweep(path: Path) -> None:
    """Take away the files that a process was killed while it wrote; not those of one that lives, nor folders."""
    for left in path.rglob(f".*{_PART}"):
        pid = left.name.removesuffix(_PART).rpartition(".")[2]
        if left.is_file() and pid.isdecimal() and not _is_anothers(int(pid)):
            left.unlink(missing_ok=True)


def _is_anothers(pid: int) -> bool:
    """Say whether another process of that number lives."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return pid != os.getpid()


def _manifest(path: Path) -> dict[str, str]:
    """Read which files a folder holds, by name with their sha256; none where there is no manifest."""
    file = path / "manifest.json"
    if not file.is_file():
        return {}
    try:
        listed = json.loads(file.read_bytes())
        version, hashes, coming = listed["version"], dict(listed["files"]), dict(listed.get("coming", {}))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise RunFolderError(f"{file} is damaged ({type(error).__name__}); {_ELSE}") from error
    if version != _VERSION:
        raise RunFolderError(
            f"{file} is of version {version!r} and this is version {_VERSION}; take the release that it was made with"
        )
    return {**hashes, **{name: new for name, new in coming.items() if _sha256(path / name) == new}}


def sha256_of(path: Path) -> str:
    """Hash a file, as `sha256sum` does."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(path: Path) -> str:
    """Hash a file; empty where there is none."""
    try:
        return sha256_of(path)
    except OSError:
        return ""

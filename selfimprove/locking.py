"""One writer at a time: a lock file that a process holds."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from selfimprove.errors import RunFolderError

RUN_LOCK: Final = "run.lock"
"""What is locked for a whole run folder."""


def take_lock(file: Path, named: Path) -> int:
    """Lock a file for this process until the handle that is given is closed, or the process ends.

    Args:
        file: the lock file; its folder is made.
        named: what it stands for, as errors name it.

    Raises:
        RunFolderError: another process holds it, or it cannot be written or locked.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunFolderError(f"{named} cannot be written to: {error.strerror}; name another") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.read(handle, 20).decode().strip()
        os.close(handle)
        raise RunFolderError(f"{named} is in use by process {owner}; wait for it or end it") from error
    except OSError as error:
        os.close(handle)
        raise RunFolderError(f"{named} cannot be locked ({error.strerror}); name one on a local disk") from error
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle

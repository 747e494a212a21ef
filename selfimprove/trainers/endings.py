"""How a training process ended, read from its code and its last lines, also behind torchrun or accelerate."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Final, NamedTuple

KEPT: Final = 80
"""Last lines that are looked at: a launcher adds some fifty of its own to those of the process that failed."""
KILLED: Final = {-signal.SIGKILL, 128 + signal.SIGKILL}
"""As a child of this process ends, and as a shell or launcher between tells it."""
_TOLD: Final = 12
"""Of those, what is quoted where there is no error among them."""
_NO_MEMORY: Final = re.compile(
    r"out of memory|OutOfMemoryError|MemoryError|(?:can't|Cannot) allocate memory|CUBLAS_STATUS_ALLOC_FAILED"
)
_ROOT: Final = re.compile(r"Root Cause .*?exitcode\s*: (-?\d+)", re.DOTALL)
"""In torchrun's account, by which accelerate starts several processes: how the one ended that failed first."""
_DIED: Final = "died with <Signals.SIGKILL"
"""In accelerate's account of one process."""
_ERROR: Final = re.compile(r"(?:\[rank\d+\]: )?((?:\w+\.)*\w*(?:Error|Exception)(?:: .*)?)$")
_LAUNCHERS: Final = re.compile(r"ChildFailedError|CalledProcessError|Dist\w*Error")
"""What is raised where another process has failed."""


class Ended(NamedTuple):
    """How a training process ended.

    Attributes:
        code: of the process, or of the one that failed first behind a launcher.
        hung: it said nothing for too long.
        last: its last lines.
        memory: it ran out of memory, by its own words or by the system's count of processes killed for that.
    """

    code: int
    hung: bool
    last: tuple[str, ...]
    memory: bool


def ended(code: int, last: tuple[str, ...], *, hung: bool, counted: bool) -> Ended:
    """Read how a process ended.

    Args:
        code: of the process that was started, a launcher perhaps.
        last: its last lines.
        hung: it was ended, as it said nothing.
        counted: the system may have killed it for want of memory.
    """
    text = "\n".join(last)
    root = _ROOT.search(text)
    if code and root:
        code = int(root[1])
    elif code and _DIED in text:
        code = -signal.SIGKILL
    memory = not hung and code != 0 and (bool(_NO_MEMORY.search(text)) or (code in KILLED and counted))
    return Ended(code, hung, last, memory)


def sentence(out: Path, end: Ended, silent_s: float, log: Path, lack: str) -> str:
    """Say how a training ended: with its error, or else its last words, and where the rest stands.

    Args:
        out: of the adapter that was to be.
        end: how it ended.
        silent_s: what it may say nothing for, in seconds.
        log: all that it said.
        lack: what to say where it wanted memory.
    """
    arm, rest = out.parent.name, f"; all of it is in {log}"
    said = " | ".join([line for line in end.last if line.strip()][-_TOLD:])[-600:]
    if end.hung:
        return f"training of {arm} said nothing for {silent_s:g} s and was ended; its last words: {said}{rest}"
    errors = [found[1] for line in end.last if (found := _ERROR.match(line)) and not _LAUNCHERS.search(found[1])]
    hint = lack if end.memory else ""
    return f"training of {arm} ended with code {end.code}{hint}: {errors[-1][:600] if errors else said}{rest}"

"""A child that may not outlive its parent.

`python -m selfimprove.trainers.lifeline MODULE ARGUMENTS` runs a module so from its first import on, which can take
seconds.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
import time
from typing import Final

LIFELINE: Final = "SELFIMPROVE_LIFELINE"
"""Set to `stdin` by a parent that holds the child's standard input open for as long as it lives."""


def die_with_parent() -> None:
    """End this process as soon as its parent is gone, however the parent ended.

    The parent's id is looked at, which is portable where Linux's PDEATHSIG is not. It says nothing of a parent that
    died before this was called, or of one behind a launcher; the end of standard input says both, and at once.
    """
    threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()
    if os.environ.get(LIFELINE) == "stdin":
        threading.Thread(target=_until_closed, daemon=True).start()


def _watch(parent: int, every_s: float = 0.5) -> None:
    while os.getppid() == parent:
        time.sleep(every_s)
    os._exit(1)


def _until_closed() -> None:
    while os.read(0, 1):
        pass
    os._exit(1)


def main(module: str, *arguments: str) -> None:
    """Run a module as a program that dies with its parent."""
    die_with_parent()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A child that may not outlive its parent."""

from __future__ import annotations

import os
import threading
import time


def die_with_parent() -> None:
    """End this process as soon as its parent is gone, however the parent ended.

    A thread looks at the parent's id: portable, where Linux's PDEATHSIG is not.
    """
    parent = os.getppid()
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int, every_s: float = 0.5) -> None:
    while os.getppid() == parent:
        time.sleep(every_s)
    os._exit(1)

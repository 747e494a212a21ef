"""Work that is given up when its time is over, whatever it is waiting for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class DeadlineError(Exception):
    """The time was over; the work is left behind, and what it would give is dropped."""


def within(seconds: float, work: Callable[[], T]) -> T:
    """Do the work in a thread of its own, and give what it gives or raise what it raises.

    An HTTP client's timeout is for each read, so a server that sends a blank now and then is waited for without end.
    The thread of work that is left behind does not keep the process alive.

    Raises:
        DeadlineError: it took longer.
    """
    gave: list[T] = []
    raised: list[BaseException] = []

    def do() -> None:
        try:
            gave.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            raised.append(error)

    thread = threading.Thread(target=do, name="teacher-call", daemon=True)
    thread.start()
    thread.join(seconds)
    if raised:
        raise raised[0]
    if not gave:
        raise DeadlineError(f"no answer within {seconds:g} s")
    return gave[0]

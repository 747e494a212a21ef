"""A circuit breaker: a deployment that fails again and again is left alone for a while, then tried by one call."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_PROBE_POLL_S: Final = 0.2


class Breaker:
    """Closed while calls succeed; open after faults in a row; half open when the pause is over. Thread-safe.

    Args:
        faults: passing faults in a row that open it.
        pause_s: how long it stays open, in seconds; doubles each time the probe fails too.
        longest_s: the longest pause.
        now: the clock, in seconds.
    """

    def __init__(
        self,
        faults: int = 10,
        pause_s: float = 2.0,
        longest_s: float = 60.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._first_s, self._longest_s, self._now = faults, pause_s, longest_s, now
        self._in_a_row = 0
        self._pause_s = pause_s
        self._until: float | None = None
        self._probing = False
        self._lock = threading.Lock()

    @property
    def is_open(self) -> bool:
        """True from the fault that opened it to the probe that succeeds."""
        return self._until is not None

    def wait_s(self) -> float:
        """Give the seconds until a call may be let through; 0: now."""
        with self._lock:
            return self._wait_s()

    def enter(self) -> bool:
        """Let a call through, as the probe where the pause is over; False: it has to wait."""
        with self._lock:
            if self._wait_s() > 0:
                return False
            self._probing = self._until is not None
            return True

    def succeed(self) -> None:
        """The deployment answered: close."""
        with self._lock:
            self._in_a_row, self._until, self._probing, self._pause_s = 0, None, False, self._first_s

    def fail(self) -> None:
        """A passing fault: open after enough of them in a row, or at once when it was the probe's."""
        with self._lock:
            self._in_a_row += 1
            if self._probing:
                self._pause_s = min(self._longest_s, 2 * self._pause_s)
            elif self._until is not None or self._in_a_row < self._most:
                return
            self._until, self._probing = self._now() + self._pause_s, False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Give the probe's place back where the call that was let through ends without an outcome."""
        try:
            yield
        except BaseException:
            with self._lock:
                self._probing = False
            raise

    def _wait_s(self) -> float:
        if self._until is None:
            return 0.0
        return _PROBE_POLL_S if self._probing else max(0.0, self._until - self._now())

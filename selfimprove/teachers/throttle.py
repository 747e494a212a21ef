"""How many calls may be under way at one deployment: half as many when it says that it is too much, then more again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Throttle:
    """Additive increase, multiplicative decrease (Chiu and Jain 1989), as for TCP. May be used from several threads.

    Args:
        most: calls under way at once, at most and to begin with.
        now: the clock, in seconds.
    """

    def __init__(self, most: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most, self._now = most, now
        self._limit = float(most)
        self._under_way = 0
        self._cut_at = float("-inf")
        self._free = threading.Condition()

    @property
    def limit(self) -> int:
        """Calls that may be under way now."""
        return max(1, int(self._limit))

    def enter(self, timeout_s: float) -> bool:
        """Wait for a place; False when there was none in time."""
        with self._free:
            if not self._free.wait_for(lambda: self._under_way < self.limit, max(0.0, timeout_s)):
                return False
            self._under_way += 1
            return True

    def leave(self) -> None:
        """Give the place back."""
        with self._free:
            self._under_way -= 1
            self._free.notify_all()

    def cut(self, sent_at: float) -> None:
        """Halve the limit, once for all calls that were sent before the last cut.

        Args:
            sent_at: when the refused call was sent, by the clock.
        """
        with self._free:
            if sent_at >= self._cut_at:
                self._limit, self._cut_at = max(1.0, self._limit / 2), self._now()

    def grow(self) -> None:
        """Raise the limit by one for about as many answers as it allows calls."""
        with self._free:
            before = self.limit
            self._limit = min(float(self._most), self._limit + 1 / self._limit)
            if self.limit > before:
                self._free.notify_all()

"""A rate that a provider allows, kept as a bucket of tokens that fills up evenly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

_MINUTE_S: Final = 60.0
_BURST_S: Final = 5.0
"""How much of the rate may go out at once after a pause."""


class Bucket:
    """Says how long to wait before the next call, so that a rate is kept. May be used from several threads.

    What is taken is owed: a call larger than the bucket may go once the bucket is full, and the next ones wait until
    its debt is paid back. Calls go in the order they asked.

    Args:
        per_minute: the rate; None: no limit.
        now: the clock, in seconds.
    """

    def __init__(self, per_minute: float | None, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = None if per_minute is None else per_minute / _MINUTE_S
        self._most = max(1.0, (self._rate or 0.0) * _BURST_S)
        self._level, self._at, self._now = self._most, now(), now
        self._lock = threading.Lock()

    def take(self, amount: float) -> float:
        """Take an amount out, and give the seconds to wait before it may be used."""
        if self._rate is None:
            return 0.0
        with self._lock:
            now = self._now()
            self._level = min(self._most, self._level + (now - self._at) * self._rate)
            self._at = now
            wait_s = max(0.0, min(amount, self._most) - self._level) / self._rate
            self._level -= amount
            return wait_s

    def put_back(self, amount: float) -> None:
        """Give back what was taken and not used."""
        with self._lock:
            self._level += amount

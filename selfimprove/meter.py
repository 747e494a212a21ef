"""Adds up what stages report: how far, how fast, how long still, how dear."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock

from selfimprove.formats import dollars

_KNOWN_FROM = 0.05
"""Share of a stage behind which its pace is known: the first that are done are the short ones."""
_WINDOW_S = 15.0
_BUCKET_S = 0.25


@dataclass(frozen=True)
class Reading:
    """What the meter shows at one moment."""

    where: str
    stage: str
    done: int
    total: int
    tokens: int
    tokens_per_s: float
    elapsed_s: float
    left_s: float | None
    """Time left of the stage at its pace so far, None where that is unknown."""
    money: str


class Meter:
    """Adds up what a stage reports. Safe to use from several threads.

    Args:
        clock: seconds that only go forward.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._lock = RLock()
        self._where = self._stage = self._money = ""
        self._done = self._total = self._tokens = 0
        self._since = clock()
        self._recent: deque[tuple[float, int]] = deque()

    def round(self, number: int, of: int) -> None:
        """Begin a round."""
        with self._lock:
            self._where = f"round {number} of {of}" if number else "baseline"

    def spent(self, usd: float, budget_usd: float | None) -> None:
        """Set the money."""
        with self._lock:
            self._money = dollars(usd) + (f" of {dollars(budget_usd)}" if budget_usd is not None else "")

    def stage(self, name: str, total: int) -> Reading:
        """Begin a stage, and give the last reading of the one before."""
        with self._lock:
            ended = self.read()
            self._stage, self._total = name, max(0, total)
            self._done = self._tokens = 0
            self._since = self.clock()
            self._recent.clear()
            return ended

    def advance(self, done: int, tokens: int) -> None:
        """Count; called at every step of an engine, so it only adds."""
        now = self.clock()
        with self._lock:
            self._done += done
            self._tokens += tokens
            if tokens and self._recent and now - self._recent[-1][0] < _BUCKET_S:
                at, before = self._recent[-1]
                self._recent[-1] = (at, before + tokens)
            elif tokens:
                self._recent.append((now, tokens))
                while now - self._recent[0][0] > _WINDOW_S:
                    self._recent.popleft()

    def read(self) -> Reading:
        """Give what there is to show now."""
        with self._lock:
            elapsed = self.clock() - self._since
            recent = sum(tokens for at, tokens in self._recent if self.clock() - at <= _WINDOW_S)
            window = min(elapsed, _WINDOW_S)
            remaining = self._total - self._done
            known = self._done and self._done >= _KNOWN_FROM * self._total
            left = elapsed * remaining / self._done if known and remaining > 0 else None
            rate = recent / window if window > 0 else 0.0
            return Reading(
                self._where, self._stage, self._done, self._total, self._tokens, rate, elapsed, left, self._money
            )


def printable(text: str) -> str:
    r"""Take out what would move a terminal's cursor or change its colours; line breaks and tabs stay.

    >>> printable("a\x1b[31mb\r\nc")
    'a[31mb\nc'
    """
    return "".join(char for char in text if char.isprintable() or char in "\n\t")

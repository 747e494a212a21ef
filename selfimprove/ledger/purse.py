"""What is spent and held at the moment, in memory: it decides whether a call may be sent."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from selfimprove.ledger.caps import ALL, CapReachedError, Caps, Used, reached
from selfimprove.ledger.rows import Reservation, Settlement

_HOUR_S: Final = 3600.0


class StoppedError(Exception):
    """The batch ended before this call was sent; nobody reads it."""


class _Held(NamedTuple):
    """What a call under way has set aside."""

    role: str
    amount: Used


class Purse:
    """The caps, and what counts against them. May be used from several threads.

    Args:
        caps: of the whole campaign.
        used: by earlier processes, by scope.
        worked_s: seconds that the campaign ran before.
    """

    def __init__(self, caps: Caps, used: defaultdict[str, Used], worked_s: float) -> None:
        self.caps = {ALL: caps}
        self._used, self._worked_s, self._opened = used, worked_s, time.monotonic()
        self._held: dict[str, _Held] = {}
        self._room = threading.Condition()

    @property
    def usd(self) -> float:
        """Dollars spent or held."""
        return self._used[ALL].usd

    def hold(self, wanted: Sequence[Reservation], stop: threading.Event | None) -> None:
        """Set the worst of calls aside, all of them or none; with `stop`, wait for room until it is set.

        Raises:
            CapReachedError: there is no room.
            StoppedError: there is, but `stop` is set.
        """
        more: dict[str, Used] = defaultdict(Used)
        held = {c.key: _Held(c.role, Used(c.worst_usd, 1, c.worst_tokens)) for c in wanted}
        for role, amount in held.values():
            more[role].add(amount)
        for amount in list(more.values()):
            more[ALL].add(amount)
        with self._room:
            while (error := self._reached(more)) is not None:
                if stop is None or stop.is_set() or not self._held:
                    raise error
                self._room.wait()
            if stop is not None and stop.is_set():
                raise StoppedError
            self._held.update(held)
            for scope, amount in more.items():
                self._used[scope].add(amount)

    def release(self, keys: Iterable[str]) -> None:
        """Give back what was held for calls that were not sent."""
        with self._room:
            for key in keys:
                role, amount = self._held.pop(key)
                for scope in (ALL, role):
                    self._used[scope].add(amount, -1)
            self._room.notify_all()

    def settle(self, done: Iterable[Settlement]) -> None:
        """Put what calls really took in the place of what was held for them."""
        with self._room:
            by_role: dict[str, Used] = defaultdict(Used)
            for one in done:
                role, held = self._held.pop(one.key)
                said, change = one.completion, by_role[role]
                change.usd += said.usd + one.doubt_usd - held.usd
                change.tokens += said.prompt_tokens + said.completion_tokens + one.doubt_tokens - held.tokens
                change.hours += one.latency_s / _HOUR_S
            for role, change in by_role.items():
                self._used[role].add(change)
                self._used[ALL].add(change)
            self._room.notify_all()

    def check_hours(self) -> None:
        """See that there is time left.

        Raises:
            CapReachedError: there is none.
        """
        with self._room:
            error = self._reached({ALL: Used()})
        if error is not None and error.kind == "hours":
            raise error

    def _reached(self, more: dict[str, Used]) -> CapReachedError | None:
        self._used[ALL].hours = (self._worked_s + time.monotonic() - self._opened) / _HOUR_S
        return reached(self.caps, self._used, more)

"""What stands before one deployment: its rate, its circuit breaker, and how many calls may be under way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, NamedTuple

from selfimprove.records import Completion
from selfimprove.teachers.breaker import Breaker
from selfimprove.teachers.faults import Fault
from selfimprove.teachers.limits import Bucket
from selfimprove.teachers.throttle import Throttle


class Limits(NamedTuple):
    """What a provider allows for one deployment, over all roles."""

    concurrency: int = 16
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None


@dataclass
class Sending:
    """A request that the rate lets through after `wait_s` seconds; `sent` is set by whoever sends it."""

    wait_s: float
    sent: bool = False


class Gate:
    """The gate of one deployment, shared by all roles that call it.

    Attributes:
        dead: why it is never asked again in this process (key, account, name); empty while it may be.
        last_fault: what went wrong last; empty where nothing has.
        answered_at: when the last answer came, by the gate's clock.
    """

    def __init__(self, limits: Limits, now: Callable[[], float] = time.monotonic) -> None:
        self.dead = self.last_fault = ""
        self.answered_at = float("-inf")
        self.throttle = Throttle(limits.concurrency, now)
        self.breaker = Breaker(now=now)
        self._requests, self._tokens = Bucket(limits.requests_per_minute, now), Bucket(limits.tokens_per_minute, now)
        self._not_before = float("-inf")
        self._now = now

    def wait_s(self) -> float:
        """Give the seconds that the provider asked to be left alone, or that the open circuit wants."""
        return max(0.0, self._not_before - self._now(), self.breaker.wait_s())

    @contextmanager
    def rate(self, tokens: float) -> Iterator[Sending]:
        """Take one request with its tokens out of the rate; it is put back where the request was not sent."""
        sending = Sending(max(self._requests.take(1), self._tokens.take(tokens)))
        try:
            yield sending
        finally:
            if not sending.sent:
                self._requests.put_back(1)
                self._tokens.put_back(tokens)

    def note(self, got: Completion | Fault, sent_at: float) -> None:
        """Learn from an outcome.

        Args:
            got: the outcome.
            sent_at: when the call was sent, by the gate's clock.
        """
        if isinstance(got, Completion):
            self.answered_at = self._now()
            self.breaker.succeed()
            self.throttle.grow()
            return
        self.last_fault = got.said
        if got.wait_s is not None:
            self._not_before = max(self._not_before, self._now() + got.wait_s)
        if got.limited:
            self.throttle.cut(sent_at)
        if got.kind == "deployment":
            self.dead = got.said
        if got.kind == "passing" and not got.limited:
            self.breaker.fail()
        else:
            self.breaker.succeed()  # it is there, it only refuses


class Gates:
    """The gates of a teacher's deployments, one for each, made when first asked for."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or _DEFAULT
        self._known: dict[str, Gate] = {}

    def of(self, identity: str) -> Gate:
        """Give the gate of a deployment."""
        return self._known.setdefault(identity, Gate(self.limits))


_DEFAULT: Final = Limits()

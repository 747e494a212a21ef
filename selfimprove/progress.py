"""What is being done right now, for whoever watches: a live view, plain lines, or nobody.

Engines and steps report to `current()`; who watches is set by the command line. A context variable
carries the watcher, so no function needs a parameter for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Watcher(Protocol):
    """Someone who is told how the work goes on."""

    def stage(self, name: str, total: int) -> None:
        """A stage begins, with this many items to do (0: unknown)."""
        ...

    def advance(self, done: int = 1, tokens: int = 0) -> None:
        """Some items of the stage are done, or some tokens were generated."""
        ...

    def say(self, text: str) -> None:
        """One sentence worth reading."""
        ...

    def round(self, number: int, of: int) -> None:
        """A round begins."""
        ...

    def spent(self, usd: float, budget_usd: float | None) -> None:
        """So many dollars are spent or set aside, of this budget."""
        ...


class Nobody:
    """The default: nobody watches."""

    def stage(self, name: str, total: int) -> None:
        """Do nothing."""

    def advance(self, done: int = 1, tokens: int = 0) -> None:
        """Do nothing."""

    def say(self, text: str) -> None:
        """Do nothing."""

    def round(self, number: int, of: int) -> None:
        """Do nothing."""

    def spent(self, usd: float, budget_usd: float | None) -> None:
        """Do nothing."""


_watcher: ContextVar[Watcher] = ContextVar("watcher", default=Nobody())  # noqa: B039 - it holds no state


def current() -> Watcher:
    """Give the watcher of this context."""
    return _watcher.get()


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[Watcher]:
    """Let a watcher follow everything done inside the block."""
    token = _watcher.set(watcher)
    try:
        yield watcher
    finally:
        _watcher.reset(token)

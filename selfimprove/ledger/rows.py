"""What goes into the ledger and what comes out of it."""

from __future__ import annotations

from typing import NamedTuple

from selfimprove.records import Completion, Record, Request


class Reservation(NamedTuple):
    """A teacher's call about to be made."""

    key: str
    request: Request
    model: str
    role: str
    """Whose caps it counts against: `answer`, `reason`, `judge`."""
    worst_usd: float = 0.0
    worst_tokens: int = 0


class Settlement(NamedTuple):
    """A reserved call that was answered, or failed."""

    key: str
    completion: Completion
    latency_s: float = 0.0
    doubt_usd: float = 0.0
    """What a call that broke off may have been billed; counted against the budget."""
    doubt_tokens: int = 0
    """What it may have read and written; counted against the caps on tokens."""


class Made(NamedTuple):
    """A call that was made without a reservation, as a student's are, or that failed before one was possible."""

    key: str
    request: Request
    completion: Completion
    latency_s: float = 0.0


class Totals(Record):
    """What a campaign's calls came to."""

    calls: int
    answered: int
    failed: int
    in_doubt: int
    """Calls that were under way when a process died, asked again since or not."""
    unresolved: int
    """Those of them that were not asked again."""
    usd: float
    """Settled cost, in dollars."""
    held_usd: float
    """Reserved, or perhaps billed for a call that gave no answer, in dollars; counted against the budget."""
    prompt_tokens: int
    completion_tokens: int
    teacher_calls: int
    retries: int
    """Tries beyond each call's first."""
    hits: int
    """Requests that were answered from the ledger."""

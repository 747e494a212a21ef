"""Every model call, journaled once: the only cache, the only memory of what was spent.

A call is looked up under its request's key, reserved at its worst cost, made, and settled. What was answered is never
asked again; what could go over the budget is never sent. One SQLite file in write-ahead mode: a killed process loses no
settled call, a power cut may lose the last few seconds (they are then asked again).
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Final, Literal, NamedTuple

from selfimprove.errors import BudgetExceededError, RunFolderError
from selfimprove.protocols import LanguageModel
from selfimprove.records import Completion, Record, Request

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS calls (
    key TEXT PRIMARY KEY,
    payer TEXT NOT NULL,          -- student or teacher
    role TEXT NOT NULL,
    model TEXT NOT NULL,          -- identity asked; the one that answered is in the completion
    stage TEXT NOT NULL,
    problem TEXT NOT NULL,
    state TEXT NOT NULL,          -- reserved, answered, failed, in doubt
    reserved_usd REAL NOT NULL DEFAULT 0,
    usd REAL NOT NULL DEFAULT 0,
    doubt_usd REAL NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    latency_s REAL,
    at REAL NOT NULL,
    completion TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spans (
    name TEXT NOT NULL,
    started REAL NOT NULL,
    ended REAL                    -- NULL: the process was killed inside it
);
"""
_CHUNK: Final = 500

stage_of_calls: ContextVar[str] = ContextVar("stage_of_calls", default="")
"""The stage that calls are made in, for the ledger's totals; set by the graphs."""


class Reservation(NamedTuple):
    """A call about to be made."""

    key: str
    request: Request
    model: str
    payer: Literal["student", "teacher"]
    worst_usd: float


class Settlement(NamedTuple):
    """A call that was answered, or failed for good."""

    key: str
    completion: Completion
    latency_s: float = 0.0
    doubt_usd: float = 0.0
    """What a call that broke off may have been billed; counted against the budget."""


class Totals(Record):
    """What a campaign's calls came to."""

    calls: int
    answered: int
    failed: int
    in_doubt: int
    usd: float
    """Settled cost, in dollars."""
    held_usd: float
    """Reserved or in doubt, in dollars; counted against the budget."""
    prompt_tokens: int
    completion_tokens: int
    teacher_calls: int


class Ledger:
    """The journal of one campaign.

    Args:
        path: the SQLite file, or `:memory:`.
        budget_usd: the most that may be spent; None: no cap.
        reader: only look, as another process may be writing.

    Raises:
        RunFolderError: the file is no ledger.
    """

    def __init__(self, path: Path | str, budget_usd: float | None = None, *, reader: bool = False) -> None:
        self.budget_usd = budget_usd
        self._lock = threading.Lock()
        self._held: dict[str, float] = {}
        place = f"{Path(path).resolve().as_uri()}?mode=ro" if reader else str(path)
        try:
            self._db = sqlite3.connect(place, uri=reader, check_same_thread=False, isolation_level=None)
            if not reader:
                self._prepare()
            row = self._db.execute("SELECT total(usd)+total(reserved_usd)+total(doubt_usd) FROM calls").fetchone()
        except sqlite3.Error as error:
            raise RunFolderError(f"{path} is not a readable ledger ({error}); restore it from a copy") from error
        self._committed_usd = float(row[0])

    def _prepare(self) -> None:
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        # What a process reserved and never settled may have been answered and billed.
        self._db.execute(
            "UPDATE calls SET state='in doubt', doubt_usd=doubt_usd+reserved_usd, reserved_usd=0 WHERE state='reserved'"
        )

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @property
    def spent_usd(self) -> float:
        """Dollars settled, reserved or in doubt: what counts against the budget."""
        return self._committed_usd

    def lookup(self, keys: Sequence[str]) -> dict[str, Completion]:
        """Give the completions of the answered calls among these keys."""
        found: dict[str, Completion] = {}
        with self._lock:
            for start in range(0, len(keys), _CHUNK):
                part = keys[start : start + _CHUNK]
                marks = ",".join("?" * len(part))
                rows = self._db.execute(
                    f"SELECT key, completion FROM calls WHERE state='answered' AND key IN ({marks})",  # noqa: S608 - only question marks
                    part,
                )
                found.update((key, Completion.model_validate_json(text)) for key, text in rows)
        return found

    def reserve(self, wanted: Sequence[Reservation]) -> None:
        """Set the worst cost of calls aside, all of them or none.

        Raises:
            BudgetExceededError: they could take the campaign over its budget.
        """
        worst = sum(call.worst_usd for call in wanted)
        now, stage = time.time(), stage_of_calls.get()
        with self._lock:
            if self.budget_usd is not None and worst > 0 and self._committed_usd + worst > self.budget_usd + 1e-12:
                raise BudgetExceededError(
                    f"the next {len(wanted)} call(s) could cost ${worst:.4f} and ${self._left():.4f} of "
                    f"${self.budget_usd:.2f} is left; raise campaign.budget_usd and run the same command"
                )
            rows = [
                (c.key, c.payer, c.request.role, c.model, stage, c.request.problem, c.worst_usd, now) for c in wanted
            ]
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT INTO calls (key,payer,role,model,stage,problem,state,reserved_usd,at,tries) "
                "VALUES (?,?,?,?,?,?,'reserved',?,?,1) ON CONFLICT(key) DO UPDATE SET state='reserved', "
                "model=excluded.model, reserved_usd=excluded.reserved_usd, at=excluded.at, tries=tries+1",
                rows,
            )
            self._db.execute("COMMIT")
            self._committed_usd += worst
            self._held.update((c.key, c.worst_usd) for c in wanted)

    def settle(self, done: Iterable[Settlement]) -> None:
        """Write answers, or failures, and what they really cost; one transaction."""
        settled = list(done)
        rows = [
            (
                "failed" if s.completion.finish_reason == "error" else "answered",
                s.completion.usd,
                s.doubt_usd,
                s.completion.prompt_tokens,
                s.completion.completion_tokens,
                s.latency_s,
                s.completion.model_dump_json(exclude_defaults=True),
                s.key,
            )
            for s in settled
        ]
        with self._lock:
            self._db.execute("BEGIN")
            self._db.executemany(
                "UPDATE calls SET state=?, usd=usd+?, doubt_usd=doubt_usd+?, reserved_usd=0, "
                "prompt_tokens=prompt_tokens+?, completion_tokens=completion_tokens+?, latency_s=?, completion=? "
                "WHERE key=?",
                rows,
            )
            self._db.execute("COMMIT")
            self._committed_usd += sum(s.completion.usd + s.doubt_usd - self._held.pop(s.key, 0.0) for s in settled)

    def totals(self) -> Totals:
        """Add everything up."""
        with self._lock:
            row = self._db.execute(
                "SELECT count(*), total(state='answered'), total(state='failed'), total(state='in doubt'), total(usd), "
                "total(reserved_usd)+total(doubt_usd), total(prompt_tokens), total(completion_tokens), "
                "total(payer='teacher') FROM calls"
            ).fetchone()
        count, answered, failed, doubt, usd, held, prompt, completion, teacher = row
        return Totals(
            calls=count,
            answered=int(answered),
            failed=int(failed),
            in_doubt=int(doubt),
            usd=round(usd, 6),
            held_usd=round(held, 6),
            prompt_tokens=int(prompt),
            completion_tokens=int(completion),
            teacher_calls=int(teacher),
        )

    def by_stage(self) -> list[dict[str, object]]:
        """Give calls, tokens and dollars by stage, payer and role, in order of first call."""
        names = ("stage", "payer", "role", "calls", "prompt_tokens", "completion_tokens", "usd")
        with self._lock:
            rows = self._db.execute(
                "SELECT stage, payer, role, count(*), sum(prompt_tokens), sum(completion_tokens), total(usd) "
                "FROM calls GROUP BY stage, payer, role ORDER BY min(at)"
            ).fetchall()
        return [dict(zip(names, row, strict=True)) for row in rows]

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Write down how long something takes."""
        started = time.time()
        with self._lock:
            at = self._db.execute("INSERT INTO spans (name, started) VALUES (?, ?)", (name, started)).lastrowid
        try:
            yield
        finally:
            with self._lock:
                self._db.execute("UPDATE spans SET ended=? WHERE rowid=?", (time.time(), at))

    def seconds(self, name: str) -> float:
        """Add up the finished spans of a name, in seconds."""
        with self._lock:
            row = self._db.execute("SELECT total(ended-started) FROM spans WHERE name=?", (name,)).fetchone()
        return round(float(row[0]), 1)

    def spans(self) -> dict[str, float]:
        """Give the seconds of all finished spans by name."""
        with self._lock:
            rows = self._db.execute("SELECT name, total(ended-started) FROM spans GROUP BY name").fetchall()
        return {name: float(seconds) for name, seconds in rows}

    def between(self) -> tuple[float, float]:
        """Give the first and the last moment of any span, in seconds since 1970; zeros where there is none."""
        with self._lock:
            row = self._db.execute("SELECT min(started), max(coalesce(ended, started)) FROM spans").fetchone()
        return float(row[0] or 0), float(row[1] or 0)

    def _left(self) -> float:
        return max(0.0, (self.budget_usd or 0.0) - self._committed_usd)


class Journaled:
    """A language model whose calls go through the ledger: found there, or made in one batch and kept.

    For engines that cost nothing a call (the student's). A batch enters the ledger in one transaction, so a killed
    batch is generated again whole, which is what makes its bytes the same.
    """

    def __init__(self, model: LanguageModel, ledger: Ledger) -> None:
        self.model = model
        self._ledger = ledger

    @property
    def identity(self) -> str:
        """The model's own."""
        return self.model.identity

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order, each key generated at most once."""
        identity = self.model.identity
        keys = [request.key(identity) for request in requests]
        found = self._ledger.lookup(keys)
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in found}
        if missing:
            wanted = [Reservation(key, request, identity, "student", 0.0) for key, request in missing.items()]
            self._ledger.reserve(wanted)
            started = time.monotonic()
            made = self.model.complete(list(missing.values()))
            each_s = (time.monotonic() - started) / len(made)
            kept = [c.model_copy(update={"call": key}) for key, c in zip(missing, made, strict=True)]
            self._ledger.settle(Settlement(c.call, c, each_s) for c in kept)
            found.update(zip(missing, kept, strict=True))
        return [found[key] for key in keys]

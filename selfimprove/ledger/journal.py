"""The journal of one campaign: calls looked up, reserved, settled, and what they came to."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Final, Literal, Self

from selfimprove.config import CampaignConfig
from selfimprove.errors import BudgetExceededError
from selfimprove.ledger import sums
from selfimprove.ledger.caps import ALL, Caps, Used
from selfimprove.ledger.file import LedgerFile
from selfimprove.ledger.inherited import INHERITED
from selfimprove.ledger.purse import Purse
from selfimprove.ledger.rows import Made, Reservation, Settlement, Totals
from selfimprove.records import Completion

_CHUNK: Final = 500
_ROUND: Final = re.compile(r"round-(\d+)")
_RESERVE: Final = (
    "INSERT INTO calls (key,payer,role,model,round,stage,problem,state,reserved_usd,reserved_tokens,at) "
    "VALUES (?,'teacher',?,?,?,?,?,'reserved',?,?,?) ON CONFLICT(key) DO UPDATE SET state='reserved', "
    "role=excluded.role, model=excluded.model, reserved_usd=excluded.reserved_usd, "
    "reserved_tokens=excluded.reserved_tokens, at=excluded.at, tries=tries+1"
)
_SETTLE: Final = (
    "UPDATE calls SET state=?, usd=usd+?, doubt_usd=doubt_usd+?, reserved_usd=0, prompt_tokens=prompt_tokens+?, "
    "completion_tokens=completion_tokens+?, doubt_tokens=doubt_tokens+?, reserved_tokens=0, latency_s=?, completion=? "
    "WHERE key=?"
)
_RECORD: Final = (
    "INSERT INTO calls (key,payer,role,model,round,stage,problem,state,tries,prompt_tokens,completion_tokens,"
    "latency_s,at,completion) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(key) DO UPDATE SET "
    "state=excluded.state, completion=excluded.completion, reserved_usd=0, reserved_tokens=0 "
    "WHERE calls.state<>'answered'"
)
_HIT: Final = "INSERT INTO hits VALUES (?,?,?,?,?,?) ON CONFLICT DO UPDATE SET count=count+excluded.count"

stage_of_calls: ContextVar[str] = ContextVar("stage_of_calls", default="")
"""The stage that calls are made in, for the ledger's totals; set by the graphs."""


class Ledger:
    """The journal of one campaign. May be used from several threads.

    Where `inherited.sqlite` lies beside it, its calls are known too, and were paid for elsewhere.

    Args:
        path: the SQLite file, or `:memory:`.
        budget_usd: the most that may be spent; None: no cap.
        caps: other caps of the whole campaign; its dollars are `budget_usd`.
        in_doubt: what becomes of a call that was under way when a process died and may have been billed: `retry` asks
            it again (what the first one may have cost stays counted), `stop` does not.
        reader: only look, as another process may be writing.
        alone: lock it for this process; else the run folder around it is locked already.

    Raises:
        RunFolderError: the file is no ledger, or another process has locked it.
    """

    def __init__(
        self,
        path: Path | str,
        budget_usd: float | None = None,
        *,
        caps: Caps | None = None,
        in_doubt: Literal["retry", "stop"] = "retry",
        reader: bool = False,
        alone: bool = False,
    ) -> None:
        self._file = LedgerFile(path, reader=reader, alone=alone)
        beside = Path(path).with_name(INHERITED)
        self._inherited = LedgerFile(beside, reader=True) if beside.is_file() else None
        self._reader = reader
        whole = (caps or Caps())._replace(usd=budget_usd)
        used = defaultdict(Used) if reader else sums.used_before(self._file)  # a reader spends nothing
        self._purse = Purse(whole, used, sums.seconds_worked(self._file))
        self._doubtful = sums.doubtful(self._file) if in_doubt == "stop" else {}
        self._hits: Counter[tuple[object, ...]] = Counter()
        self._counting = threading.Lock()
        self._round = 0

    @classmethod
    def of(cls, path: Path | str, config: CampaignConfig) -> Self:
        """Open a campaign's ledger with the caps of its settings; errors as for the class."""
        caps = Caps(None, config.max_calls, config.max_tokens, config.max_hours)
        return cls(path, config.budget_usd, caps=caps, in_doubt=config.in_doubt)

    def close(self) -> None:
        """Close the file."""
        self._write_hits()
        self._file.close()
        if self._inherited is not None:
            self._inherited.close()

    @property
    def budget_usd(self) -> float | None:
        """The most that may be spent, in dollars; None: no cap."""
        return self._purse.caps[ALL].usd

    def cap_dollars(self, usd: float | None, by: str) -> None:
        """Cap the dollars of the whole campaign anew; `by` is the setting that an error names."""
        self._purse.caps[ALL] = self._purse.caps[ALL]._replace(usd=usd, dollars_by=by)

    def free_hours(self) -> None:
        """Let the campaign's hours cap nothing more."""
        self._purse.caps[ALL] = self._purse.caps[ALL]._replace(hours=None)

    @property
    def spent_usd(self) -> float:
        """Dollars settled, reserved or in doubt: what counts against the budget."""
        return self._purse.usd

    def cap(self, role: str, caps: Caps) -> None:
        """Cap what one of the teacher's roles may spend, within the campaign's own caps."""
        self._purse.caps[role] = caps

    def lookup(self, keys: Sequence[str]) -> dict[str, Completion]:
        """Give the completions of the answered calls among these keys, and count them as hits."""
        found: dict[str, Completion] = {}
        here, asked = (self._round, stage_of_calls.get()), Counter(keys)
        hits: Counter[tuple[object, ...]] = Counter()
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            rows = sums.answered(self._file, part)
            if self._inherited is not None:
                known = {row[0] for row in rows}
                rows += sums.answered(self._inherited, [key for key in part if key not in known])
            for key, payer, role, model, text in rows:
                found[key] = made = Completion.model_validate_json(text)
                hits[(payer, role, made.model or model, *here)] += asked[key]
        with self._counting:
            self._hits.update(hits)
        return found

    def reserve(self, wanted: Sequence[Reservation], stop: threading.Event | None = None) -> None:
        """Set the worst cost of a teacher's calls aside, all of them or none.

        Args:
            wanted: the calls.
            stop: where they do not fit, wait for calls under way to give back what they hold, until this is set; None:
                do not wait.

        Raises:
            CapReachedError: they could go over a cap.
            StoppedError: they fit, but `stop` is set.
            BudgetExceededError: one is in doubt, and the policy is to stop there.
        """
        self._refuse_doubtful(wanted)
        self._purse.hold(wanted, stop)
        now, stage = time.time(), stage_of_calls.get()
        rows = [
            (c.key, c.role, c.model, self._round, stage, c.request.problem, c.worst_usd, c.worst_tokens, now)
            for c in wanted
        ]
        try:
            self._file.write(_RESERVE, rows)
        except BaseException:
            self._purse.release(c.key for c in wanted)
            raise

    def settle(self, done: Iterable[Settlement]) -> None:
        """Write answers, or failures, and what they really cost; returns once they are in the file."""
        settled = list(done)
        self._file.write(_SETTLE, [_settled(s) for s in settled])
        self._purse.settle(settled)

    def record(self, payer: Literal["student", "teacher"], model: str, made: Iterable[Made], role: str = "") -> None:
        """Write calls that held no reservation, in one transaction.

        Args:
            payer: a student's calls are free; a teacher's are here when they failed for good.
            model: whose identity they were asked of.
            made: the calls.
            role: of all of them; default: each request's own.
        """
        now, stage = time.time(), stage_of_calls.get()
        rows = [
            (
                *(one.key, payer, role or one.request.role, model, self._round, stage, one.request.problem),
                *(_state(one.completion), int(payer == "student")),
                *(one.completion.prompt_tokens, one.completion.completion_tokens),
                *(one.latency_s, now, one.completion.model_dump_json(exclude_defaults=True)),
            )
            for one in made
        ]
        self._file.write(_RECORD, rows)

    def check_hours(self) -> None:
        """See that there is time left, before work that costs nothing else.

        Raises:
            CapReachedError: the campaign's hours are over.
        """
        self._purse.check_hours()

    def mean(self, role: str) -> Used | None:
        """Give what an answered call of a teacher's role took on average; None where none is answered yet."""
        return sums.mean(self._file, role)

    def try_usd(self, model: str, role: str | None = None) -> float | None:
        """Give what a try of a teacher took on average in a role, by default in all; None where there is none."""
        return sums.try_usd(self._file, model, role)

    def totals(self) -> Totals:
        """Add everything up."""
        self._write_hits()
        return sums.totals(self._file)

    def by_stage(self) -> list[dict[str, object]]:
        """Give calls, tokens and dollars by stage, payer and role, in order of first call."""
        return sums.by_stage(self._file)

    def groups(self, by: Sequence[str]) -> list[dict[str, Any]]:
        """Add up by any of `payer`, `role`, `model`, `round` and `stage`; see `sums.groups`."""
        self._write_hits()
        return sums.groups(self._file, by)

    def failures(self) -> list[dict[str, Any]]:
        """Count the failed calls by role, model and reason."""
        return sums.failures(self._file)

    def calls(self) -> Iterator[dict[str, Any]]:
        """Walk every row with its completion, in order of key."""
        return sums.calls(self._file)

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Write down how long something takes; calls made inside `round-NN` are that round's."""
        started, began, before = time.time(), time.monotonic(), self._round
        self._file.write("INSERT INTO spans (name, started) VALUES (?, ?)", [(name, started)])
        if found := _ROUND.fullmatch(name):
            self._round = int(found[1])
        try:
            yield
        finally:
            self._round = before
            self._write_hits()
            ended = started + time.monotonic() - began  # the wall's clock may be set back meanwhile
            self._file.write("UPDATE spans SET ended=? WHERE name=? AND started=?", [(ended, name, started)])

    def seconds(self, name: str) -> float:
        """Add up the spans of a name, in seconds; see `sums.spans`."""
        return round(self.spans().get(name, 0.0), 1)

    def spans(self) -> dict[str, float]:
        """Give the seconds of all spans by name; see `sums.spans`."""
        return sums.spans(self._file)

    def between(self) -> tuple[float, float]:
        """Give the first and the last moment of any span, in seconds since 1970; zeros where there is none."""
        return sums.between(self._file)

    def _refuse_doubtful(self, wanted: Sequence[Reservation]) -> None:
        doubtful = [self._doubtful[c.key] for c in wanted if c.key in self._doubtful]
        if doubtful:
            raise BudgetExceededError(
                f"{len(self._doubtful)} call(s) were under way when a process died and may have been billed "
                f"${sum(self._doubtful.values()):.4f}; look at the provider's bill, then set "
                'campaign.in_doubt = "retry" to ask them again and run the same command'
            )

    def _write_hits(self) -> None:
        with self._counting:
            hits, self._hits = self._hits, Counter()
        if hits and not self._reader:
            self._file.write(_HIT, [(*group, count) for group, count in hits.items()])


def _settled(one: Settlement) -> tuple[Any, ...]:
    said = one.completion
    spent = (said.usd, one.doubt_usd, said.prompt_tokens, said.completion_tokens, one.doubt_tokens)
    return (_state(said), *spent, one.latency_s, said.model_dump_json(exclude_defaults=True), one.key)


def _state(completion: Completion) -> str:
    return "failed" if completion.finish_reason == "error" else "answered"

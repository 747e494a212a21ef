"""What the rows of a ledger hold, and what they add up to."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from selfimprove.errors import InputError, nearest
from selfimprove.ledger.caps import ALL, Used
from selfimprove.ledger.file import LedgerFile
from selfimprove.ledger.rows import Totals

_ANSWERED_BY: Final = "coalesce(nullif(json_extract(completion,'$.model'),''), model)"
_ROUND: Final = "CASE WHEN stage LIKE 'final %' THEN 'final' ELSE round END"
"""The test's evaluation comes after the last round; other calls outside of rounds are those of round 0."""
_COLUMNS: Final = {"payer": "payer", "role": "role", "model": _ANSWERED_BY, "round": _ROUND, "stage": "stage"}
_OF_HITS: Final = {**_COLUMNS, "model": "model"}
_SUMS: Final = {
    "calls": "count(*)",
    "answered": "sum(state='answered')",
    "failed": "sum(state='failed')",
    "in_doubt": "sum(doubts)",
    "retries": "sum(max(tries-1, 0))",
    "prompt_tokens": "sum(prompt_tokens)",
    "completion_tokens": "sum(completion_tokens)",
    "usd": "total(usd)",
    "held_usd": "total(reserved_usd)+total(doubt_usd)",
}
_FOUND: Final = "SELECT key, payer, role, model, completion FROM calls WHERE state='answered' AND key IN ({marks})"
_PAGE: Final = 1000
FIELDS: Final = (
    *("key", "payer", "role", "model", "round", "stage", "problem", "state", "reserved_usd", "usd", "doubt_usd"),
    *("doubts", "prompt_tokens", "completion_tokens", "tries", "latency_s", "at", "completion"),
)


def used_before(file: LedgerFile) -> defaultdict[str, Used]:
    """Give what earlier processes spent, by scope; their hours are the campaign's spans, not these."""
    found: defaultdict[str, Used] = defaultdict(Used)
    rows = file.read(
        "SELECT role, total(usd)+total(reserved_usd)+total(doubt_usd), total(tries), "
        "total(prompt_tokens)+total(completion_tokens)+total(reserved_tokens)+total(doubt_tokens), "
        "total(latency_s)/3600 FROM calls WHERE payer='teacher' GROUP BY role"
    )
    for role, *amounts in rows:
        found[role].add(Used(*amounts))
        found[ALL].add(Used(*amounts))
    return found


def answered(file: LedgerFile, keys: Sequence[str]) -> list[tuple[str, ...]]:
    """Give key, payer, role, model and completion of the answered calls among some keys."""
    return file.read(_FOUND.format(marks=",".join("?" * len(keys))), keys)


def doubtful(file: LedgerFile) -> dict[str, float]:
    """Give the calls in doubt that may have been billed, with what they may have cost in dollars."""
    return dict(file.read("SELECT key, doubt_usd FROM calls WHERE state='in doubt' AND doubt_usd > 0"))


def seconds_worked(file: LedgerFile) -> float:
    """Add up how long the campaign ran, in all its processes."""
    return spans(file).get("campaign", 0.0)


def spans(file: LedgerFile) -> dict[str, float]:
    """Give the seconds of all spans by name; what was open in a process that was killed ended with its last deed."""
    rows = file.read("SELECT name, started, ended FROM spans ORDER BY started")
    total = dict[str, float]()
    for name, started, ended in rows:
        if ended is None:  # the same is begun again by the process that goes on, inside a new span of the campaign
            until = min((at for other, at, _ in rows if other in {name, "campaign"} and at > started), default=math.inf)
            ended = _last_deed(file, rows, started, until)  # noqa: PLW2901 - now it is known
        total[name] = total.get(name, 0.0) + ended - started
    return total


def _last_deed(file: LedgerFile, rows: Sequence[tuple[str, float, float | None]], since: float, until: float) -> float:
    """Give the last moment, within two others, of a call or of a span's beginning or end."""
    inside = [moment for _, *two in rows for moment in two if moment and since <= moment < until]
    sql = "SELECT coalesce(max(at), 0) FROM calls WHERE at >= ? AND at < ?"
    return max(*inside, since, float(file.read(sql, (since, until))[0][0]))


def mean(file: LedgerFile, role: str) -> Used | None:
    """Give what an answered call of a role took on average, failed tries counted in; None where there is none."""
    answered, *amounts = file.read(
        "SELECT total(state='answered'), total(usd)+total(doubt_usd), total(tries), "
        "total(prompt_tokens)+total(completion_tokens)+total(doubt_tokens), total(latency_s)/3600 FROM calls "
        "WHERE payer='teacher' AND role=?",
        (role,),
    )[0]
    return Used(*(float(amount) / answered for amount in amounts)) if answered else None


def try_usd(file: LedgerFile, model: str, role: str | None) -> float | None:
    """Give what a try of a model took on average in a role (None: in all), in dollars; None where there is none."""
    usd, tries = file.read(
        "SELECT total(usd)+total(doubt_usd), total(tries) FROM calls "
        "WHERE payer='teacher' AND model=? AND role=coalesce(?, role)",
        (model, role),
    )[0]
    return float(usd) / float(tries) if tries else None


def totals(file: LedgerFile) -> Totals:
    """Add everything up."""
    row = file.read(
        "SELECT count(*), total(state='answered'), total(state='failed'), total(doubts>0), total(state='in doubt'), "
        "total(usd), total(reserved_usd)+total(doubt_usd), total(prompt_tokens), total(completion_tokens), "
        "total(payer='teacher'), total(max(tries-1, 0)) FROM calls"
    )[0]
    count, answered, failed, doubt, unresolved, usd, held, prompt, completion, teacher, retries = row
    return Totals(
        calls=count,
        answered=int(answered),
        failed=int(failed),
        in_doubt=int(doubt),
        unresolved=int(unresolved),
        usd=round(usd, 6),
        held_usd=round(held, 6),
        prompt_tokens=int(prompt),
        completion_tokens=int(completion),
        teacher_calls=int(teacher),
        retries=int(retries),
        hits=int(file.read("SELECT total(count) FROM hits")[0][0]),
    )


def by_stage(file: LedgerFile) -> list[dict[str, object]]:
    """Give calls, tokens and dollars by stage, payer and role, in order of first call."""
    names = ("stage", "payer", "role", "calls", "prompt_tokens", "completion_tokens", "usd")
    rows = file.read(
        "SELECT stage, payer, role, count(*), sum(prompt_tokens), sum(completion_tokens), total(usd) "
        "FROM calls GROUP BY stage, payer, role ORDER BY min(at)"
    )
    return [dict(zip(names, row, strict=True)) for row in rows]


def groups(file: LedgerFile, by: Sequence[str]) -> list[dict[str, Any]]:
    """Add up by any of `payer`, `role`, `model`, `round` and `stage`, in order of first call.

    Each row has the names it is grouped by, `calls`, `hits` (requests answered from the ledger), `answered`, `failed`,
    `in_doubt`, `retries`, `prompt_tokens`, `completion_tokens`, `usd`, `held_usd`, and `p50_s` and `p95_s` (seconds a
    call took; None where no call was made). A model is the one that answered; the round of the test's evaluation is
    "final".

    Raises:
        InputError: a name is none of those.
    """
    for name in by:
        if name not in _COLUMNS:
            raise InputError(f'there is no grouping "{name}"; {nearest(name, _COLUMNS)}')
    keys = ", ".join(_COLUMNS[name] for name in by) or "1"
    rows = file.read(f"SELECT {keys}, {', '.join(_SUMS.values())} FROM calls GROUP BY {keys} ORDER BY min(at)")  # noqa: S608 - our own words
    width = max(1, len(by))
    found = {row[:width]: dict(zip(_SUMS, row[width:], strict=True)) for row in rows}
    found_by = ", ".join(_OF_HITS[name] for name in by) or "1"
    hits = file.read(f"SELECT {found_by}, sum(count) FROM hits GROUP BY {found_by}")  # noqa: S608 - our own words
    hit = {row[:width]: row[width] for row in hits}
    took: defaultdict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row in file.read(f"SELECT {keys}, latency_s FROM calls WHERE latency_s IS NOT NULL ORDER BY latency_s"):  # noqa: S608 - our own words
        took[row[:width]].append(row[width])
    none = dict.fromkeys(_SUMS, 0)
    return [
        {
            **dict(zip(by, key, strict=False)),
            **found.get(key, none),
            "hits": hit.get(key, 0),
            "p50_s": _percentile(took[key], 0.50),
            "p95_s": _percentile(took[key], 0.95),
        }
        for key in {**found, **hit}
    ]


def _percentile(ordered: Sequence[float], share: float) -> float | None:
    """Give the smallest value that at least this share of the values do not exceed.

    >>> _percentile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.0
    """
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else None


def failures(file: LedgerFile) -> list[dict[str, Any]]:
    """Count the failed calls by role, model and reason, the most frequent first."""
    rows = file.read(
        f"SELECT role, {_ANSWERED_BY}, json_extract(completion,'$.error'), count(*) FROM calls "  # noqa: S608 - our own words
        "WHERE state='failed' GROUP BY 1, 2, 3 ORDER BY 4 DESC, 3"
    )
    return [dict(zip(("role", "model", "reason", "calls"), row, strict=True)) for row in rows]


def calls(file: LedgerFile) -> Iterator[dict[str, Any]]:
    """Walk every row with its completion (None where there is none yet), in order of key."""
    last = ""
    while rows := file.read(
        f"SELECT {', '.join(FIELDS)} FROM calls WHERE key > ? ORDER BY key LIMIT {_PAGE}",  # noqa: S608 - our own words
        (last,),
    ):
        last = rows[-1][0]
        for row in rows:
            made = dict(zip(FIELDS, row, strict=True))
            made["completion"] = json.loads(made["completion"]) if made["completion"] else None
            yield made


def between(file: LedgerFile) -> tuple[float, float]:
    """Give the first and the last moment of any span, in seconds since 1970; zeros where there is none."""
    first, last = file.read("SELECT min(started), max(coalesce(ended, started)) FROM spans")[0]
    return float(first or 0), float(last or 0)

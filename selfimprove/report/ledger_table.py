"""The ledger as a person reads it: a table, JSON, or a file of every call."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import InputError
from selfimprove.formats import aligned, dollars
from selfimprove.ledger import Ledger
from selfimprove.store import write_whole

GROUPS: Final = ("round", "stage", "role", "model")
_LONGEST: Final = 40
_SHOWN_FAILURES: Final = 10
_HEADS: Final = ("calls", "hits", "failed", "retries", "tokens in", "tokens out", "dollars", "p50 s", "p95 s")
_COLUMNS: Final = (
    *("key", "payer", "role", "model", "round", "stage", "problem", "state", "usd", "reserved_usd", "doubt_usd"),
    *("doubts", "prompt_tokens", "completion_tokens", "tries", "latency_s"),
)
_SAID: Final = ("text", "reasoning", "finish_reason", "error")


@contextmanager
def reading(run: Path) -> Iterator[Ledger]:
    """Open the ledger of a run folder to look at it; its campaign may be running.

    Raises:
        InputError: there is none.
        RunFolderError: it cannot be read.
    """
    if not (run / "ledger.sqlite").is_file():
        raise InputError(f"{run} holds no ledger; name a run folder, such as runs/demo")
    with closing(Ledger(run / "ledger.sqlite", reader=True)) as ledger:
        yield ledger


def as_dict(ledger: Ledger, by: Sequence[str] = GROUPS) -> dict[str, Any]:
    """Give the totals, the groups and the failures with their reasons; see `Ledger.groups`."""
    return {"totals": ledger.totals().model_dump(), "groups": ledger.groups(by), "failures": ledger.failures()}


def table(ledger: Ledger, by: Sequence[str] = GROUPS) -> str:
    """Write the groups, the totals and the failures as text."""
    rows = [[*by, *_HEADS]]
    rows += [[*(_short(str(row[name])) for name in by), *_cells(row)] for row in ledger.groups(by)]
    rows += [[*["all", *[""] * (len(by) - 1)][: len(by)], *_cells(row)] for row in ledger.groups(())]
    lines = aligned(rows, names=len(by))
    total = ledger.totals()
    if total.in_doubt or total.held_usd:
        lines.append(
            f"{total.in_doubt} were under way when a process died ({total.unresolved} not asked again); "
            f"{dollars(total.held_usd)} is held for calls that may be billed."
        )
    failed = ledger.failures()
    lines += [f"{one['calls']} failed ({one['role']}): {one['reason']}" for one in failed[:_SHOWN_FAILURES]]
    if len(failed) > _SHOWN_FAILURES:
        lines.append(f"and {len(failed) - _SHOWN_FAILURES} more reasons, see --json")
    return "\n".join(lines)


def export(ledger: Ledger, path: Path) -> int:
    """Write every call into a `.jsonl` or `.csv` file, and give how many there were.

    Raises:
        InputError: the file's name ends otherwise, it exists, or it cannot be written.
    """
    if path.suffix not in {".jsonl", ".csv"}:
        raise InputError(f'{path} ends in "{path.suffix}"; name a file that ends in .jsonl or .csv')
    if path.exists():
        raise InputError(f"{path} exists and is not overwritten; name another file, or remove it")
    rows = [_flat(row) for row in ledger.calls()]
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    else:
        file = io.StringIO()
        writer = csv.DictWriter(file, list(_flat({})))
        writer.writeheader()
        writer.writerows(rows)
        text = file.getvalue()
    write_whole(path, text.encode())
    return len(rows)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Give a row with the parts of its completion beside the rest, in one order."""
    said = {"finish_reason": "stop", **row["completion"]} if row.get("completion") else {}
    at = datetime.fromtimestamp(row.get("at", 0.0), UTC).isoformat(timespec="milliseconds")
    return {
        **{name: row.get(name) for name in _COLUMNS},
        "at": at,
        "answered_by": said.get("model", ""),
        **{name: said.get(name, "") for name in _SAID},
    }


def _cells(row: dict[str, Any]) -> list[str]:
    counts = [row["calls"], row["hits"], row["failed"], row["retries"], row["prompt_tokens"], row["completion_tokens"]]
    took = ["-" if row[name] is None else f"{row[name]:.3f}" for name in ("p50_s", "p95_s")]
    return [*(f"{count:,}" for count in counts), f"{row['usd']:.4f}", *took]


def _short(name: str) -> str:
    """Keep both ends of a long name.

    >>> len(_short("x" * 90))
    40
    """
    half = (_LONGEST - 1) // 2
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - half - 1]}…{name[-half:]}"

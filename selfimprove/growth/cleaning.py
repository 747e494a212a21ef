"""What a refused curation leaves behind: nothing but paid calls."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfimprove.begun import LEDGER
from selfimprove.curating.writing import SEED_TRACES
from selfimprove.errors import InputError, MissingDependencyError
from selfimprove.graphs.curate_votes import round_place
from selfimprove.growth.settings import FILE
from selfimprove.ledger.refused import holds_calls
from selfimprove.programs.in_force import FROZEN


@contextmanager
def kept_clean(out: Path, there: frozenset[str] | None) -> Iterator[None]:
    """Take away what a curation that is refused before its first round ends has begun; paid calls stay.

    Args:
        out: its folder, which is locked: what another process does there stays.
        there: what `files_in` gave before; None: the folder goes too, if it is empty by then.
    """
    begun = (out / FILE).exists()
    try:
        yield
    except (InputError, MissingDependencyError):
        if not begun and not (out / round_place(1) / "yield.json").exists():
            _clear(out, there)
        raise


def _clear(out: Path, there: frozenset[str] | None) -> None:
    old = there or frozenset()
    if round_place(1) not in old:
        shutil.rmtree(out / round_place(1), ignore_errors=True)
    paid = LEDGER[0] not in old and holds_calls(out / LEDGER[0], paid=True)
    for name in {
        FILE,
        FROZEN,
        "known.jsonl",
        SEED_TRACES,
        "manifest.json",
        "run.lock",
        *(() if paid else LEDGER),
    } - old:
        (out / name).unlink(missing_ok=True)
    if there is None and not any(out.iterdir()):
        out.rmdir()

"""The guard in a campaign: what it knows when the splits are frozen, and the rows it keeps out of training."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final, TypeVar

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.panel import set_aside
from selfimprove.graphs.watching import freeze_watched, held_out
from selfimprove.leakage import Guard, HeldOut, Refused
from selfimprove.leakage.public import Guarded, NotGuarded, PublicSet, families_of, public_tests
from selfimprove.openings import know_split
from selfimprove.protocols import Task
from selfimprove.records import PreferenceRow, Problem, Record, Split, TrackRow, VerdictRow
from selfimprove.splits import Overlap, Splits, freeze
from selfimprove.steps.evaluate import grouped
from selfimprove.tasks.source import from_hub, read_rows

Row = TypeVar("Row", TrackRow, PreferenceRow, VerdictRow)
Public = tuple[list[Guarded], list[NotGuarded]]
"""Public test sets that could be read, and those that could not."""
_GUARD: Final = "data/guard.json"
_SHOWN: Final = 50
_LOOKED_AT: Final = 200


class Known(Record):
    """What the guard knows besides dev and test, kept in the run folder: it never changes during a campaign."""

    public: tuple[HeldOut, ...] = ()
    boilerplate: tuple[str, ...] = ()


def freeze_guarded(crew: Crew) -> Splits:
    """Take the splits, guard them and the family's public test sets, and write down what was found.

    Writes `data/guard.json` and, last of all, `data/leakage.json`: what is guarded, what could not be, and which
    training problems were dropped for whose sake.
    """
    data = crew.config.data
    sizes: dict[Split, int] = {"train": data.train, "dev": data.dev, "test": data.test}
    guarded, missing = public_of(crew.task, data.data_dir, data.train)
    public = [held for each in guarded for held in each.held_out] + list(held_out(freeze_watched(crew)))
    splits = freeze(crew.task, sizes, public)
    splits = splits._replace(train=set_aside(crew, splits.train))
    for name in sizes:
        crew.folder.write_rows(f"data/{name}.jsonl", getattr(splits, name))
        if name != "train":
            know_split(crew.folder.hashes[f"data/{name}.jsonl"], [problem.id for problem in getattr(splits, name)])
    known = Known(public=tuple(public), boilerplate=tuple(splits.guard.boilerplate))
    crew.folder.write_json(_GUARD, known)
    own = [{"name": name, "problems": len(getattr(splits, name))} for name in ("dev", "test")]
    report = {
        "check": "exact text, canonical form, n-grams of 8 and 13 words",
        "guarded": own + [{"name": each.name, "problems": len(each.held_out)} for each in guarded],
        "not_guarded": [{"name": each.name, "why": each.why} for each in missing],
        "dropped_from_train": [_described(overlap) for overlap in splits.leaked],
        "phrases_only": len(splits.phrases),
        "phrases_shown": [_described(overlap) for overlap in splits.phrases[:_SHOWN]],
        "between_dev_and_test": [_described(overlap) for overlap in splits.between],
    }
    crew.folder.write_json("data/leakage.json", report)
    if splits.leaked:
        count = len(splits.leaked)
        progress.current().say(f"{count} training problems are held out, or of a group that is, and were dropped")
    for name in ("dev", "test"):
        if groups := set(grouped(getattr(splits, name)).values()):
            count = len(getattr(splits, name))
            progress.current().say(
                f"{name} holds {count} problems of {len(groups)} groups, which are compared as wholes"
            )
    return splits


def public_of(task: Task, data_dir: Path | str | None, size: int = _LOOKED_AT) -> Public:
    """Read the public test sets of a task's family, see `read_public`.

    Args:
        task: whose.
        data_dir: folder with local copies; None: `SELFIMPROVE_DATA`, else the hub.
        size: training problems that there are to look at, at most.
    """
    some = list(islice(task.problems("train"), min(size, _LOOKED_AT)))
    return read_public(families_of(task.name, some), data_dir)


def read_public(families: Iterable[str], data_dir: Path | str | None) -> Public:
    """Read the public test sets of families, and say which cannot be read."""
    named = data_dir or os.environ.get("SELFIMPROVE_DATA")
    guarded, missing = public_tests(families, _Library(Path(named) if named else None))
    for each in missing:
        progress.current().say(f"{each.name} could not be read and is not guarded")
    return guarded, missing


def _described(overlap: Overlap) -> dict[str, Any]:
    return {"id": overlap.problem.id, "question": overlap.problem.question, **overlap.hit.model_dump()}


class _Library:
    """Reads public test sets: from the data folder, where that holds their data set, else from the hub.

    A hub that could not be reached once is not asked again: each try takes half a minute.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._unreachable = ""

    def __call__(self, public: PublicSet) -> list[Mapping[str, object]]:
        path = self._folder / public.file if self._folder is not None else None
        if path is not None and path.parent.is_dir():
            return [row.fields for row in read_rows(path)]
        if not public.hub:
            raise InputError(f"no copy is known on the hub; put it into the data folder as {public.file}")
        if self._unreachable:
            raise InputError(self._unreachable)
        try:
            parts = [from_hub(public.hub, public.split, name, files=public.file) for name in public.configs]
        except InputError as error:
            if isinstance(error.__cause__, ConnectionError):
                self._unreachable = (
                    "the hub cannot be reached; go online, or set SELFIMPROVE_DATA to a folder that holds it"
                )
            raise
        return [row.fields for row in chain.from_iterable(parts)]


def guard_of(crew: Crew) -> Guard:
    """Give the guard of a frozen campaign."""
    known = crew.folder.found(_GUARD, Known) or Known()
    splits: tuple[Split, ...] = ("dev", "test")
    own = (HeldOut.of(problem, split) for split in splits for problem in crew.problems(split))
    return Guard(chain(own, known.public), known.boilerplate)


def guarded(crew: Crew, rows: Sequence[Row], refused: str, guard: Guard | None = None) -> list[Row]:
    """Keep out every row that holds a held-out problem, in its question or in what is learned from it.

    Args:
        crew: the campaign's parts.
        rows: of a track, or preference pairs.
        refused: file that the refused ones are written to, with the reason; relative to the run folder.
        guard: of this campaign; None: made anew.
    """
    guard = guard or guard_of(crew)
    forms = {p.id: p for p in crew.problems("train") if p.canonical}
    kept: list[Row] = []
    out: list[Refused] = []
    for row in rows:
        found = _refusal(row, guard, forms.get(row.problem))
        kept += [row] if found is None else []
        out += [found] if found is not None else []
    if out:
        crew.folder.write_rows(refused, out)
        progress.current().say(f"{len(out)} rows hold held-out problems and were refused: {refused}")
    return kept


def _refusal(row: TrackRow | PreferenceRow | VerdictRow, guard: Guard, problem: Problem | None) -> Refused | None:
    """Say why a row may not be trained on; None: it may."""
    for field, text in _texts(row):
        canonical = problem.canonical if problem is not None and field == "problem" else ""
        hit = guard.leak(text, canonical)
        if hit is not None:
            return Refused(id=row.id, problem=row.problem, field=field, text=text, hit=hit)
    return None


def _texts(row: TrackRow | PreferenceRow | VerdictRow) -> Iterator[tuple[str, str]]:
    yield from row.inputs.items()
    if isinstance(row, TrackRow):
        yield "target", row.target
    elif isinstance(row, VerdictRow):
        yield "text", row.text
    else:
        yield "chosen", row.chosen
        yield "rejected", row.rejected

"""Write a grown library: rows that load as a task, what was rejected and why, and the figures."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from selfimprove.answers.marks import without_labelled
from selfimprove.curating.diversity import Spread, collapsed
from selfimprove.curating.library import Library, leaf_name
from selfimprove.curating.nursery import Nursery
from selfimprove.curating.row_files import row_files
from selfimprove.curating.rows import Grown, Rejected, Trace, Vote
from selfimprove.curating.yields import CellYield, Yield
from selfimprove.labels.taxonomy import DIMENSIONS, LEVELS
from selfimprove.programs.saved import Card
from selfimprove.records import Problem, Record

CURATED: Final = "curated.jsonl"
REJECTED: Final = "rejected.jsonl"
FIGURES: Final = "curated.json"
SEED_TRACES: Final = "seed-traces.jsonl"


class CellFigures(Record):
    """One cell at the end."""

    labels: Mapping[str, str]
    quota: int
    there: int
    """Seeds that count, and admitted ones."""
    counted: Yield


class Figures(Record):
    """What a curation came to."""

    ended: str
    """`quotas`: all are met; `yield`: too little of what is ordered is right; `rounds`: there were enough; `budget`: a
    cap was reached."""
    rounds: int
    rows: int
    """Written: grown ones, and seeds that count."""
    files: Mapping[str, int] = Field(default_factory=dict)
    """Rows by file that loads as a task: of all, or of each form of answers where there are several."""
    grown: int
    rejected: int
    missing: int
    """Problems that the quotas still lack."""
    reasons: Mapping[str, int]
    cells: tuple[CellFigures, ...]
    generations: tuple[CellYield, ...]
    """Yield by cell and generation."""
    spreads: tuple[Spread, ...]
    alarms: tuple[str, ...]
    traced: int = 0
    """Rows, of seeds too, with a verified chain of thought that a teacher wrote."""
    programs: Mapping[str, Card] = Field(default_factory=dict)
    """Optimised prompts that were in force, with their cards; the others are plain."""
    held_out: int = 0
    """Problems that nothing was let come near."""


def write_curated(nursery: Nursery, library: Library, rounds: int, ended: str) -> Figures:
    """Write `curated.jsonl`, one file for each form of answers where there are several, `rejected.jsonl` and figures.

    Rows are walked a round at a time, so that memory does not grow with them.
    """
    folder, reasons, written, traced = nursery.folder, Counter[str](), Counter[str](), 0
    forms = sorted({_file_of(cell.form) for cell in nursery.quotas} - {CURATED})
    tasks = forms if len(forms) > 1 else [CURATED]
    names = list(dict.fromkeys([CURATED, *tasks, REJECTED]))
    with row_files(folder.path, names) as out:
        for number in range(1, rounds + 1):
            place = f"round-{number:03d}"
            traces = _traces(nursery, f"{place}/traces.jsonl")
            for grown in folder.rows(f"{place}/grown.jsonl", Grown):
                row = row_of(grown, traces.get(grown.candidate.id))
                traced += bool(row["rationale"])
                written.update(out.put((CURATED, _file_of(grown.candidate.place.form)), row))
            for refused in folder.rows(f"{place}/rejected.jsonl", Rejected):
                reasons[refused.reason] += 1
                out.put((REJECTED,), refused.model_dump(mode="json"))
        traces = _traces(nursery, SEED_TRACES)
        for _, seed in nursery.counted():
            row = seed_row(seed, traces.get(seed.id))
            traced += bool(row["rationale"] and not seed.rationale)
            written.update(out.put((CURATED, _file_of(seed.labels.get("form", ""))), row))
    for name in names:
        folder.list_tree(name)
    files = {name: written[name] for name in tasks if written[name]}
    figures = _figures(nursery, library, rounds, ended, reasons, files, traced)
    folder.write_json(FIGURES, figures)
    return figures


def row_of(grown: Grown, trace: Trace | None = None) -> dict[str, Any]:
    """Write a grown problem as a row of a task's file, its origin beside it."""
    one = grown.candidate
    lineage = {
        "seed": one.seed,
        "root": one.root,
        "generation": one.generation,
        "round": grown.round,
        "program": one.program,
        "model": one.model,
        "call": one.call,
        "answer_right": grown.answer_right,
        "label_right": grown.label_right,
        "check": grown.check,
        "votes": [_written(vote) for vote in grown.votes],
        "label_votes": [_written(vote) for vote in grown.label_votes],
        "trace_call": trace.call if trace else "",
    }
    return _row(one.problem, without_labelled(trace.text) if trace else "", lineage)


def seed_row(seed: Problem, trace: Trace | None = None) -> dict[str, Any]:
    """Write a seed as such a row; it is its own root, of generation 0, and keeps its own rationale where it has one."""
    nothing = {"seed": "", "root": seed.id, "generation": 0, "round": 0, "program": "", "model": "", "call": ""}
    votes: dict[str, Any] = {"answer_right": 1.0, "label_right": 1.0, "check": "", "votes": [], "label_votes": []}
    rationale = without_labelled(trace.text) if trace and not seed.rationale else seed.rationale
    return _row(seed, rationale, nothing | votes | {"trace_call": trace.call if trace else ""})


def _row(problem: Problem, rationale: str, lineage: Mapping[str, Any]) -> dict[str, Any]:
    told = {
        "id": problem.id,
        "question": problem.question,
        "answer": problem.answer,
        "choices": list(problem.choices),
        "context": problem.context,
        "rationale": rationale,
    }
    return told | {name: problem.labels.get(name, "") for name in DIMENSIONS} | {"lineage": dict(lineage)}


def _written(vote: Vote) -> dict[str, Any]:
    return vote.model_dump(mode="json", exclude={"candidate"})


def _file_of(form: str) -> str:
    return f"curated-{form.replace(' ', '-')}.jsonl" if form else CURATED


def _traces(nursery: Nursery, name: str) -> dict[str, Trace]:
    return {one.problem: one for one in nursery.folder.rows(name, Trace)} if nursery.folder.has(name) else {}


def _figures(
    nursery: Nursery,
    library: Library,
    rounds: int,
    ended: str,
    reasons: Counter[str],
    files: Mapping[str, int],
    traced: int,
) -> Figures:
    by_cell, spreads = library.by_cell(), library.spread.spreads(nursery.embed)
    generations: dict[tuple[Any, int], Yield] = defaultdict(Yield)
    for one in (one for counted in library.yields for one in counted.yields):
        generations[one.place, one.generation] += one.counted
    cells = tuple(
        CellFigures(labels=cell.labels, quota=quota, there=library.there[cell], counted=by_cell.get(cell, Yield()))
        for cell, quota in nursery.quotas.items()
    )
    return Figures(
        ended=ended,
        rounds=rounds,
        rows=sum(files.values()),
        files=files,
        grown=sum(one.counted.admitted for one in cells),
        rejected=reasons.total(),
        missing=sum(max(0, one.quota - one.there) for one in cells),
        reasons=dict(sorted(reasons.items())),
        cells=cells,
        generations=tuple(
            CellYield(place=place, generation=generation, counted=counted)
            for (place, generation), counted in sorted(generations.items(), key=lambda g: (g[0][0].cell, g[0][1]))
        ),
        spreads=tuple(spreads),
        alarms=tuple(collapsed(spreads, nursery.config.grow.collapse)),
        traced=traced,
        programs={name: one.card for name, one in nursery.programs.items()},
        held_out=len(nursery.held_out),
    )


def sentence(figures: Figures) -> str:
    """Say in one sentence what was grown."""
    over = sum(max(0, one.there - one.quota) for one in figures.cells)
    more = f", with {over} more than they ask, all seeds" if over else ""
    ends = {
        "quotas": f"all quotas are met{more}",
        "yield": f"{figures.missing} are missing, as too little of what is ordered is right",
        "rounds": f"{figures.missing} are missing after the most rounds",
        "budget": f"{figures.missing} are missing, as a cap was reached",
    }
    grown = "1 problem was" if figures.grown == 1 else f"{figures.grown} problems were"
    rounds = "1 round" if figures.rounds == 1 else f"{figures.rounds} rounds"
    return f"{grown} grown in {rounds}: {ends[figures.ended]}"


def guarded(held_out: int) -> str:
    """Say in one sentence what the problems were kept away from."""
    if not held_out:
        return (
            "nothing is held out, so problems may be near what the student is tested on: "
            "name those files or public test sets as curate.held_out"
        )
    some = "1 problem is" if held_out == 1 else f"{held_out} problems are"
    return f"{some} held out, and nothing near {'it' if held_out == 1 else 'one of them'} is let in"


def leaf_of(labels: Mapping[str, str]) -> str:
    """Write the sub-type of labels as one name."""
    return leaf_name(tuple(labels[level] for level in LEVELS))

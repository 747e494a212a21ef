"""Do compiled prompts help, and does a program in a batch keep the engine's speed?

Each cell optimises one program with one of DSPy's optimisers and measures it before and after on cases held out: the
judge's balanced accuracy against verified verdicts, the solver's share of verified-right and valid solutions, the
student's accuracy. Every program compiled is in the table; that nothing helps is a result. Then 64 problems go through
a program in a batch, through DSPy's own path with a call each, and through the engine as bare rendered prompts.

    TEACHER=MODEL@http://127.0.0.1:8000/v1 python benchmarks/compile.py      # QUICK=1: few cases
    PARTS=batching python benchmarks/compile.py          # or PARTS=teacher, PARTS=student
    SHIP=1 ...                                           # copy what is proven among all cells into programs/
    WRITER=MODEL@URL ...                                 # who writes instructions; unset: the teacher
    PROBLEMS=300 CALLS=400 ...                           # other sizes; two fifths of the problems are held out
    CONCURRENCY=16 ...                                   # calls under way at once
    CELLS=judge-gsm8k-gepa,... ...                       # these alone

Resumable: calls are kept in a ledger, each finished cell in a file.

make bench-compile    keys: cells, shipped, batch_share_of_engine, dspy_share_of_engine; null: see why_null
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from compile_speed import batching

from selfimprove.compiling.compiling import Work, compile_cases
from selfimprove.compiling.making import Source, make_cases
from selfimprove.compiling.metrics import Parts, metric_named, usual_metric
from selfimprove.errors import InputError
from selfimprove.ledger import Journaled, Ledger
from selfimprove.prm.labelling import trainable
from selfimprove.programs import Program
from selfimprove.programs.optimise import How, Optimizer
from selfimprove.programs.saved import Card, Compiled, load_saved, place_of, programs_for, save_program
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Problem, Sampling
from selfimprove.tasks import load_task
from selfimprove.teachers.named import model_named

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
OUT = Path(os.environ.get("OUT", ROOT / "runs" / ("bench-compile-quick" if QUICK else "bench-compile"))).resolve()
DATA = Path(os.environ.get("SELFIMPROVE_DATA", ROOT.parent / "shared" / "data"))
PARTS = os.environ.get("PARTS", "teacher,student,batching").split(",")
SEED = 5
ONLY = list(filter(None, os.environ.get("CELLS", "").split(",")))
BATCH = 64
ALPHA = 0.025
"""One-sided, over the whole table."""
OWN_TASKS = ("arithmetic",)
"""Those whose problems the library writes itself."""
CONCURRENCY = int(os.environ.get("CONCURRENCY", "16"))


class Cell(NamedTuple):
    """One program, one optimiser.

    Attributes:
        runner: `teacher` or `student`: who runs the program, and whose solutions a judge judges.
    """

    program: str
    runner: str
    task: str
    optimizer: Optimizer

    @property
    def name(self) -> str:
        """Name of its file and of its row."""
        return f"{self.program}-{self.task}-{self.optimizer}"


class Size(NamedTuple):
    """How much is done: problems that cases are made of, and replies that an optimiser may look at."""

    problems: int
    calls: int


CELLS = (
    Cell("judge", "teacher", "gsm8k", "gepa"),
    Cell("judge", "teacher", "gsm8k", "bootstrap"),
    Cell("reason", "teacher", "gsm8k", "gepa"),
    Cell("reason", "teacher", "gsm8k", "bootstrap"),
    Cell("reason", "teacher", "gsm8k", "mipro"),
    Cell("generate", "teacher", "gsm8k", "gepa"),
    Cell("generate", "teacher", "gsm8k", "bootstrap"),
    Cell("solve", "student", "arithmetic", "bootstrap"),
    Cell("solve", "student", "arithmetic", "mipro"),
)
SIZES = {"teacher": Size(24, 24) if QUICK else Size(140, 160), "student": Size(40, 60) if QUICK else Size(600, 1500)}
if PROBLEMS := int(os.environ.get("PROBLEMS", "0")):
    SIZES = {runner: Size(PROBLEMS, int(os.environ.get("CALLS", PROBLEMS))) for runner in SIZES}
MAX_TOKENS = {"teacher": 320, "student": 96}


class Models(NamedTuple):
    """What is at hand, each behind the ledger; None: it is not."""

    teacher: LanguageModel | None
    student: LanguageModel | None
    writer: LanguageModel | None


def task_named(name: str) -> Task:
    """Give a task; the arithmetic one asks what a small student sometimes solves, and not what the demo asks."""
    if name == "arithmetic":
        options = {"kinds": ("sum", "story"), "levels": (2, 3), "seed": 91}
        return load_task(name, options=options, sizes={"train": 2000, "dev": 100, "test": 100})
    return load_task(name, data_dir=DATA)


def compiled(cell: Cell, models: Models, task: Task, problems: Sequence[Problem], size: Size) -> Compiled:
    """Compile one cell's program."""
    model = models.teacher if cell.runner == "teacher" else models.student
    writer = models.writer or models.teacher or model
    if model is None or writer is None:
        raise InputError(f"no {cell.runner} is at hand")
    programs, how = programs_for(task), Sampling(max_tokens=MAX_TOKENS[cell.runner])
    source = Source(task, model, None, programs, how, SEED)
    parts = Parts(task, {p.id: p for p in problems}, model, None, programs, how, model)
    metric = metric_named(usual_metric(cell.program), cell.program, parts)
    plan = How(cell.optimizer, size.calls, seed=SEED)
    work = Work(programs[cell.program], task, model, writer, metric, how, plan)
    return compile_cases(work, make_cases(cell.program, problems, source))


def row_of(cell: Cell, card: Card) -> dict[str, Any]:
    """Give a cell's row."""
    return {
        "cell": cell.name,
        "metric": card.metric,
        "before": card.before.score,
        "before_interval": [card.before.interval.low, card.before.interval.high],
        "after": card.after.score,
        "after_interval": [card.after.interval.low, card.after.interval.high],
        "gain": card.gain.difference,
        "gain_interval": [card.gain.interval.low, card.gain.interval.high],
        "held_out": card.held_out,
        "proven": card.proven,
        "p": card.gain.p_better,
    }


def run_cells(cells: Sequence[Cell], models: Models, out: Path, why: dict[str, str]) -> list[dict[str, Any]]:
    """Do the cells that are not done, and give a row for each that is."""
    rows = []
    for cell in cells:
        place = place_of(cell.program, cell.task, out / cell.optimizer)
        if not place.is_file():
            try:
                task, size = task_named(cell.task), SIZES[cell.runner]
                made = compiled(cell, models, task, trainable(task, size.problems, DATA, SEED), size)
            except InputError as error:
                why[cell.name] = str(error)
                print(f"{cell.name}: not done: {error}", flush=True)
                continue
            save_program(made.program, made.card, place)
        card = load_saved(place)[1]
        print(f"{cell.name}: {card.sentence()}", flush=True)
        rows.append(row_of(cell, card))
    return rows


def ship(rows: Sequence[dict[str, Any]], cells: Sequence[Cell], out: Path, to: Path) -> list[str]:
    """Copy the proven programs, the best of each, to where the library keeps its own, and name them.

    The best of many cells is often good by luck, so each is to be proven at its share of the error of all (Bonferroni).
    One that shows problems of a data set stays out: the library carries nobody's data.
    """
    best: dict[tuple[str, str], tuple[Cell, Program, Card]] = {}
    by_name = {cell.name: cell for cell in cells}
    proven = [row for row in rows if row["proven"] and row["p"] <= ALPHA / len(CELLS)]
    for row in sorted(proven, key=lambda row: row["after"]):
        cell = by_name[row["cell"]]
        program, card = load_saved(place_of(cell.program, cell.task, out / cell.optimizer))
        if not program.predict.demos or cell.task in OWN_TASKS:
            best[cell.program, cell.task] = (cell, program, card)
    for cell, program, card in best.values():
        save_program(program, card, place_of(cell.program, cell.task, to))
    return sorted(cell.name for cell, _, _ in best.values())


def served(named: str, role: str, ledger: Ledger) -> LanguageModel | None:
    """Give a model behind a server, MODEL@URL; None where none is named."""
    return model_named(named, ledger, role=role, concurrency=CONCURRENCY) if named else None


def load_student() -> Any:
    """Load SmolLM2-135M, or MODEL."""
    from selfimprove.students.transformers import TransformersStudent

    return TransformersStudent(os.environ.get("MODEL", "smollm2-135m"))


def main() -> None:
    """Print each row, both scores and the gain with their intervals, then one line of JSON."""
    OUT.mkdir(parents=True, exist_ok=True)
    ledger, why = Ledger(OUT / "ledger.sqlite"), dict[str, str]()
    try:
        teacher = served(os.environ.get("TEACHER", ""), "teacher", ledger)
        writer = served(os.environ.get("WRITER", ""), "writer", ledger)
        student = load_student() if {"student", "batching"} & set(PARTS) else None
        models = Models(teacher, Journaled(student, ledger) if student else None, writer)
        cells = [cell for cell in CELLS if cell.runner in PARTS and (not ONLY or cell.name in ONLY)]
        rows = run_cells(cells, models, OUT / "programs", why)
        shipped = ship(rows, cells, OUT / "programs", ROOT / "programs") if os.environ.get("SHIP") else []
        figures: dict[str, Any] = {"batch_share_of_engine": None, "dspy_share_of_engine": None}
        if student is not None and "batching" in PARTS:
            task = task_named("arithmetic")
            problems = list(task.problems("train"))[:BATCH]
            figures = batching(student, task, problems, MAX_TOKENS["student"], few=8 if QUICK else 16)
        else:
            why["batch_share_of_engine"] = f"PARTS={','.join(PARTS)}"
    finally:
        ledger.close()
    print(json.dumps({"cells": rows, "shipped": shipped, **figures, "quick": QUICK, "why_null": why}))


if __name__ == "__main__":
    main()

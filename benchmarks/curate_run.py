"""One scripted curation of bench-curate, in a process of its own so that its memory is its own.

python benchmarks/curate_run.py ROWS        # what benchmarks/curate.py runs; prints JSON
"""

from __future__ import annotations

import json
import re
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from curate_families import families, is_test
from curate_script import Solver, World, Writer

from selfimprove.config.curating import CurateConfig
from selfimprove.curating.forms import Form
from selfimprove.curating.nursery import Growers, Nursery
from selfimprove.curating.rows import Candidate, Grown, Rejected
from selfimprove.curating.writing import FIGURES
from selfimprove.curating.writing import Figures as Curated
from selfimprove.graphs.curate import build_curate
from selfimprove.graphs.wiring import STEPS, seldom_collected
from selfimprove.labels import quotas
from selfimprove.labels.reading import make_taxonomy
from selfimprove.labels.taxonomy import LEVELS
from selfimprove.leakage import Guard, HeldOut
from selfimprove.ledger import Journaled, Ledger
from selfimprove.records import Problem, Sampling
from selfimprove.store import RunFolder
from selfimprove.tasks.cuts import squeezed

SEEDS: Final = 10
TESTS: Final = 30
ABOVE: Final = ("Reasoning", "Procedural", "Puzzles", "One answer")


def labels_of(name: str) -> dict[str, str]:
    """Give the labels of a family's problems."""
    return dict(zip(LEVELS, (*ABOVE, name), strict=True)) | {"form": "short answer"}


def taxonomy_of(names: Sequence[str], rows: int) -> Any:
    """Give a taxonomy that wants so many rows of each family."""
    levels = ("topics", "sub_topics", "types")
    tables: dict[str, Any] = {
        "name": "procedural",
        "subjects": [
            {
                "name": ABOVE[0],
                "size": rows * len(names),
                "forms": ["short answer"],
                "key_stages": ["any"],
                "difficulties": ["any"],
            }
        ],
    }
    for at, level in enumerate(levels, 1):
        tables[level] = [{"under": " > ".join(ABOVE[:at]), "name": ABOVE[at]}]
    tables["sub_types"] = [{"under": " > ".join(ABOVE), "names": list(names)}]
    return make_taxonomy(tables)


def nursery_of(world: World, out: Path, rows: int, wrong: float = 0.2) -> Nursery:
    """Make the parts of a scripted curation."""
    names = tuple(world.families)
    taxonomy = taxonomy_of(names, rows)
    seeds = [seed for name in names for seed in world.seeds(name, SEEDS, labels_of)]
    tests = {name: world.held_out(name, TESTS) for name in names}
    held = [Problem.of(q, a).model_copy(update={"canonical": squeezed(q)}) for some in tests.values() for q, a in some]
    sections: dict[str, Any] = {"curate": {"seeds": "scripted", "taxonomy": "scripted"}, "who": {}}
    folder = RunFolder(out)
    ledger = Ledger(out / "ledger.sqlite")
    solvers = {name: Journaled(Solver(world, name, wrong=wrong), ledger) for name in ("strong", "cheap")}
    models = {"writer": Journaled(Writer(world, tests), ledger), **solvers}
    return Nursery(
        config=CurateConfig.model_validate(sections),
        folder=folder,
        ledger=ledger,
        taxonomy=taxonomy,
        quotas=quotas(taxonomy),
        seeds=seeds,
        models=models,
        sampling=dict.fromkeys(models, Sampling(max_tokens=512)),
        who=lambda _: Growers("writer", ("strong", "cheap"), ("strong", "cheap"), "strong"),
        guard=Guard([HeldOut.of(problem, "test") for problem in held]),
        held_out=held,
    )


def measured(nursery: Nursery, world: World) -> dict[str, Any]:
    """Compare what was admitted and what was not with the truth."""
    counts: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    let_in: Counter[str] = Counter()
    per_type: Counter[str] = Counter()
    figures, library = nursery.folder.record(FIGURES, Curated), nursery.library()
    for number in range(1, figures.rounds + 1):
        for grown in nursery.folder.rows(f"round-{number:03d}/grown.jsonl", Grown):
            fault = _fault(grown.candidate, library.form(grown.candidate.place.cell), world)
            counts["admitted"] += 1
            counts["right"] += not fault
            if fault:
                let_in[fault] += 1
            per_type[grown.candidate.place.path[-1]] += 1
        for out in nursery.folder.rows(f"round-{number:03d}/rejected.jsonl", Rejected):
            if out.candidate is None or out.reason in {"surplus", "duplicate"}:
                continue
            if not _fault(out.candidate, library.form(out.place.cell), world):
                counts["missed"] += 1
                missed[out.reason] += 1
    return {
        "precision": counts["right"] / max(1, counts["admitted"]),
        "recall": counts["right"] / max(1, counts["right"] + counts["missed"]),
        "quotas_met": all(cell.there == cell.quota for cell in figures.cells),
        "equal_share": len(set(per_type.values())) == 1,
        "test_neighbours": let_in["leaked"],
        "let_in": dict(let_in),
        "missed": dict(missed),
        "grown": counts["admitted"],
        "rounds": figures.rounds,
        "reasons": dict(figures.reasons),
    }


def _fault(candidate: Candidate, form: Form, world: World) -> str:
    """Say what is wrong with a problem; a duplicate by chance, which is refused word for word, is not counted here.

    The answer that it states itself is compared, in the form in which answers are kept: the script may have written the
    same question before, with another answer.
    """
    truth = world.truth[candidate.problem.question]
    if truth.mistake in {"leaked", "reworded"}:
        return truth.mistake
    if truth.family != candidate.place.path[-1]:
        return "strayed"
    return "" if candidate.problem.answer == form.kind.canonical(truth.answer, candidate.problem.choices) else "wrong"


def peak_mib() -> float:
    """Most memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    return int(found[1]) / 2**10 if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def grown_of(rows: int, names: int, wrong: float = 0.2) -> dict[str, Any]:
    """Grow so many rows a type with scripted parts, and measure it."""
    every = families()
    world = World({name: every[name] for name in list(every)[:names]}, is_test)
    with tempfile.TemporaryDirectory() as folder:
        nursery = nursery_of(world, Path(folder) / "run", rows, wrong)
        before, world.seconds = peak_mib(), 0.0
        started, on_cpu = time.perf_counter(), time.process_time()
        with seldom_collected(), closing(nursery.folder), closing(nursery.ledger):
            build_curate(nursery).compile().invoke({}, {"recursion_limit": STEPS})
            took, cpu = time.perf_counter() - started, time.process_time() - on_cpu
            found = measured(nursery, world)
            calls = nursery.ledger.totals().calls
    return found | {
        "rows_asked": rows,
        "seconds": round(took, 1),
        "cpu_seconds": round(cpu, 1),
        "script_seconds": round(world.seconds, 1),
        "calls": calls,
        "start_mib": round(before),
        "peak_mib": round(peak_mib()),
    }


if __name__ == "__main__":
    print(json.dumps(grown_of(int(sys.argv[1]), int(sys.argv[2]))))

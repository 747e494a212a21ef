"""Which learning rate lets preference pairs and reinforcement teach, and which one ruins the student?

A student that solves some of the problems tries a pool. From its own tries come pairs (`dpo`), verdicts (`kto`) and
problems to practise (`grpo`); each method goes on from the same adapter at each rate, over the same rows, and is tried
on problems that it was not trained on. These choose a rate, so they are dev problems: no test split is opened.

    python benchmarks/rates.py                      # an hour or two on 2 cores; QUICK=1 tells nothing
    METHODS=dpo SEEDS=1 python benchmarks/rates.py  # some; `kto` only where named
    ADAPTER=runs/demo/round-01/arms/track_b/adapter python benchmarks/rates.py    # unset: one is trained first

Resumable: completions are kept in a ledger, a trained adapter is found again.

make bench-rates            keys: one a method, in it one a rate: accuracy, minus_before, interval (of 95 %, over the
                            problems of all seeds, for these trainings) and over_seeds; null: no seed could be trained
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

from seeds import interval_over_seeds
from worked import claim, rows_file, taught

from selfimprove.errors import InputError, TrainingError
from selfimprove.ledger import Journaled, Ledger
from selfimprove.programs import program_for, stated
from selfimprove.records import Attempt, Method, Problem, Record, Sampling, TrainingJob, Verdict
from selfimprove.stats import compare_paired
from selfimprove.steps.draft import solve
from selfimprove.steps.mine import MiningRule, drawing, mine
from selfimprove.steps.pairs import length_balanced, sample_pairs, verdict_rows
from selfimprove.steps.practise import practise
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.trainers.process import ProcessTrainer

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
OUT = Path(os.environ.get("OUT", ROOT / "runs" / ("bench-rates" + "-quick" * QUICK))).resolve()
SEEDS = (1,) if QUICK else tuple(int(seed) for seed in os.environ.get("SEEDS", "1,2").split(","))
METHODS = tuple(os.environ.get("METHODS", "dpo,grpo").split(","))
TAUGHT, POOL, HELD_OUT = (60, 30, 30) if QUICK else (700, 250, 300)
RATES: Final[Mapping[str, tuple[float, ...]]] = {
    "dpo": (5e-5, 1e-4, 2e-4, 3e-4),
    "kto": (5e-5, 1e-4, 2e-4, 3e-4),
    "grpo": (5e-5, 1e-4, 3e-4, 1e-3),
}
MAX_TOKENS, TRIES = 96, 8
SETTINGS: Final[Mapping[str, Mapping[str, object]]] = {
    "dpo": {},
    "kto": {},
    "grpo": {
        "max_steps": 1 if QUICK else 6,
        "per_device_train_batch_size": 8 if QUICK else 16,
        "gradient_accumulation_steps": 1 if QUICK else 4,
        "num_generations": TRIES,
        "max_completion_length": MAX_TOKENS,
    },
}
FIRST: Final = {"per_device_train_batch_size": 4, "num_train_epochs": 1, "learning_rate": 2e-3}
KINDS, LEVELS = ("sum", "story", "equation"), (2, 3, 4, 5, 6)


class Tried(NamedTuple):
    """What a seed's pool was turned into, and how the student stands before."""

    rows: dict[str, list[Any]]
    """By method."""
    held_out: list[Problem]
    before: list[bool]


def task_of(seed: int, **sizes: int) -> Arithmetic:
    """The demo's kinds of problems."""
    return Arithmetic(kinds=KINDS, levels=LEVELS, sizes=sizes, seed=seed)  # type: ignore[arg-type]


def right(model: Any, problems: Sequence[Problem], task: Arithmetic) -> list[bool]:
    """Say which problems a student solves, greedily; shape `[P]`."""
    attempts = solve(problems, model, program_for("solve", task), task, Sampling(max_tokens=MAX_TOKENS))
    return [some[0].verdict is Verdict.CORRECT for some in attempts]


def rows_of(attempts: Sequence[Sequence[Attempt]], pool: Sequence[Problem]) -> dict[str, list[Any]]:
    """Give what each method is trained on, from the same tries."""
    shown = {problem.id: stated(problem) for problem in pool}
    return {
        "dpo": length_balanced(sample_pairs(attempts, shown, 1, MAX_TOKENS)),
        "kto": verdict_rows(attempts, shown, 1, MAX_TOKENS),
        "grpo": practise(attempts, {problem.id: problem for problem in pool}, 1),
    }


def tried(model: Any, seed: int) -> Tried:
    """Let the student try a seed's pool, and what it is held to."""
    task = task_of(seed, train=POOL, dev=HELD_OUT)
    pool, held_out = list(task.problems("train")), list(task.problems("dev"))
    how = {"max_tokens": MAX_TOKENS, "longer_tokens": MAX_TOKENS, "temperature": 0.7, "seed": seed}
    draw = drawing(model, program_for("solve", task), task, **how)  # type: ignore[arg-type]
    mined = mine(pool, draw, task, MiningRule(samples=4, most=4, again=False))
    return Tried(rows_of([one.attempts for one in mined], pool), held_out, right(model, held_out, task))


def trained(student: Any, start: Path, method: Method, rate: float, rows: Sequence[Record], seed: int) -> str:
    """Train at one rate, or find the adapter."""
    place = OUT / f"seed-{seed}" / f"{method}-{rate:g}"
    student.unload()
    job = TrainingJob(
        model=str(student.folder),
        start=str(start.resolve()),
        rows=rows_file(place / "rows.jsonl", rows),
        out=str(place / "adapter"),
        method=method,
        program_state={"solve": program_for("solve", task_of(seed)).dump()},
        settings={
            method: {**SETTINGS[method], "learning_rate": rate},
            "task": {"name": "arithmetic", "options": {}, "data_dir": None},
        },
        seed=seed,
    )
    return ProcessTrainer().train(job).path


def run_seed(student: Any, start: Path, seed: int) -> dict[str, list[tuple[bool, bool]]]:
    """Try all rates of a seed; give by `method rate` which held-out problems are solved, after and before.

    A rate that could not be trained at is left out.
    """
    (OUT / f"seed-{seed}").mkdir(parents=True, exist_ok=True)
    ledger, solved = Ledger(OUT / f"seed-{seed}" / "ledger.sqlite"), dict[str, list[tuple[bool, bool]]]()
    try:
        found = tried(Journaled(student.with_adapter(start), ledger), seed)
        counts = ", ".join(f"{len(found.rows[method])} rows of {method}" for method in METHODS)
        print(f"seed {seed}: {100 * fmean(found.before):.1f} % before; {counts}", flush=True)
        for method in METHODS:
            for rate in RATES[method]:
                try:
                    made = trained(student, start, method, rate, found.rows[method], seed)  # type: ignore[arg-type]
                except (TrainingError, InputError) as error:  # a rate may ruin the student, or have nothing to learn of
                    print(f"    {method} at {rate:g}: {error}", flush=True)
                    continue
                after = right(Journaled(student.with_adapter(Path(made)), ledger), found.held_out, task_of(seed))
                solved[f"{method} {rate:g}"] = list(zip(after, found.before, strict=True))
                print(f"    {method} at {rate:g}: {100 * fmean(after):.1f} %", flush=True)
    finally:
        ledger.close()
    return solved


def row(seeds: Sequence[Sequence[tuple[bool, bool]]]) -> dict[str, Any] | None:
    """Give a rate's figures over the problems of its seeds, in percent and points; None where no seed was trained."""
    if not seeds:
        return None
    pairs = list(chain.from_iterable(seeds))
    after, before = ([*part] for part in zip(*pairs, strict=True))
    made = compare_paired(after, before)
    low, high = (round(100 * end, 1) for end in (made.interval.low, made.interval.high))
    accuracy = round(100 * fmean(after), 1)
    gaps = [100 * (fmean(a for a, _ in some) - fmean(b for _, b in some)) for some in seeds]
    return {
        "accuracy": accuracy,
        "minus_before": round(100 * made.difference, 1),
        "interval": [low, high],
        "over_seeds": interval_over_seeds(gaps),
        "seeds": len(seeds),
    }


def main() -> None:
    """Print the table, then one line of JSON."""
    from selfimprove.students.transformers import TransformersStudent

    student = TransformersStudent(os.environ.get("MODEL", "smollm2-135m"))
    given, first = os.environ.get("ADAPTER", ""), task_of(900, train=TAUGHT)
    place = OUT / "student"
    start = Path(given) if given else Path(taught(student, list(first.problems("train")), first, place, FIRST).path)
    told = [student.with_adapter(start).identity, POOL, HELD_OUT, SETTINGS, KINDS, LEVELS, MAX_TOKENS]
    claim(OUT / "settings.json", told)
    seeds = [run_seed(student, start, seed) for seed in SEEDS]
    table = {
        method: {
            f"{rate:g}": row([seed[named] for seed in seeds if (named := f"{method} {rate:g}") in seed])
            for rate in RATES[method]
        }
        for method in METHODS
    }
    for method, rates in table.items():
        for rate, found in rates.items():
            if found is None:
                print(f"{method:<6}{rate:>8}  not trained")
                continue
            low, high = found["interval"]
            print(
                f"{method:<6}{rate:>8}{found['accuracy']:>8.1f} %{found['minus_before']:>+8.1f} ({low:+} to {high:+})"
            )
    print(json.dumps({"quick": QUICK, "seeds": list(SEEDS), "held_out": HELD_OUT * len(SEEDS), **table}))


if __name__ == "__main__":
    main()

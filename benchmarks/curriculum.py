"""Does it pay to choose what a student is trained on by how hard it is for this student?

A student that solves some of the problems mines a pool and grades it. Each policy chooses as many problems of it; the
student goes on from the same adapter with their worked solutions, for as many trained tokens, and is tested on problems
that nobody chose from. A seed draws another pool, other held-out problems and another order of training. Nothing is
tuned on what is printed here: rates and batch are the demo's.

    python benchmarks/curriculum.py                     # hours on 2 cores; QUICK=1: under 5 minutes, tells nothing
    SEEDS=1,2 python benchmarks/curriculum.py           # some; others may run beside, with an ADAPTER
    ADAPTER=runs/demo/round-01/arms/track_b/adapter python benchmarks/curriculum.py    # unset: one is trained first

Resumable: completions are kept in a ledger, a trained adapter and each cell's outcome are found again.

make bench-curriculum       keys: one a policy: accuracy, minus_random, interval, seconds
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any, NamedTuple

from seeds import interval_over_seeds
from worked import claim, taught

from selfimprove.config import Config
from selfimprove.config.finding import SelectConfig
from selfimprove.graphs.choosing import choose_by
from selfimprove.ledger import Journaled, Ledger
from selfimprove.mining.library import Graded, student_hash
from selfimprove.mining.prior import fit_curve, point_of
from selfimprove.programs import program_for
from selfimprove.records import Attempt, Problem, Record, Sampling, Verdict, digest
from selfimprove.splits import rungs
from selfimprove.steps.draft import solve
from selfimprove.steps.grade import GradeRule, ToGrade, grade_pool
from selfimprove.steps.mine import MiningRule, Tried, climb, drawing, mine
from selfimprove.tasks.arithmetic import Arithmetic

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
OUT = Path(os.environ.get("OUT", ROOT / "runs" / ("bench-curriculum" + "-quick" * QUICK))).resolve()
SEEDS = (1,) if QUICK else tuple(int(seed) for seed in os.environ.get("SEEDS", "1,2,3,4,5").split(","))
KINDS, LEVELS, MAX_TOKENS = ("sum", "story", "equation"), (2, 3, 4, 5, 6), 96
POLICIES = {
    "random": "any problem of the pool",
    "failures": "failed ones only, as far as there are enough",
    "mixed": "failed ones, and half as many solved ones",
    "easy": "levels 0 and 1",
    "band": "pass rate nearest to one half",
    "ladder": "the lowest steps that are not mastered",
    "curriculum": "levels 1 to 5, ever fewer (arXiv:2504.11919): the library's default",
    "uniform": "levels 0 to 5 alike",
}
RULE = MiningRule(samples=4, most=4, again=False)
SFT: dict[str, object] = {"per_device_train_batch_size": 4, "num_train_epochs": 1}
FIRST, LATER = {**SFT, "learning_rate": 2e-3}, {**SFT, "learning_rate": 3e-4}


class Size(NamedTuple):
    """How much is done: problems the student is taught first, tried, chosen, and tested on."""

    taught: int
    pool: int
    rows: int
    held_out: int


SIZE = Size(80, 60, 20, 60) if QUICK else Size(700, 600, 200, 600)


class Cell(Record):
    """One policy and seed. A file."""

    policy: str
    seed: int
    chosen: str
    """Hash of the problems and of the tokens trained on."""
    levels: tuple[int, ...]
    """Chosen problems of each level, 0 to 5."""
    trained_tokens: int
    right: tuple[bool, ...]
    """Held-out problems solved, in order."""
    seconds: float | None
    """Of training and testing; None where the adapter was there already."""

    @property
    def accuracy(self) -> float:
        """Share of held-out problems solved."""
        return fmean(self.right)


class Tested(NamedTuple):
    """What the policies of a seed choose from."""

    tried: list[Tried]
    graded: list[Graded]
    by_id: dict[str, Problem]
    held_out: list[Problem]


def task_of(seed: int, **sizes: int) -> Arithmetic:
    """The demo's kinds of problems."""
    return Arithmetic(kinds=KINDS, levels=LEVELS, sizes=sizes, seed=seed)  # type: ignore[arg-type]


def prepare(student: Any, adapter: Path, seed: int, ledger: Ledger) -> Tested:
    """Let the student try a seed's pool, and grade it."""
    task = task_of(seed, train=SIZE.pool, dev=SIZE.held_out)
    pool, model = list(task.problems("train")), Journaled(student.with_adapter(adapter), ledger)
    draw = drawing(
        model,
        program_for("solve", task),
        task,
        max_tokens=MAX_TOKENS,
        longer_tokens=MAX_TOKENS,
        temperature=0.7,
        seed=seed,
    )
    tried = mine(pool, draw, task, RULE)
    found = [ToGrade(p, one.mined, one.attempts) for p, one in zip(pool, tried, strict=True)]
    graded = graded_of(found, student_hash(model.identity))
    return Tested(tried, graded, {p.id: p for p in pool}, list(task.problems("dev")))


def graded_of(found: Sequence[ToGrade], student: str) -> list[Graded]:
    """Grade a pool: levels 1 to 5 are fifths of what failed, by pass rate and the greedy attempt's certainty."""
    curve = fit_curve(point_of(one.mined) for one in found)
    return grade_pool(found, student, rule=GradeRule(bins="quantiles"), curve=curve)


def chosen(policy: str, found: Tested, seed: int) -> list[str]:
    """Let a policy choose; give problem ids."""
    attempts: Sequence[Sequence[Attempt]] = [one.attempts for one in found.tried]
    if policy == "ladder":
        attempts = climbed(found, seed)
    solved = 0.0 if policy == "failures" else 0.5
    settings, name = Config(select=SelectConfig(solved=solved)), "failures" if policy == "mixed" else policy
    ids = list(choose_by(settings, name, found.graded, attempts, SIZE.rows, seed).ids)
    others = sorted({some[0].problem for some in attempts} - set(ids))  # low rungs hold few failures
    return ids + Random(f"fill {seed}").sample(others, min(len(others), SIZE.rows - len(ids)))


def climbed(found: Tested, seed: int) -> list[list[Attempt]]:
    """Give the attempts at the lowest rungs that are not mastered, as many rungs as hold enough problems."""
    problems, known = list(found.by_id.values()), {one.mined.problem: one.attempts for one in found.tried}
    for width in range(1, 1 + len(LEVELS)):
        _, made, _ = climb(
            problems,
            lambda p: p.labels["level"],
            rungs(problems, "level"),
            frozenset(),
            width=width,
            threshold=0.8,
            count=len(problems),
            tried=frozenset(),
            seed=seed,
            attempt=lambda some: [known[p.id] for p in some],
        )
        if len(made) >= SIZE.rows:
            break
    return made


def cell(student: Any, adapter: Path, policy: str, seed: int, found: Tested, tokens: int, ledger: Ledger) -> Cell:
    """Train on what a policy chooses and test it, or find that."""
    place = OUT / f"seed-{seed}" / policy
    started, task, ids = time.perf_counter(), task_of(seed), chosen(policy, found, seed)
    claim(place / "chosen.txt", [sorted(ids), tokens])
    if (place / "cell.json").is_file():
        return Cell.model_validate_json((place / "cell.json").read_text())
    grades = Counter(g.difficulty for g in found.graded if g.problem in set(ids))
    problems, whole = [found.by_id[i] for i in ids], not (place / "adapter").is_dir()
    made = taught(student, problems, task, place, LATER, start=adapter, tokens=tokens, seed=seed)
    model = Journaled(student.with_adapter(Path(made.path)), ledger)
    how = Sampling(max_tokens=MAX_TOKENS)
    attempts = [some[0] for some in solve(found.held_out, model, program_for("solve", task), task, how)]
    outcome = Cell(
        policy=policy,
        seed=seed,
        chosen=digest(sorted(ids), tokens),
        levels=tuple(grades[level] for level in range(6)),
        trained_tokens=made.trained_tokens,
        right=tuple(a.verdict is Verdict.CORRECT for a in attempts),
        seconds=round(time.perf_counter() - started, 1) if whole else None,
    )
    (place / "cell.json").write_text(outcome.model_dump_json())
    return outcome


def run_seed(student: Any, adapter: Path, seed: int) -> list[Cell]:
    """Do all policies of a seed; the first sets how many tokens are trained on."""
    (OUT / f"seed-{seed}").mkdir(parents=True, exist_ok=True)
    ledger, cells, tokens = Ledger(OUT / f"seed-{seed}" / "ledger.sqlite"), list[Cell](), 0
    try:
        found = prepare(student, adapter, seed, ledger)
        model, task = Journaled(student.with_adapter(adapter), ledger), task_of(seed)
        how, program = Sampling(max_tokens=MAX_TOKENS), program_for("solve", task)
        before = [some[0].verdict is Verdict.CORRECT for some in solve(found.held_out, model, program, task, how)]
        levels = Counter(g.difficulty for g in found.graded)
        print(f"seed {seed}: {100 * fmean(before):.1f} % before; levels 0 to 5 of the pool: ", end="")
        print(", ".join(str(levels[level]) for level in range(6)), flush=True)
        for policy in POLICIES:
            cells.append(cell(student, adapter, policy, seed, found, tokens, ledger))
            tokens = tokens or cells[-1].trained_tokens
            print(f"    {policy:<12}{100 * cells[-1].accuracy:>6.1f} %  levels {cells[-1].levels}", flush=True)
    finally:
        ledger.close()
    return cells


def row(cells: Sequence[Cell], base: Sequence[Cell]) -> dict[str, Any]:
    """Give a policy's figures over seeds, in percent, points and seconds."""
    gaps = [100 * (one.accuracy - other.accuracy) for one, other in zip(cells, base, strict=True)]
    timed = [one.seconds for one in cells if one.seconds is not None]
    return {
        "accuracy": round(100 * fmean(one.accuracy for one in cells), 2),
        "minus_random": round(fmean(gaps), 2),
        "interval": interval_over_seeds(gaps),
        "seconds": round(fmean(timed), 1) if timed else None,
    }


def main() -> None:
    """Print the table, then one line of JSON."""
    from selfimprove.students.transformers import TransformersStudent

    student = TransformersStudent(os.environ.get("MODEL", "smollm2-135m"))
    given, first = os.environ.get("ADAPTER", ""), task_of(900, train=SIZE.taught)
    place = OUT / "student"
    adapter = Path(given) if given else Path(taught(student, list(first.problems("train")), first, place, FIRST).path)
    claim(
        OUT / "settings.json",
        [student.with_adapter(adapter).identity, SIZE, RULE.model_dump(), LATER, KINDS, LEVELS, MAX_TOKENS],
    )
    cells = [one for seed in SEEDS for one in run_seed(student, adapter, seed)]
    by_policy = {policy: [one for one in cells if one.policy == policy] for policy in POLICIES}
    table = {policy: row(some, by_policy["random"]) for policy, some in by_policy.items()}
    print(f"\n{'policy':<12}{'accuracy':>10}{'minus random':>14}{'95 % interval':>20}{'seconds':>9}  chooses")
    for policy, found in table.items():
        between = "{:+.1f} to {:+.1f}".format(*found["interval"]) if found["interval"] else "-"
        print(f"{policy:<12}{found['accuracy']:>8.1f} %{found['minus_random']:>+14.1f}", end="")
        seconds = "-" if found["seconds"] is None else f"{found['seconds']:.0f}"
        print(f"{between:>20}{seconds:>9}  {POLICIES[policy]}")
    print(json.dumps({"quick": QUICK, "seeds": len(SEEDS), "rows": SIZE.rows, "held_out": SIZE.held_out, **table}))


if __name__ == "__main__":
    main()

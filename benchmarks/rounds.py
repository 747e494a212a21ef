"""Do rounds go up, and which way to train wins? Campaigns of several arms and rounds, and one without a teacher.

arms        four rounds of track B, track B and preference pairs, track A and GRPO, each arm from the best so far on as
            many tokens, beside the unselected control on as many tokens as the best had in all
alone       worked solutions of the lowest levels in round 1; then the student is its own teacher and climbs level by
            level, decided on four samples a dev problem

What is best after the last round is compared with what was best after round 1, and with the control, on problems drawn
anew that no campaign knows.

    python benchmarks/rounds.py                             # hours on 2 cores; QUICK=1: minutes, tells nothing
    CELLS=alone SEEDS=21 MINUTES=20 python benchmarks/rounds.py     # one cell, for so long; the same command goes on

make bench-rounds           keys: last_minus_first, best_minus_control, promoted, alone_promoted, best
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from selfimprove import Campaign
from selfimprove.arms import program_of
from selfimprove.errors import BudgetExceededError
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.training import worked_examples
from selfimprove.ledger import Journaled, Ledger
from selfimprove.programs import Program, program_for
from selfimprove.records import Problem, Sampling, Split, Verdict
from selfimprove.report.schema import Summary
from selfimprove.stats import compare_paired
from selfimprove.steps.draft import solve
from selfimprove.store import RunFolder
from selfimprove.students import load_student
from selfimprove.tasks.arithmetic import Arithmetic

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
SEEDS = (21,) if QUICK else tuple(int(seed) for seed in os.environ.get("SEEDS", "21,22,23").split(","))
OUT = Path(os.environ.get("OUT", ROOT / "runs" / ("bench-rounds" + "-quick" * QUICK))).resolve()
MINUTES = os.environ.get("MINUTES")
FRESH = 40 if QUICK else 1000
TASK = Arithmetic(kinds=("sum", "story", "equation"), levels=(2, 3, 4, 5, 6), largest=9)
"""As the demo's."""
SMALLER: dict[str, Any] = (
    {"campaign": {"rounds": 2}, "data": {"dev": 40, "test": 40}, "mine": {"pool": 40}} if QUICK else {}
)
CELLS: dict[str, dict[str, Any]] = {
    "arms": {
        "campaign": {"arms": ["track_b", "track_b+dpo", "track_a", "grpo", "control"], "rounds": 4, "patience": 4},
        "mine": {"pool": 400, "samples": 4},
        "select": {"lessons": 350},
        "train": {"grpo": {"temperature": 1.0}},
    },
    "alone": {
        "campaign": {"arms": ["track_b"], "rounds": 8, "patience": 3},
        "teacher": {"model": "self", "first": "reference"},
        "evaluate": {"shots": 0, "samples": 4},
        "data": {"dev": 300},
        "mine": {"samples": 3},
        "lesson": {"rationales": 4},
        "select": {"policy": "ladder", "first": 2, "width": 1, "threshold": 0.4, "solved": 1.0, "replay": 1.0},
        "phases": [{"pool": 1500}, {"when": "round >= 1", "pool": 500}],
    },
}


def sections_of(name: str, seed: int) -> dict[str, Any]:
    """Give a cell's settings over the demo's."""
    sections: dict[str, Any] = {}
    for given in (CELLS[name], SMALLER, {"campaign": {"seed": seed}}):
        for section, values in given.items():
            sections[section] = {**sections.get(section, {}), **values} if isinstance(values, dict) else values
    if QUICK:
        sections.pop("phases", None)
    return sections


def cell(name: str, seed: int) -> Summary | None:
    """Run one campaign, or go on with it; None where its minutes are over."""
    out, sections = OUT / f"{name}-{seed}", sections_of(name, seed)
    if MINUTES:
        spent = 0.0
        if (out / "ledger.sqlite").is_file():
            with closing(Ledger(out / "ledger.sqlite", reader=True)) as ledger:
                spent = ledger.seconds("campaign") / 3600
        sections["campaign"]["max_hours"] = spent + float(MINUTES) / 60
    try:
        return Campaign(ROOT / "examples" / "arithmetic.toml", out=out, sections=sections).run()
    except BudgetExceededError as error:
        print(f"{name} {seed}: {error}")
        return None


def fresh_problems(folder: RunFolder, seed: int) -> list[Problem]:
    """Draw problems that a campaign does not know, by their canonical forms."""
    splits = ("train", "dev", "test")
    known = {p.canonical for split in splits for p in folder.rows(f"data/{split}.jsonl", Problem)}
    sizes: dict[Split, int] = {"train": 1, "dev": 2 * FRESH, "test": 1}
    task = Arithmetic(kinds=TASK.kinds, levels=TASK.levels, largest=TASK.largest, sizes=sizes, seed=9000 + seed)
    return [p for p in task.problems("dev") if p.canonical not in known][:FRESH]


def asked_as(folder: RunFolder, adapter: str) -> Program:
    """Give the prompt that a student of a campaign is asked under: its arm's, or the better baseline's examples."""
    if adapter:
        return program_for(program_of(adapter.split("/")[-2]), TASK)
    shots = int(folder.json("round-00/baseline.json")["shots"])
    train = folder.rows("data/train.jsonl", Problem)
    plain = program_for("solve", TASK)
    return plain.with_demos(worked_examples(train, TASK, shots)) if shots else plain


class Fresh(NamedTuple):
    """Which of the same fresh problems two students of a campaign solve, shape `[P]` each."""

    new: list[bool]
    old: list[bool]


def on_fresh(name: str, seed: int, student: Any, ledger: Ledger) -> dict[str, Fresh]:
    """Ask what was best in the end, what was best after round 1 and the control, each as the campaign asked it."""
    out = OUT / f"{name}-{seed}"
    folder = RunFolder(out, writer=False)
    problems = fresh_problems(folder, seed)

    def right(adapter: str) -> list[bool]:
        model = Journaled(student.with_adapter(out / adapter if adapter else None), ledger)
        made = solve(problems, model, asked_as(folder, adapter), TASK, Sampling(max_tokens=96))
        return [some[0].verdict is Verdict.CORRECT for some in made]

    rounds = sorted(path.parent.name for path in out.glob("round-*/decision.json") if path.parent.name != "round-00")
    first, last = (folder.record(f"{place}/decision.json", RoundDecision).best for place in (rounds[0], rounds[-1]))
    solved = right(last)
    found = {"last_minus_first": Fresh(solved, right(first))}
    if (out / "final" / "control" / "adapter").is_dir():
        found["best_minus_control"] = Fresh(solved, right("final/control/adapter"))
    return found


def percent(score: Any) -> str:
    """Write a score with its interval."""
    low, high = score.interval
    return f"{100 * score.accuracy:.1f} ({100 * low:.0f}-{100 * high:.0f})"


def show(name: str, seed: int, found: Summary, fresh: dict[str, Fresh]) -> None:
    """Print a cell's rows."""
    print(f"{name} {seed}: {found.wall_s:.0f} s; {found.sentence}")
    for row in found.rounds:
        sampled = f", over samples {100 * row.sampled.accuracy:.1f}" if row.sampled else ""
        tokens = f"{row.rows} rows, {row.trained_tokens} tokens"
        print(f"    round {row.round} {row.arm:<12} dev {percent(row.dev)}{sampled}, {row.decision}; {tokens}")
    for pair in found.pairs:
        points, (low, high) = pair.difference.points, pair.difference.interval
        print(f"    round {pair.round} {pair.arm} less {pair.other}: {points:+.1f} ({low:+.1f} to {high:+.1f})")
    for what, both in fresh.items():
        made = compare_paired(both.new, both.old)
        low, high = 100 * made.interval.low, 100 * made.interval.high
        print(
            f"    {what.replace('_', ' ')} on {made.n} fresh: {100 * made.difference:+.1f} ({low:+.1f} to {high:+.1f})"
        )


def main() -> None:
    """Print the tables and the line of JSON."""
    OUT.mkdir(parents=True, exist_ok=True)
    names = os.environ.get("CELLS", ",".join(CELLS)).split(",")
    told: dict[str, list[object]] = {
        key: [] for key in ("last_minus_first", "best_minus_control", "promoted", "alone_promoted", "best")
    }
    with closing(Ledger(OUT / "fresh.sqlite")) as ledger:
        student = load_student("smollm2-135m")
        for seed in SEEDS:
            for name in names:
                found = cell(name, seed)
                if found is None:
                    continue
                fresh = on_fresh(name, seed, student, ledger)
                show(name, seed, found, fresh)
                promoted = len({row.round for row in found.rounds if row.decision == "promote"})
                told["alone_promoted" if name == "alone" else "promoted"].append(promoted)
                if name == "arms":
                    for key, both in fresh.items():
                        made = compare_paired(both.new, both.old)
                        told[key].append(round(100 * made.difference, 1))
                    told["best"].append(found.test.best.accuracy if found.test and found.test.best else None)
    print(json.dumps({"quick": QUICK, "seeds": list(SEEDS), **told}))


if __name__ == "__main__":
    main()

"""Do rounds go up, and which way to train wins? Campaigns of several arms and rounds, and one without a teacher.

arms        four rounds of track B, track B and preference pairs, track A and GRPO, each arm from the best so far on as
            many tokens, beside the unselected control on as many tokens as the best had in all
alone       in round 1 the student is taught reference solutions, of the lowest levels; from then on it is its own
            teacher and climbs level by level, decided on four samples a dev problem. It is given up after six rounds
            in a row without a promotion, so at least six are tried

What is best after the last round is compared with what was best after round 1, and with the control, on problems drawn
anew that no campaign knows: for each seed, and over the problems of all seeds (the mean of the paired differences with
its 95 % interval).

    python benchmarks/rounds.py                 # each cell for 20 minutes (MINUTES) and one training more at most; the
                                                # same command goes on where it was. Hours on 2 cores in all
    CELLS=alone SEEDS=21 python benchmarks/rounds.py    # one cell
    QUICK=1 python benchmarks/rounds.py                 # minutes, tells nothing

make bench-rounds           keys: last_minus_first, best_minus_control, promoted, alone_promoted, best; with intervals
                            and `pooled`, a row a round and arm in `rounds`, and why each cell stopped in `stopped`
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from selfimprove import Campaign
from selfimprove.arms import program_of
from selfimprove.errors import BudgetExceededError, InputError
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.places import arm_of
from selfimprove.graphs.training import worked_examples
from selfimprove.ledger import Journaled, Ledger
from selfimprove.programs import Program, program_for
from selfimprove.records import Problem, Sampling, Split, Verdict
from selfimprove.report.schema import STOPPED, Summary
from selfimprove.stats import compare_paired
from selfimprove.steps.draft import solve
from selfimprove.store import RunFolder
from selfimprove.students import load_student
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.tasks.cuts import SPLITS

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
SEEDS = (21,) if QUICK else tuple(int(seed) for seed in os.environ.get("SEEDS", "21,22,23").split(","))
OUT = Path(os.environ.get("OUT", ROOT / "runs" / ("bench-rounds" + "-quick" * QUICK))).resolve()
MINUTES = float(os.environ.get("MINUTES", "20"))
FRESH = 40 if QUICK else 600
HELD_OUT: tuple[Split, ...] = ("dev", "test")
TASK = Arithmetic(kinds=("sum", "story", "equation"), levels=(2, 3, 4, 5, 6), largest=9)
"""As the demo's."""
SMALLER: dict[str, Any] = (
    {"campaign": {"rounds": 2}, "data": {"dev": 40, "test": 40}, "mine": {"pool": 40}} if QUICK else {}
)
CELLS: dict[str, dict[str, Any]] = {
    "arms": {
        "campaign": {"arms": ["track_b", "track_b+dpo", "track_a", "grpo", "control"], "rounds": 4, "patience": 4},
        "data": {"dev": 400, "test": 300},
        "mine": {"pool": 320, "samples": 3},
        "select": {"lessons": 240},
        "train": {"grpo": {"temperature": 1.0}},
    },
    "alone": {
        "campaign": {"arms": ["track_b"], "rounds": 8, "patience": 6},
        "teacher": {"model": "self", "first": "reference"},
        "evaluate": {"shots": 0, "samples": 4},
        "data": {"dev": 300},
        "mine": {"samples": 3},
        "lesson": {"rationales": 4},
        "select": {"policy": "ladder", "first": 2, "width": 1, "threshold": 0.4, "solved": 1.0, "replay": 1.0},
        "phases": [{"pool": 1000}, {"when": "round >= 1", "pool": 500}],
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
    """Run one campaign, or go on with it; None where its minutes are over, or its folder is of other settings."""
    out, sections = OUT / f"{name}-{seed}", sections_of(name, seed)
    spent = 0.0
    if (out / "ledger.sqlite").is_file():
        with closing(Ledger(out / "ledger.sqlite", reader=True)) as ledger:
            spent = ledger.seconds("campaign") / 3600
    sections["campaign"]["max_hours"] = spent + MINUTES / 60
    try:
        return Campaign(ROOT / "examples" / "arithmetic.toml", out=out, sections=sections).run()
    except (BudgetExceededError, InputError) as error:
        print(f"{name} {seed}: {error}")
        return None


def fresh_problems(folder: RunFolder, seed: int) -> list[Problem]:
    """Draw problems that a campaign does not know, by their canonical forms, half of either held-out kind.

    Of two-step sums each has less than a hundred, some of which the campaign has drawn.
    """
    known = {p.canonical for split in SPLITS for p in folder.rows(f"data/{split}.jsonl", Problem)}
    sizes: dict[Split, int] = {"train": 1, "dev": FRESH, "test": FRESH}
    task = Arithmetic(kinds=TASK.kinds, levels=TASK.levels, largest=TASK.largest, sizes=sizes, seed=9000 + seed)
    halves = [(p for p in task.problems(split) if p.canonical not in known) for split in HELD_OUT]
    return [problem for half in halves for problem in islice(half, FRESH // len(HELD_OUT))]


def asked_as(folder: RunFolder, adapter: str) -> Program:
    """Give the prompt that a student of a campaign is asked under: its arm's, or the better baseline's examples."""
    if adapter:
        return program_for(program_of(arm_of(adapter)), TASK)
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
    if control := folder.json("final/tested.json").get("control"):
        found["best_minus_control"] = Fresh(solved, right(control))
    return found


def percent(score: Any) -> str:
    """Write a score with its interval."""
    low, high = score.interval
    return f"{100 * score.accuracy:.1f} ({100 * low:.0f}-{100 * high:.0f})"


def show(name: str, seed: int, found: Summary, fresh: dict[str, Fresh]) -> None:
    """Print a cell's rows."""
    why = STOPPED.get(found.stopped, "it is not known why")
    print(f"{name} {seed}: {found.wall_s:.0f} s; stopped because {why}; {found.sentence}")
    for row in found.rounds:
        sampled = f", over samples {100 * row.sampled.accuracy:.1f}" if row.sampled else ""
        tokens = f"{row.rows} rows, {row.trained_tokens} tokens, the round {row.wall_s:.0f} s"
        if row.informative_groups is not None:
            tokens += f", {100 * row.informative_groups:.0f} % of groups informative"
        print(f"    round {row.round} {row.arm:<12} dev {percent(row.dev)}{sampled}, {row.decision}; {tokens}")
    for pair in found.pairs:
        points, (low, high) = pair.difference.points, pair.difference.interval
        print(f"    round {pair.round} {pair.arm} less {pair.other}: {points:+.1f} ({low:+.1f} to {high:+.1f})")
    for what, both in fresh.items():
        print(f"    {what.replace('_', ' ')} on fresh problems: {json.dumps(in_points(both))}")


class Cell(NamedTuple):
    """A finished campaign, and its students on fresh problems."""

    name: str
    seed: int
    found: Summary
    fresh: dict[str, Fresh]


def rows_of(cell_: Cell) -> list[dict[str, object]]:
    """Give a row for each round and arm of a cell: shares with their intervals, seconds, rows and tokens."""
    return [
        {
            "cell": cell_.name,
            "seed": cell_.seed,
            "round": row.round,
            "arm": row.arm,
            "decision": row.decision,
            "dev": row.dev.accuracy,
            "interval": list(row.dev.interval),
            "sampled": row.sampled.accuracy if row.sampled else None,
            "points": round(row.difference.points, 1),
            "points_interval": [round(end, 1) for end in row.difference.interval],
            "wall_s": row.wall_s,
            "rows": row.rows,
            "trained_tokens": row.trained_tokens,
            "informative_groups": row.informative_groups,
        }
        for row in cell_.found.rounds
    ]


def in_points(both: Fresh) -> dict[str, object]:
    """Give a paired difference in points with its 95 % interval."""
    made = compare_paired(both.new, both.old)
    low, high = (round(100 * end, 1) for end in (made.interval.low, made.interval.high))
    return {"points": round(100 * made.difference, 1), "interval": [low, high], "n": made.n}


def pooled(cells: Sequence[Cell], key: str) -> dict[str, object] | None:
    """Give the mean of paired differences over the problems of all seeds; None where there are none."""
    some = [cell_.fresh[key] for cell_ in cells if key in cell_.fresh]
    new, old = (list(chain.from_iterable(part)) for part in (zip(*some, strict=True) if some else ((), ())))
    return in_points(Fresh(new, old)) if new else None


def summed(cells: Sequence[Cell]) -> dict[str, object]:
    """Sum finished cells up, as the line of JSON does."""
    by_name = {name: [cell_ for cell_ in cells if cell_.name == name] for name in CELLS}
    told: dict[str, object] = {"rounds": [row for cell_ in cells for row in rows_of(cell_)]}
    for key in ("last_minus_first", "best_minus_control"):
        one_each = [in_points(cell_.fresh[key]) for cell_ in by_name["arms"] if key in cell_.fresh]
        told |= {key: [one["points"] for one in one_each], f"{key}_intervals": [one["interval"] for one in one_each]}
    told["pooled"] = {key: pooled(by_name["arms"], key) for key in ("last_minus_first", "best_minus_control")} | {
        "alone_last_minus_first": pooled(by_name["alone"], "last_minus_first")
    }
    for name, key in (("arms", "promoted"), ("alone", "alone_promoted")):
        told[key] = [
            len({row.round for row in cell_.found.rounds if row.decision == "promote"}) for cell_ in by_name[name]
        ]
    tests = [cell_.found.test for cell_ in by_name["arms"]]
    told["best"] = [test.best.accuracy if test and test.best else None for test in tests]
    told["stopped"] = {f"{cell_.name}-{cell_.seed}": cell_.found.stopped for cell_ in cells}
    return told


def main() -> None:
    """Print the tables and the line of JSON."""
    OUT.mkdir(parents=True, exist_ok=True)
    names, cells = os.environ.get("CELLS", ",".join(CELLS)).split(","), list[Cell]()
    with closing(Ledger(OUT / "fresh.sqlite")) as ledger:
        student = load_student("smollm2-135m")
        for seed in SEEDS:
            for name in names:
                found = cell(name, seed)
                if found is None:
                    continue
                cells.append(Cell(name, seed, found, on_fresh(name, seed, student, ledger)))
                show(*cells[-1])
    made = summed(cells)
    print("over all seeds, on fresh problems:", json.dumps(made["pooled"]))
    print(json.dumps({"quick": QUICK, "seeds": list(SEEDS), **made}))


if __name__ == "__main__":
    main()

"""Do rounds go up, and which way to train wins? Campaigns of several arms and rounds, and one without a teacher.

arms        four rounds of track B, track B and preference pairs, track A and GRPO, on as many tokens: each goes on from
            the best so far, track A, which has another prompt, from its own best; beside them the unselected control,
            on as many tokens as the best had in all
alone       in round 1 the student is taught reference solutions, of the lowest levels; from then on it is its own
            teacher and climbs level by level, decided on four samples a dev problem. It is given up after six rounds
            in a row without a promotion, so at least six are tried

What is best after the last round is compared with what was best after round 1, and with the control, on problems drawn
anew that no campaign knows, each asked and measured as its campaign did: for each seed, and over all (the mean of the
paired differences). An interval over problems (95 %) is of these trainings; the one over seeds (Student's, null of one)
holds what training again would give.

    python benchmarks/rounds.py                 # each cell for 20 minutes (MINUTES), by when a batch of completions or
                                                # a training begins; the same command goes on where it was. Hours on 2
                                                # cores in all, and some minutes a cell for the fresh problems
    CELLS=alone SEEDS=21 python benchmarks/rounds.py    # one cell
    QUICK=1 python benchmarks/rounds.py                 # minutes, tells nothing

make bench-rounds           keys, each by seed (null: not finished): last_minus_first, best_minus_control, promoted,
                            best, alone_last_minus_first, alone_promoted; over all seeds in `pooled`; a row a round and
                            arm in `rounds`; why each cell stopped in `stopped`
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

from rounds_table import Cell, Fresh, show, summed

from selfimprove import Campaign
from selfimprove.arms import program_of
from selfimprove.config.training import EvaluateConfig
from selfimprove.errors import SelfImproveError
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.places import arm_of
from selfimprove.graphs.training import worked_examples
from selfimprove.ledger import Journaled, Ledger
from selfimprove.programs import Program
from selfimprove.programs.in_force import FROZEN, Frozen
from selfimprove.records import Problem, Sampling, Split, Verdict
from selfimprove.report.schema import Summary
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
    """Run one campaign, or go on with it; None where its minutes are over, or it cannot go on."""
    out, sections = OUT / f"{name}-{seed}", sections_of(name, seed)
    spent = 0.0
    if (out / "ledger.sqlite").is_file():
        with closing(Ledger(out / "ledger.sqlite", reader=True)) as ledger:
            spent = ledger.seconds("campaign") / 3600
    sections["campaign"]["max_hours"] = spent + MINUTES / 60
    try:
        return Campaign(ROOT / "examples" / "arithmetic.toml", out=out, sections=sections).run()
    except SelfImproveError as error:
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
    programs = folder.record(FROZEN, Frozen).thaw()
    if adapter:
        return programs[program_of(arm_of(adapter))]
    shots = int(folder.json("round-00/baseline.json")["shots"])
    train = folder.rows("data/train.jsonl", Problem)
    return programs["solve"].with_demos(worked_examples(train, TASK, shots)) if shots else programs["solve"]


def on_fresh(name: str, seed: int, student: Any, ledger: Ledger) -> dict[str, Fresh]:
    """Ask what was best in the end, what was best after round 1 and the control, each as the campaign asked it.

    A campaign that decides on several samples a problem is measured by as many, the others by the greedy answer.
    """
    out = OUT / f"{name}-{seed}"
    folder = RunFolder(out, writer=False)
    problems, asked = fresh_problems(folder, seed), EvaluateConfig(**CELLS[name].get("evaluate", {}))
    how = Sampling(max_tokens=96, temperature=asked.temperature if asked.samples else 0.0)
    samples = range(1, 1 + asked.samples) if asked.samples else (0,)

    def right(adapter: str) -> list[float]:
        model = Journaled(student.with_adapter(out / adapter if adapter else None), ledger)
        made = solve(problems, model, asked_as(folder, adapter), TASK, how, samples=samples, seed=seed)
        return [fmean(one.verdict is Verdict.CORRECT for one in some) for some in made]

    rounds = sorted(path.parent.name for path in out.glob("round-*/decision.json") if path.parent.name != "round-00")
    first, last = (folder.record(f"{place}/decision.json", RoundDecision).best for place in (rounds[0], rounds[-1]))
    solved = right(last)
    found = {"last_minus_first": Fresh(solved, right(first))}
    if control := folder.json("final/tested.json").get("control"):
        found["best_minus_control"] = Fresh(solved, right(control))
    return found


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
                fresh = on_fresh(name, seed, student, ledger)
                cells.append(Cell(name, seed, OUT / f"{name}-{seed}", found, fresh))
                show(cells[-1])
    made = summed(cells, SEEDS)
    print("over all seeds, on fresh problems:", json.dumps(made["pooled"]))
    print(json.dumps({"quick": QUICK, "seeds": list(SEEDS), **made}))


if __name__ == "__main__":
    main()

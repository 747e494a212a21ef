"""Is a step scorer to be trusted: our own trained on Monte Carlo labels, Monte Carlo itself, a judge, and free signals?

The student solves arithmetic problems, where every step is checked exactly. Its wrong solutions are labelled by binary
search over rollouts, a reward model is trained on these labels, and all scorers are measured on problems that nobody
saw. Our own is also measured on ProcessBench, the threshold chosen on its GSM8K part, as the paper does.

    python benchmarks/prm.py                 # about 50 minutes on 2 cores; QUICK=1: under 5
    ADAPTER=runs/demo/... python benchmarks/prm.py      # the student's adapter; unset: one is trained first
    JUDGE=MODEL@http://127.0.0.1:8000/v1 python benchmarks/prm.py      # a judge behind an OpenAI-compatible server
    SCORERS=judge JUDGE=... python benchmarks/prm.py    # the judge alone, on as many problems as it is asked about;
                                                        # BENCHED=0: without ProcessBench
    SCORERS=saving python benchmarks/prm.py             # what the search for the first wrong step saves, alone

Resumable: completions are kept in a ledger, a trained model and each scorer's card are found again.

make bench-prm    keys: own_auc, logprob_auc, monte_carlo_auc, judge_auc, processbench_f1; null: see why_null
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from worked import taught

from selfimprove.config import TeacherConfig
from selfimprove.ledger import Journaled, Ledger
from selfimprove.prm.evaluating import OnProcessBench, evaluate
from selfimprove.prm.labelling import InBatches, Labels, label_problems
from selfimprove.prm.measuring import measure_on_solutions
from selfimprove.prm.solutions import Solution, hash_of, solve_problems
from selfimprove.prm.table import written
from selfimprove.prm.training import train_scorer
from selfimprove.programs import program_for
from selfimprove.protocols import StepScorer
from selfimprove.records import Problem, Sampling, digest
from selfimprove.scorers.baselines import LOGPROB
from selfimprove.scorers.exact import first_wrong
from selfimprove.scorers.figures import Figures, ScorerCard
from selfimprove.scorers.montecarlo import MonteCarlo
from selfimprove.scorers.names import scorer_named
from selfimprove.scorers.trust import read_card, write_card
from selfimprove.tasks.arithmetic import Arithmetic

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
DATA = Path(os.environ.get("SELFIMPROVE_DATA", ROOT.parent / "shared" / "data")) / "processbench"
OUT = Path(os.environ.get("OUT", ROOT / "runs" / ("bench-prm-quick" if QUICK else "bench-prm"))).resolve()
SCORERS = os.environ.get("SCORERS", "monte carlo,own,judge").split(",")
ADAPTER, JUDGE = os.environ.get("ADAPTER", ""), os.environ.get("JUDGE", "")
MAX_TOKENS = 96
SFT: dict[str, object] = {"learning_rate": 2e-3, "per_device_train_batch_size": 4, "num_train_epochs": 1}


class Size(NamedTuple):
    """How much is done."""

    taught: int
    """Worked solutions that the student learns from where no adapter is given."""
    train: int
    """Problems whose solutions the scorer learns from."""
    tries: int
    """Sampled solutions of each, besides the greedy one."""
    held_out: int
    samples: int
    """Completions a held-out problem, for its pass rate."""
    rollouts: int
    judged: int
    """Held-out solutions that the judge is asked about."""
    benched: int | None
    """Rows of each ProcessBench file; None: all."""


SIZE = Size(200, 80, 1, 50, 8, 4, 20, 40) if QUICK else Size(700, 600, 2, 300, 16, 8, 100, None)

BENCHED = int(os.environ.get("BENCHED", SIZE.judged))
"""Rows of each ProcessBench file that the judge is asked about."""
SLOW_SERVER = TeacherConfig(concurrency=4, timeout_s=900)
"""As a llama.cpp server on the same processor is asked."""


def load_student() -> Any:
    """Load SmolLM2-135M, or MODEL."""
    from selfimprove.students.transformers import TransformersStudent

    return TransformersStudent(os.environ.get("MODEL", "smollm2-135m"))


def problems_of() -> tuple[list[Problem], list[Problem], list[Problem]]:
    """Give held-out problems, those that the scorer learns from, and those that the student learns from."""
    kinds, levels = ("sum", "story", "equation"), (2, 3, 4, 5, 6)
    task = Arithmetic(
        kinds=kinds, levels=levels, sizes={"train": SIZE.train + SIZE.taught, "dev": SIZE.held_out}, seed=78
    )
    drawn = list(task.problems("train"))  # all different, also as forms; no seed's dev has a form of any seed's train
    return list(task.problems("dev")), drawn[: SIZE.train], drawn[-SIZE.taught :]


def told_of(made: Labels) -> dict[str, Any]:
    """Tell what the search for first wrong steps saved, and how often it named the right one."""
    wrong = {(row.problem, row.steps): row.labels.index(0.0) for row in made.rows if 0.0 in row.labels}
    named = [(wrong.get((item.problem.id, item.steps)), first_wrong(item)) for item in made.failed]
    hits = [one == other for one, other in named if one is not None]
    return {
        "solved": made.solved,
        "failed": len(made.failed),
        "labelled_failures": len(hits),
        "search_hits": sum(hits) / len(hits) if hits else None,
        "rollouts": made.rollouts,
        "rollouts_of_scoring": made.full,
        "rollouts_share": made.rollouts / made.full if made.full else None,
    }


def card_of(name: str, made: Callable[[], ScorerCard], of: object) -> ScorerCard:
    """Measure a scorer, or find its card; a card of other solutions is not taken."""
    place = OUT / "cards" / f"{name}-{digest(of)}.json"
    found = read_card(place)
    if found is None:
        found = made()
        write_card(found, place)
    print(f"\n{name}\n{written(found)}", flush=True)
    return found


def measure(
    name: str, scorer: StepScorer, solutions: Sequence[Solution], *, threshold: float = 0.5, benched: int | None = 0
) -> ScorerCard:
    """Measure a scorer on held-out solutions, and on `benched` rows of each ProcessBench file (None: all)."""

    def made() -> ScorerCard:
        here = measure_on_solutions(scorer, solutions, on="held-out arithmetic", threshold=threshold)
        if benched == 0 or not (DATA / "math.json").is_file():
            return ScorerCard(scorer=scorer.identity, measured=(here,))
        files = OnProcessBench([DATA / "math.json"], DATA / "gsm8k.json", benched)
        there = evaluate(scorer, on_processbench=files)
        return there.model_copy(update={"measured": (here, *there.measured)})

    return card_of(name, made, [scorer.identity, hash_of(solutions), threshold, benched])


def auc_of(card: ScorerCard | None) -> float | None:
    """Give a scorer's AUC on the held-out solutions."""
    return auc_in(card.measured[0].own) if card else None


def auc_in(figures: Figures | None) -> float | None:
    """Give an AUC in four digits."""
    return round(figures.steps.auc, 4) if figures and figures.steps else None


def f1_of(card: ScorerCard | None) -> float | None:
    """Give a scorer's F1 on ProcessBench."""
    bench = card.measured[1].own.processbench if card and len(card.measured) > 1 else None
    return round(bench.f1, 4) if bench else None


def reasons(cards: dict[str, ScorerCard], held_out: Sequence[Solution]) -> dict[str, str]:
    """Say why a figure is missing."""
    missing = dict[str, str]()
    if not held_out:
        nothing = "the student wrote no solution with steps and a verdict; give an ADAPTER that does"
        return dict.fromkeys(("own_auc", "logprob_auc", "monte_carlo_auc", "judge_auc", "processbench_f1"), nothing)
    missing |= {
        key: "not among SCORERS" if name not in SCORERS else "not run: no JUDGE=MODEL@URL"
        for key, name in (("own_auc", "own"), ("monte_carlo_auc", "monte carlo"), ("judge_auc", "judge"))
        if name not in cards
    }
    missing |= {
        f"{name.replace(' ', '_')}_auc": "the held-out steps are all right, or all wrong"
        for name, card in cards.items()
        if auc_of(card) is None
    }
    if f1_of(cards.get("own")) is None:
        missing["processbench_f1"] = missing.get("own_auc", f"not run: {DATA} holds no math.json")
    if not any(auc_in(card.measured[0].baselines.get(LOGPROB)) for card in cards.values()):
        missing["logprob_auc"] = "the held-out steps are all alike, or the engine gives no log-probabilities"
    return missing


def run(student: Any, ledger: Ledger) -> dict[str, Any]:
    """Do all parts, and give the figures."""
    task = Arithmetic()
    held_out, learned, worked = problems_of()
    adapter = Path(ADAPTER) if ADAPTER else Path(taught(student, worked, task, OUT / "student", SFT).path)
    model = InBatches(Journaled(student.with_adapter(adapter), ledger))
    asked = held_out if set(SCORERS) - {"judge", "saving"} else held_out[: SIZE.judged]
    solutions = solve_problems(asked, model, task, samples=SIZE.samples, max_tokens=MAX_TOKENS)
    cards, told = dict[str, ScorerCard](), dict[str, Any]()
    if solutions and "monte carlo" in SCORERS:
        how = Sampling(temperature=0.8, max_tokens=MAX_TOKENS)
        scorer = MonteCarlo(model, task, program_for("solve", task), sampling=how, rollouts=SIZE.rollouts)
        cards["monte carlo"] = measure("monte carlo", scorer, solutions, threshold=0.5 / SIZE.rollouts)
    if solutions and "saving" in SCORERS:
        few = learned[: SIZE.judged]
        told = told_of(label_problems(few, model, task, tries=1, rollouts=SIZE.rollouts, max_tokens=MAX_TOKENS))
    if solutions and "own" in SCORERS:
        made = label_problems(learned, model, task, tries=SIZE.tries, rollouts=SIZE.rollouts, max_tokens=MAX_TOKENS)
        told = told_of(made)
        student.unload()
        own = train_scorer(made.rows, str(student.folder), OUT / "own", settings={"prm": {"num_train_epochs": 2.0}})
        cards["own"] = measure("own", scorer_named(str(own.folder), ledger), solutions, benched=SIZE.benched)
    if solutions and "judge" in SCORERS and JUDGE:
        student.unload()
        judge = scorer_named(f"judge:{JUDGE}", ledger, teacher=SLOW_SERVER)
        cards["judge"] = measure("judge", judge, solutions[: SIZE.judged], benched=BENCHED)
    first = next(iter(cards.values()), None)
    own_gap = cards["own"].measured[0].gaps.get(LOGPROB) if "own" in cards else None
    return {
        "own_auc": auc_of(cards.get("own")),
        "logprob_auc": auc_in(first.measured[0].baselines.get(LOGPROB)) if first else None,
        "monte_carlo_auc": auc_of(cards.get("monte carlo")),
        "judge_auc": auc_of(cards.get("judge")),
        "processbench_f1": f1_of(cards.get("own")),
        "judge_processbench_f1": f1_of(cards.get("judge")),
        "own_less_logprob": own_gap.model_dump() if own_gap else None,
        "held_out": len(solutions),
        **told,
        "quick": QUICK,
        "why_null": reasons(cards, solutions),
    }


def main() -> None:
    """Print a table for each scorer, then one line of JSON."""
    OUT.mkdir(parents=True, exist_ok=True)
    started, ledger = time.perf_counter(), Ledger(OUT / "ledger.sqlite")
    try:
        figures = run(load_student(), ledger)
    finally:
        ledger.close()
    print(f"\n{time.perf_counter() - started:.0f} s")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

"""Does a small student get better on real data? GSM8K with its worked answers, StrategyQA with and without its facts.

gsm8k        one round of worked solutions; the better of zero- and few-shot base, and the trained student, on the test
             problems, by the strict reading and the lenient one
strategyqa   track B (facts, then the answer) and track A (the answer alone) on as many tokens, from the same problems;
             eight samples each of the 229 published dev problems, with how often yes and no are said

    python benchmarks/real.py                            # half an hour a cell on 2 cores with AVX-512, hours without
    QUICK=1 python benchmarks/real.py                    # tells nothing
    CELLS=gsm8k MINUTES=20 python benchmarks/real.py     # one cell, for so long; the same command goes on
    PROBLEMS=3000 MODEL=qwen2.5-1.5b ...                 # problems tried, the student; on a GPU all are tried

MINUTES bounds when a cell begins a batch of completions; that batch, or a training, is not cut in two.

make bench-real             keys: gsm8k, strategyqa (null: not finished)
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from selfimprove import Campaign
from selfimprove.errors import SelfImproveError
from selfimprove.graphs.places import arm_of
from selfimprove.ledger import Ledger
from selfimprove.records import Attempt, Comparison, Interval, Problem, TrackRow, Verdict
from selfimprove.report.classes import CLASSES, said
from selfimprove.report.schema import Summary
from selfimprove.stats import bootstrap_means, quantiles
from selfimprove.steps.evaluate import compare, score, share
from selfimprove.store import RunFolder

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
OUT = Path(os.environ.get("OUT", ROOT / "runs" / ("bench-real" + "-quick" * QUICK))).resolve()
MINUTES = float(os.environ.get("MINUTES", "20"))
MODEL = os.environ.get("MODEL", "smollm2-135m")
SAMPLES = 2 if QUICK else 8
ALL: Final = {"gsm8k": 7473, "strategyqa": 2061}
"""Training problems of the data set; 400 of them are cut off for dev, see the tasks."""
SOME: Final = {"gsm8k": 1000, "strategyqa": 1200}
"""Tried without a GPU."""
RATE = 1e-3 if "135m" in MODEL.lower() else 2e-4
"""As examples/strategyqa.toml has it for a small student and for large ones; not tuned here."""
READINGS: Final[Mapping[str, Callable[[Attempt], Verdict]]] = {
    "lenient": lambda attempt: attempt.verdict,
    "strict": lambda attempt: attempt.strict,
}
TOKENS_PER_S, TRAINED_PER_S = 350, 600
"""Generated, and trained on with their prompts, on 2 cores with AVX-512: what the estimate is made of."""


def on_gpu() -> bool:
    """Say whether there is a GPU to run on."""
    import torch

    return torch.cuda.is_available()


def tried(name: str, *, gpu: bool) -> int:
    """Give how many training problems a cell tries."""
    asked = 40 if QUICK else int(os.environ.get("PROBLEMS", (ALL if gpu else SOME)[name]))
    return min(asked, ALL[name])


def sections_of(name: str, problems: int) -> dict[str, dict[str, Any]]:
    """Give a cell's settings over the example's: failures are taught by the data's own words, one greedy try each."""
    dev, test = (20, 30) if QUICK else {"gsm8k": (200, 1319), "strategyqa": (100, 229)}[name]
    sft = {"learning_rate": RATE, "num_train_epochs": 1, "per_device_train_batch_size": 8 if name == "gsm8k" else 4}
    sections: dict[str, dict[str, Any]] = {
        "campaign": {"student": MODEL, "rounds": 1, "arms": ["track_b"]},
        "data": {"train": problems, "dev": dev, "test": test},
        "mine": {"pool": problems, "samples": 0, "longer": 1.0},
        "select": {"policy": "failures", "solved": 1.0},
        "train": {"sft": sft},
    }
    if name == "gsm8k":
        return {**sections, "student": {"max_tokens": 200}, "evaluate": {"shots": 4}}
    sections["campaign"]["arms"] = ["track_b", "track_a"]
    # A second try at yes or no is right by chance: only what the facts explain is taught.
    return {
        **sections,
        "lesson": {"questions": 0},
        "select": {"policy": "failures", "solved": 0.0},
        "evaluate": {"shots": 2, "samples": SAMPLES},
    }


def estimate(name: str, problems: int) -> float:
    """Give the minutes that a cell takes on 2 cores, with SmolLM2-135M."""
    sizes, problems = sections_of(name, problems)["data"], min(problems, ALL[name] - 400)
    measured = 3 * sizes["dev"] + 2 * sizes["test"]  # two baselines and an arm, base and arm; track A writes little
    generated, read = 120 * (measured + problems), 200.0 * problems
    if name == "strategyqa":  # three in five are taught; track A reads ten times as many prompts for as many tokens
        generated, read = 50 * (1 + SAMPLES) * measured + 75 * problems, 0.6 * problems * (95 + 10 * 54)
    return float(generated / TOKENS_PER_S + read / TRAINED_PER_S) / 60


def place(name: str, problems: int) -> Path:
    """Give a cell's run folder; other settings have another."""
    return OUT / f"{name}-{Path(MODEL).name}-{problems}"


def cell(name: str, problems: int) -> Summary | None:
    """Run one campaign, or go on with it; None where its minutes are over, or it cannot go on."""
    out, sections, spent = place(name, problems), sections_of(name, problems), 0.0
    if (out / "ledger.sqlite").is_file():
        with closing(Ledger(out / "ledger.sqlite", reader=True)) as ledger:
            spent = ledger.seconds("campaign")
    sections["campaign"]["max_hours"] = (spent + 60 * MINUTES) / 3600
    try:
        return Campaign(ROOT / "examples" / f"{name}.toml", out=out, sections=sections).run()
    except SelfImproveError as error:
        print(f"{name}: {error}")
        return None


def tested(folder: RunFolder, arm: str) -> str:
    """Give where an arm's answers on test are; empty: it was not trained. The promoted one's are the best's."""
    adapters = folder.json("final/tested.json")
    found = [name for name, adapter in adapters.items() if adapter and arm_of(adapter) == arm]
    return f"final/{found[0]}" if found else ""


def hundredths(share: float, between: Interval) -> dict[str, Any]:
    """Give a share or a difference of shares in percent with its interval, for the line of JSON."""
    return {"percent": round(100 * share, 1), "interval": [round(100 * end, 1) for end in (between.low, between.high)]}


def gap(made: Comparison) -> dict[str, Any]:
    """Give a paired difference in points with its interval."""
    return {**hundredths(made.difference, made.interval), "p_better": round(made.p_better, 4)}


def readings(base: Sequence[Attempt], trained: Sequence[Attempt]) -> dict[str, dict[str, Any]]:
    """Give base, trained student and their paired difference, by each reading."""
    made = {}
    for name, read in READINGS.items():
        one, other = (score([read(a) for a in some]) for some in (base, trained))
        made[name] = {
            "base": hundredths(one.accuracy, one.interval),
            "trained": hundredths(other.accuracy, other.interval),
            "difference": gap(compare(trained, base, read)),
        }
    return made


def sampled(samples: Sequence[Attempt], right: Mapping[str, str]) -> dict[str, Any]:
    """Sum up several samples of each yes/no problem.

    Args:
        samples: of all problems, as many of each.
        right: problem to its answer.

    Returns:
        Accuracy over samples with an interval clustered by problem, balanced accuracy (the mean of that on problems of
        yes and on problems of no), both in percent, and how often each is said.
    """
    by_problem: dict[str, list[Attempt]] = {}
    for attempt in samples:
        by_problem.setdefault(attempt.problem, []).append(attempt)
    shares = {problem: share(some) for problem, some in by_problem.items()}
    by_class = [[shares[p] for p in shares if right[p] == name] for name in CLASSES]
    low, high = quantiles(bootstrap_means(list(shares.values())))
    return {
        **hundredths(fmean(shares.values()), Interval(low=low, high=high)),
        "balanced": round(100 * fmean(fmean(some) for some in by_class if some), 1),
        "said": said(samples),
    }


def gsm8k(folder: RunFolder, found: Summary) -> dict[str, Any]:
    """Show what the base and the trained student solve of test."""
    trained = tested(folder, "track_b")
    if not trained:
        print("gsm8k: nothing was trained")
        return {}
    both = [folder.rows(f"{where}/predictions.jsonl", Attempt) for where in ("final/base", trained)]
    made = readings(*both)
    cut = [sum(a.verdict is Verdict.TRUNCATED for a in some) for some in both]
    shots = next(row.name for row in found.baselines if row.chosen)
    one, part = found.rounds[0], found.rounds[0].pool / ALL["gsm8k"]
    print(f"gsm8k: {one.pool} of {ALL['gsm8k']} training problems ({100 * part:.0f} %), {one.rows} rows trained on")
    print(f"    {one.sentence}")
    print(f"    {len(both[0])} test problems; cut off: base ({shots}) {cut[0]}, trained {cut[1]}")
    for name, each in made.items():
        print(f"    {name:<8} base {line(each['base'])}, trained {line(each['trained'])}, {points(each['difference'])}")
    return {**made, "part": round(part, 3), "rows": one.rows, "base": shots}


def strategyqa(folder: RunFolder, found: Summary) -> dict[str, Any]:
    """Show track A and track B on test, and how often they say yes and no."""
    places = {"base": "final/base", **{arm: tested(folder, arm) for arm in ("track_a", "track_b")}}
    if not all(places.values()):
        print("strategyqa: an arm was not trained")
        return {}
    right = {p.id: p.answer for p in folder.rows("data/test.jsonl", Problem)}
    samples = {arm: folder.rows(f"{where}/samples.jsonl", Attempt) for arm, where in places.items()}
    reference = Counter(right.values())
    sources = Counter(row.source for row in folder.rows("round-01/track_b.jsonl", TrackRow))
    print(f"strategyqa: {found.rounds[0].pool} training problems; who wrote the rows of track B: {dict(sources)}")
    print(f"    {len(right)} test problems, {reference['yes']} yes and {reference['no']} no")
    made = {arm: sampled(some, right) for arm, some in samples.items()}
    for arm, each in made.items():
        spread = ", ".join(f"{n} {name}" for name, n in each["said"].items())
        print(f"    {arm:<8} {line(each)}, balanced {each['balanced']} %; says {spread}")
    for row in found.rounds:
        print(f"    {row.arm:<8} {row.rows} rows, {row.trained_tokens} tokens; {row.sentence}")
        made[row.arm]["tokens"] = row.trained_tokens
    difference = gap(compare(samples["track_b"], samples["track_a"]))
    print(f"    track B less track A: {points(difference)}, clustered by problem")
    return {**made, "reference": dict(reference), "b_minus_a": difference}


def line(made: Mapping[str, Any]) -> str:
    """Write an accuracy."""
    return f"{made['percent']} % ({made['interval'][0]} to {made['interval'][1]})"


def points(made: Mapping[str, Any]) -> str:
    """Write a difference."""
    low, high = made["interval"]
    return f"{made['percent']:+.1f} points ({low:+.1f} to {high:+.1f})"


def main() -> None:
    """Print the tables and the line of JSON."""
    told: dict[str, dict[str, Any] | None] = dict.fromkeys(ALL)
    gpu = on_gpu()
    for name in os.environ.get("CELLS", ",".join(ALL)).split(","):
        problems = tried(name, gpu=gpu)
        if not gpu and not QUICK:
            minutes = f"{estimate(name, problems):.0f} minutes in all on 2 cores with AVX-512"
            print(f"{name}: about {minutes}, {MINUTES:g} of them now")
        found = cell(name, problems)
        if found is not None:
            figures = {"gsm8k": gsm8k, "strategyqa": strategyqa}[name]
            told[name] = figures(RunFolder(place(name, problems), writer=False), found)
            print(f"    {found.wall_s / 60:.0f} minutes in all")
    print(json.dumps({"quick": QUICK, "model": MODEL, **told}))


if __name__ == "__main__":
    main()

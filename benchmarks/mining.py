"""What does mining cost, and does it stop sampling at the right time?

stopping    samples until the posterior decides, against 16 for every problem: both are ranked against the pass rate of
            48 further samples of the same problems, with and without the prior that reads the greedy attempt's
            log-probability (grade.prior)
speed       useful tokens/s of mining, ledger and files included, over the bare engine given the same requests in one
            batch, and over one request at a time
scale       time and memory of mining and grading pools of two sizes with a scripted engine, its own time taken off

make bench-mining           keys: samples_share, spearman_gap (goals <= 0.5, <= 0.02), share_of_engine, times_one_by_one
                            (goals >= 0.95, >= 20), us_per_problem, peak_mib

    ADAPTER=runs/demo/round-02/arms/track_b/adapter python benchmarks/mining.py     # a student that solves something
    QUICK=1 ADAPTER=... python benchmarks/mining.py                                 # under 5 minutes, little power
    PARTS=stopping,speed python benchmarks/mining.py                                # some of the parts

A finished part is read from runs/bench-mining, and a killed one goes on: what was generated is in its ledger.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from mining_scale import MAX_TOKENS, RULE, bench_crew, mined

from selfimprove.ledger import Journaled, Ledger
from selfimprove.mining.kinds import Mined, summarise
from selfimprove.mining.prior import expected_rates, fit_curve, point_of
from selfimprove.programs import program_for
from selfimprove.protocols import LanguageModel
from selfimprove.records import Attempt, Completion, Message, Problem, Request, Verdict, digest
from selfimprove.scorers.metrics import spearman
from selfimprove.steps.mine import MiningRule, drawing, mine
from selfimprove.tasks.arithmetic import Arithmetic

QUICK = bool(os.environ.get("QUICK"))
ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "runs" / ("bench-mining-quick" if QUICK else "bench-mining")
MODEL = os.environ.get("MODEL", "smollm2-135m")
ADAPTER = os.environ.get("ADAPTER", "")
FIXED, FURTHER = 16, 16 if QUICK else 48
PROBLEMS = 48 if QUICK else 300
SINGLE = 2 if QUICK else 8
SCALES = (4_000, 12_000) if QUICK else (10_000, 100_000)
SLOTS = (64, 128)


def pool(count: int) -> tuple[Arithmetic, list[Problem]]:
    """The demo's kinds of problems, in forms that no training problem of the demo has."""
    kinds, levels = ("sum", "story", "equation"), (2, 3, 4, 5, 6)
    task = Arithmetic(kinds=kinds, levels=levels, sizes={"dev": count}, seed=77)
    return task, list(task.problems("dev"))


class Sampled(NamedTuple):
    """A problem with its greedy attempt and all its samples, shape `[1 + FIXED + FURTHER]`."""

    problem: Problem
    attempts: list[Attempt]


def usable(some: Sampled) -> bool:
    """Whether the greedy attempt and some of the further samples have a verdict."""
    return some.attempts[0].verdict.decided and any(a.verdict.decided for a in some.attempts[1 + FIXED :])


def truth(some: Sampled) -> float:
    """Pass rate of the further samples, which no estimate has seen."""
    decided = [a.verdict is Verdict.CORRECT for a in some.attempts[1 + FIXED :] if a.verdict.decided]
    return sum(decided) / len(decided)


def estimates(sampled: Sequence[Sampled], task: Arithmetic, rule: MiningRule) -> dict[str, list[Mined]]:
    """What mining finds with 4, 8 and 16 samples each, and with sampling that stops."""
    made = {
        f"{k} samples": [summarise(one.problem, one.attempts[: 1 + k], task, rule) for one in sampled]
        for k in (4, 8, FIXED)
    }
    known = {one.problem.id: one.attempts for one in sampled}
    stops = rule.model_copy(update={"again": False})  # the attempts had their second chance when they were drawn
    tried = mine([one.problem for one in sampled], lambda wanted: [known[p.id][n] for p, n, _ in wanted], task, stops)
    return {**made, "sequential": [one.mined for one in tried]}


def ranked(sampled: Sequence[Sampled], found: Mapping[str, Sequence[Mined]]) -> dict[str, tuple[float, float]]:
    """Samples a problem and rank correlation with the truth, of each way, without and with the prior."""
    wanted, rows = [truth(one) for one in sampled], {}
    for name, some in found.items():
        each = sum(m.samples for m in some) / len(some)
        rows[name] = (each, spearman([m.posterior_mean for m in some], wanted))
        curve = fit_curve(map(point_of, some))
        rows[f"{name}, prior"] = (each, spearman(expected_rates(some, curve), wanted))
    return rows


def spread(sampled: Sequence[Sampled], found: Mapping[str, Sequence[Mined]], way: str) -> list[float]:
    """95 % bootstrap interval, over problems, of how much rank correlation a way loses against 16 samples."""
    rng, wanted, gaps = Random(0), [truth(one) for one in sampled], []
    stopped = found["sequential"]
    rates = expected_rates(stopped, fit_curve(map(point_of, stopped)) if way.endswith("prior") else None)
    full = [m.posterior_mean for m in found[f"{FIXED} samples"]]
    for _ in range(200 if QUICK else 1000):
        drawn = [rng.randrange(len(wanted)) for _ in wanted]
        truths = [wanted[at] for at in drawn]
        gaps.append(spearman([full[at] for at in drawn], truths) - spearman([rates[at] for at in drawn], truths))
    gaps.sort()
    return [gaps[round(0.025 * len(gaps))], gaps[round(0.975 * len(gaps)) - 1]]


def sample(student: LanguageModel, task: Arithmetic, problems: Sequence[Problem]) -> list[Sampled]:
    """Draw every problem's greedy attempt and samples, 50 problems at a time."""
    every = FIXED + FURTHER
    rule = RULE.model_copy(update={"samples": every, "most": every})
    program, longer = program_for("solve", task), 2 * MAX_TOKENS
    draw = drawing(student, program, task, max_tokens=MAX_TOKENS, longer_tokens=longer, temperature=0.7)
    made: list[Sampled] = []
    for start in range(0, len(problems), 50):
        some = problems[start : start + 50]
        made += [Sampled(p, one.attempts) for p, one in zip(some, mine(some, draw, task, rule), strict=True)]
        print(f"{len(made)} of {len(problems)} problems sampled", file=sys.stderr, flush=True)
    return made


def stopping() -> dict[str, Any]:
    """Samples used and rank correlation lost, by stopping early."""
    task, problems = pool(PROBLEMS)
    student = tuned()
    OUT.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(OUT / "ledger.sqlite")
    sampled = [one for one in sample(Journaled(student, ledger), task, problems) if usable(one)]
    ledger.close()
    if not sampled:
        sys.exit("no problem got a verdict: name a student that answers, such as ADAPTER=runs/demo/.../adapter")
    found = estimates(sampled, task, RULE)
    rows = ranked(sampled, found)
    best = rows[f"{FIXED} samples"][1]
    gaps = {way: best - rows[way][1] for way in ("sequential", "sequential, prior")}
    return {
        "samples_share": rows["sequential"][0] / FIXED,
        "spearman_gap": gaps["sequential, prior"],
        "spearman_gap_interval": spread(sampled, found, "sequential, prior"),
        "spearman_gap_without_prior": gaps["sequential"],
        "spearman_gap_without_prior_interval": spread(sampled, found, "sequential"),
        "mean_pass_rate": sum(map(truth, sampled)) / len(sampled),
        "problems": len(sampled),
        "further": FURTHER,
        "no_verdict": len(problems) - len(sampled),
        "rows": {name: [round(each, 2), round(rho, 4)] for name, (each, rho) in rows.items()},
    }


def tuned(**how: Any) -> Any:
    """The student, with the adapter that ADAPTER names."""
    from selfimprove.students.transformers import TransformersStudent

    return TransformersStudent(MODEL, **how).with_adapter(Path(ADAPTER) if ADAPTER else None)


@dataclass
class Recording:
    """A student that keeps what it was asked and counts the tokens that it wrote."""

    inner: LanguageModel
    asked: list[Request] = field(default_factory=list)
    tokens: int = 0

    @property
    def identity(self) -> str:
        """The inner one's."""
        return self.inner.identity

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete, and keep count."""
        made = self.inner.complete(requests)
        self.asked += requests
        self.tokens += sum(one.completion_tokens for one in made)
        return made

    def with_adapter(self, _: Path | None) -> Recording:
        """Stay as it is: the adapter is in force already."""
        return self


def tokens_per_s(student: LanguageModel, batches: Sequence[Sequence[Request]]) -> float:
    """Useful tokens a second of batches given one after the other, the first few requests done before as a warm-up."""
    student.complete(batches[0][:4])
    started, made = time.perf_counter(), 0
    for batch in batches:
        made += sum(one.completion_tokens for one in student.complete(batch))
    return made / (time.perf_counter() - started)


def speed() -> dict[str, Any]:
    """Mining beside the bare engine on the same requests, and beside one request at a time."""
    task, problems = pool(PROBLEMS)
    student = tuned()
    hello = Request(role="solve", messages=(Message(role="user", content="What is 2 + 3?"),))
    student.complete([hello])  # loads the model
    recording = Recording(student)
    with tempfile.TemporaryDirectory() as folder:
        crew = bench_crew(Path(folder) / "run", task, recording)
        started = time.perf_counter()
        mined(crew, lambda: iter(problems))
        mining = recording.tokens / (time.perf_counter() - started)
        crew.ledger.close()
        crew.folder.close()
    student.unload()
    rates = {"mining": mining}
    asked = sorted(recording.asked, key=lambda request: (request.problem, request.sample))
    for slots in SLOTS:
        engine = tuned(slots=slots)
        rates[f"engine, {slots} slots"] = tokens_per_s(engine, [asked])
        engine.unload()
    best = max(rate for name, rate in rates.items() if name.startswith("engine"))
    few = asked[:: max(1, len(asked) // SINGLE)][:SINGLE]
    for dtype in ("bfloat16", "float32"):
        engine = tuned(dtype=dtype, slots=1)
        rates[f"one by one, {dtype}"] = tokens_per_s(engine, [[request] for request in few])
        engine.unload()
    single = max(rate for name, rate in rates.items() if name.startswith("one by one"))
    found = {name: round(rate, 1) for name, rate in rates.items()}
    return {"share_of_engine": mining / best, "times_one_by_one": mining / single, "rates": found}


def scale() -> dict[str, Any]:
    """Two sizes, each in a process of its own."""
    made = []
    for count in SCALES:
        command = [sys.executable, str(Path(__file__).with_name("mining_scale.py")), str(count)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        made.append(json.loads(done.stdout.splitlines()[-1]))
    small, large = made
    each = [1e6 * (one["mine_s"] + one["grade_s"] - one["engine_s"]) / one["problems"] for one in made]
    return {
        "scale_problems": large["problems"],
        "us_per_problem": each[1],
        "us_per_problem_small": each[0],
        "peak_mib": large["peak_mib"],
        "peak_mib_small": small["peak_mib"],
        "peak_kib_per_problem": 1024 * (large["peak_mib"] - large["start_mib"]) / large["problems"],
        "runs": made,
    }


PARTS: dict[str, Callable[[], dict[str, Any]]] = {"stopping": stopping, "speed": speed, "scale": scale}


def part(name: str) -> dict[str, Any]:
    """Do a part, or read what it came to."""
    weights = Path(ADAPTER) / "adapter_model.safetensors" if ADAPTER else None
    stamp = weights.stat().st_mtime_ns if weights and weights.is_file() else 0
    file = OUT / f"{name}-{digest(MODEL, ADAPTER, stamp, PROBLEMS, SCALES)}.json"
    if file.is_file():
        return dict(json.loads(file.read_text()))
    made = PARTS[name]()
    OUT.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(made, indent=1) + "\n")
    return made


def show(name: str, made: Mapping[str, Any]) -> None:
    """Print a part's table."""
    if name == "stopping":
        print(f"{made['problems']} problems, mean pass rate {made['mean_pass_rate']:.2f}", end="")
        print(f" ({made['no_verdict']} others without a verdict)\n{'':<24}{'samples':>9}{'Spearman':>10}")
        for way, (each, rho) in made["rows"].items():
            print(f"{way:<24}{each:>9.2f}{rho:>10.4f}")
        for way in ("spearman_gap", "spearman_gap_without_prior"):
            low, high = made[f"{way}_interval"]
            print(f"{way}: {made[way]:+.4f} ({low:+.4f} to {high:+.4f})")
    elif name == "speed":
        for way, rate in made["rates"].items():
            print(f"{way:<24}{rate:>10.1f} useful tokens/s")
    else:
        for run in made["runs"]:
            print(
                f"{run['problems']:>9,.0f} problems, {run['samples']:,.0f} samples: mining {run['mine_s']:.0f} s, "
                f"grading {run['grade_s']:.0f} s, of which the engine {run['engine_s']:.0f} s; "
                f"memory {run['start_mib']:.0f} MiB at the start, {run['peak_mib']:.0f} MiB at most"
            )


def main() -> None:
    """Print the tables, then one line of JSON."""
    line: dict[str, Any] = {"quick": QUICK, "model": MODEL, "adapter": ADAPTER}
    for name in os.environ.get("PARTS", ",".join(PARTS)).split(","):
        made = part(name)
        show(name, made)
        line.update({key: round(value, 4) for key, value in made.items() if isinstance(value, int | float)})
    print(json.dumps(line))


if __name__ == "__main__":
    main()

"""Does asking help? A rewrite with answered questions, beside a second attempt and beside another problem's answers.

StrategyQA, every condition on the same problems: the greedy draft; the rewrite after the teacher has answered the
student's questions; a second attempt with room for as many tokens; the draft and samples that vote, as many as the
question path's tokens pay for; the rewrite with answers exchanged between problems. An answer that gives the solution
away is refused. No verdict is wrong. The authors' 229 dev questions are the test: nothing is chosen on them. Ways that
may make asking help are compared on training problems: one question, only where draft and samples disagree, compiled
asking, a teacher that is shown the facts, the facts themselves. The way with most right answers there (of equals the
first of that list) is then tested, whatever it gives.

    STUDENT=MODEL@http://127.0.0.1:8000/v1 python benchmarks/questions.py    # or a folder: this process runs it
    TEACHER=MODEL@URL ...         # or TEACHER=reference: the data set's facts; unset: the student's model
    PARTS=majority,fewer ...      # of majority,fewer,uncertain,compiled,informed,reference; "none": the plain way alone
    PROBLEMS=229 TRAIN=120 COMPILE=80 MAX_TOKENS=160 CONCURRENCY=4 ...       # QUICK=1: 20, 16 and 16 problems

    BRIEF=0 MAX_TOKENS=400 ...    # as long as the student likes; else it reasons in a sentence or two, a second attempt
                                  # in three or four, so that a completion ends within its room

Resumable: each call is kept in a ledger.

make bench-questions STUDENT=MODEL@URL    keys: accuracy, no_verdict and tokens (by condition), with_minus_draft,
with_minus_second, with_minus_majority, with_minus_shuffled, questions_per_problem, given_away_share, best (the same of
the best way), train (a row a way), n; null without a student
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from questions_run import Drafted, Outcome, Told, asked_of, drafted, majority, rewritten, second, shuffled, told
from questions_ways import WAYS, Crew, Way, compiled_ask

from selfimprove.errors import InputError, SelfImproveError
from selfimprove.ledger import Journaled, Ledger
from selfimprove.prm.labelling import InBatches, trainable
from selfimprove.programs.saved import place_of, save_program
from selfimprove.protocols import LanguageModel
from selfimprove.records import Problem, Verdict
from selfimprove.stats import compare_means, compare_paired, wilson
from selfimprove.students import load_student
from selfimprove.tasks import load_task
from selfimprove.teachers.named import model_named

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
DATA = Path(os.environ.get("SELFIMPROVE_DATA", ROOT.parent / "shared" / "data"))
OUT = Path(os.environ.get("OUT", ROOT / "runs" / ("bench-questions-quick" if QUICK else "bench-questions"))).resolve()
STUDENT = os.environ.get("STUDENT", "")
TEACHER = os.environ.get("TEACHER", "") or STUDENT
PARTS = os.environ.get("PARTS", "majority,fewer,uncertain,compiled,informed,reference").split(",")
PROBLEMS = int(os.environ.get("PROBLEMS", "20" if QUICK else "229"))
TRAIN = int(os.environ.get("TRAIN", "16" if QUICK else "120"))
COMPILE = int(os.environ.get("COMPILE", "16" if QUICK else "80"))
MAX_TOKENS = int(os.environ.get("MAX_TOKENS", "160"))
BRIEF = os.environ.get("BRIEF", "1") != "0"
CONCURRENCY = int(os.environ.get("CONCURRENCY", "4"))
SEED = 5
SAMPLED = bool({"majority", "uncertain"} & set(PARTS))


def served(named: str, role: str, ledger: Ledger) -> LanguageModel:
    """Give a model of a server by MODEL@URL, or run a folder's here."""
    if "@" in named:
        return model_named(named, ledger, role=role, concurrency=CONCURRENCY)
    return InBatches(Journaled(load_student(named), ledger))


def versus(new: Outcome, old: Outcome) -> dict[str, Any]:
    """Compare two conditions on the same problems: a paired bootstrap's interval, the exact test's p-values."""
    interval = compare_means([float(x) for x in new.right], [float(x) for x in old.right]).interval
    exact = compare_paired(new.right, old.right)
    return {
        "difference": round(exact.difference, 4),
        "interval": [interval.low, interval.high],
        "gained": exact.gained,
        "lost": exact.lost,
        "p_better": round(exact.p_better, 4),
        "p_worse": round(exact.p_worse, 4),
    }


def conditions(way: Way, on: Drafted, crew: Crew, why: dict[str, str]) -> tuple[dict[str, Outcome], Told]:
    """Run every condition of one way."""
    draft, given = Outcome(on.drafts, [one.completion.completion_tokens for one in on.drafts]), told(way, on, crew)
    done = {"draft": draft, "with": rewritten(way, given, on, crew)}
    done["second"] = second(on, fmean(done["with"].tokens) - fmean(draft.tokens), crew)
    if not SAMPLED:
        why["with_minus_majority"] = f"PARTS={','.join(PARTS)} draws no samples"
    else:
        done["majority"] = majority(on, fmean(done["with"].tokens))
    try:
        done["shuffled"] = rewritten(way, given._replace(lessons=shuffled(given.lessons)), on, crew)
    except InputError as error:
        why[f"{way.name}: with_minus_shuffled"] = str(error)
    return done, given


def figures(done: Mapping[str, Outcome], given: Told, n: int) -> dict[str, Any]:
    """Print a line a condition and give the keys."""
    for name, one in done.items():
        print(row_of(name, one, "" if name in {"draft", "with"} else versus(done["with"], one)), flush=True)
    gaps = {f"with_minus_{name}": versus(done["with"], one) for name, one in done.items() if name != "with"}
    return {
        "accuracy": {name: round(fmean(one.right), 4) for name, one in done.items()},
        "no_verdict": {name: one.undecided for name, one in done.items()},
        "tokens": {name: round(fmean(one.tokens), 1) for name, one in done.items()},
        **dict.fromkeys(("with_minus_shuffled", "with_minus_majority")),
        **gaps,
        **asked_of(given, n),
        "failed_calls": sum(x.verdict is Verdict.ERROR for one in done.values() for x in one.attempts),
        "n": n,
    }


def row_of(name: str, one: Outcome, gap: dict[str, Any] | str) -> str:
    """Write a condition as a line: accuracy with its interval, no verdicts, tokens a problem, what it loses."""
    interval = wilson(sum(one.right), len(one.right))
    share = f"{100 * fmean(one.right):.1f} % ({100 * interval.low:.0f} to {100 * interval.high:.0f})"
    said = gap if isinstance(gap, str) else "with questions {difference:+.3f} {interval}".format(**gap)
    return f"  {name:<12}{share:>24}{one.undecided:>5} without a verdict{fmean(one.tokens):>8.1f} tokens  {said}"


def tested(way: Way, on: Drafted, crew: Crew, why: dict[str, str]) -> dict[str, Any]:
    """Test one way and give its keys."""
    print(f'asking: "{way.name}", {len(on.problems)} test problems', flush=True)
    done, given = conditions(way, on, crew, why)
    return figures(done, given, len(on.problems))


def trained(ways: Sequence[Way], on: Drafted, crew: Crew) -> dict[str, dict[str, Any]]:
    """Compare ways on training problems, a row each."""
    draft = Outcome(on.drafts, [one.completion.completion_tokens for one in on.drafts])
    print(f"on {len(on.problems)} training problems\n{row_of('draft', draft, '')}", flush=True)
    rows = dict[str, dict[str, Any]]()
    for way in ways:
        given = told(way, on, crew)
        one = rewritten(way, given, on, crew)
        gap = versus(one, draft)
        print(row_of(way.name, one, "less the draft {difference:+.3f} {interval}".format(**gap)), flush=True)
        rows[way.name] = {
            "accuracy": round(fmean(one.right), 4),
            "minus_draft": gap,
            "no_verdict": one.undecided,
            "tokens": round(fmean(one.tokens), 1),
            **asked_of(given, len(on.problems)),
        }
    return rows


def with_compiled(crew: Crew, problems: Sequence[Problem], why: dict[str, str]) -> tuple[Crew, str | None]:
    """Give the crew with its compiled program, and what its card says; none where it cannot be compiled."""
    try:
        made = compiled_ask(problems, crew)
    except InputError as error:
        why["compiled"] = str(error)
        return crew, None
    save_program(made.program, made.card, place_of("ask", crew.task.name, OUT / "programs"))
    print(made.card.sentence(), flush=True)
    return replace(crew, asking=made.program), made.card.sentence()


def run(crew: Crew, test: Sequence[Problem], train: Sequence[Problem], others: Sequence[Problem]) -> dict[str, Any]:
    """Test the plain way, choose another on training problems, test that.

    Args:
        crew: who takes part.
        test: problems that nothing is chosen on.
        train: those that ways are compared on.
        others: those that the asking program is compiled on.
    """
    why = dict[str, str]()
    on = drafted(test, crew, sampled=SAMPLED)
    found = tested(WAYS[0], on, crew, why)
    ways = [way for way in WAYS if way.name in PARTS and (crew.teacher or way.teacher == "usual")]
    said = None
    if any(way.compiled for way in ways):
        crew, said = with_compiled(crew, others, why)
        ways = [way for way in ways if crew.asking or not way.compiled]
    best: dict[str, Any] | None = None
    rows = dict[str, dict[str, Any]]()
    if ways:
        rows = trained([WAYS[0], *ways], drafted(train, crew, sampled=SAMPLED), crew)
        first = max(ways, key=lambda way: rows[way.name]["accuracy"])
        best = {"way": first.name, **tested(first, on, crew, why)}
    else:
        why["best"] = f"PARTS={','.join(PARTS)} names no other way of asking"
    return {**found, "best": best, "train": rows, "compiled": said, "quick": QUICK, "why_null": why}


def main() -> None:
    """Print the table and the line of JSON."""
    if not STUDENT:
        why = "STUDENT is not set; name a model as MODEL@http://HOST:PORT/v1, or a folder"
        print(json.dumps({"accuracy": None, "with_minus_second": None, "with_minus_shuffled": None, "why_null": why}))
        return
    OUT.mkdir(parents=True, exist_ok=True)
    task = load_task("strategyqa", data_dir=DATA)
    with closing(Ledger(OUT / "ledger.sqlite")) as ledger:
        try:
            student = served(STUDENT, "student", ledger)
            teacher = None if TEACHER == "reference" else student
            if teacher and TEACHER != STUDENT:
                teacher = served(TEACHER, "teacher", ledger)
            drawn = trainable(task, TRAIN + COMPILE, DATA, SEED)
            crew = Crew(task, student, teacher, MAX_TOKENS, seed=SEED, brief=BRIEF)
            test = list(task.problems("test"))[:PROBLEMS]
            print(json.dumps(run(crew, test, drawn[:TRAIN], drawn[TRAIN:])))
        except SelfImproveError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()

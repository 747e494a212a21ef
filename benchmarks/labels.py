"""Does a model label problems rightly, and does a second judgement say where not to trust the first?

Problems whose labels are known: of MATH's training split the subject that its authors gave and the level (Hendrycks et
al. 2021, arXiv:2103.03874), and puzzles of reasoning-gym, whose type is the generator that wrote them. A model labels
them by the program `label`, and again by `check_label`, which sees nothing of the first.

    TEACHER=MODEL@http://127.0.0.1:8000/v1 python benchmarks/labels.py       # QUICK=1: a tenth of it
    CHECKER=MODEL@URL ...      # another model for the check; NAMES=80: the most names a prompt lists
    MATHS=210 EACH=10 ...      # how many of MATH, and of each type of puzzle

Resumable: completions are kept in a ledger.

make bench-labels TEACHER=MODEL@URL    keys: topic_accuracy, topic_kappa, type_accuracy, type_kappa,
difficulty_accuracy, difficulty_kappa, agreed_share, agreed_type_accuracy, calls_per_problem; null without a teacher
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Final

from selfimprove.labels import DIMENSIONS, LEVELS, Taxonomy
from selfimprove.labels.agreement import Agreement, agreements
from selfimprove.labels.labelling import Labelled, Labeller
from selfimprove.labels.reading import make_taxonomy
from selfimprove.ledger import Ledger
from selfimprove.protocols import LanguageModel
from selfimprove.records import Problem
from selfimprove.tasks import load_task
from selfimprove.teachers.named import model_named

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
DATA = Path(os.environ.get("SELFIMPROVE_DATA", ROOT.parent / "shared" / "data"))
OUT = Path(os.environ.get("OUT", ROOT / "runs" / ("bench-labels-quick" if QUICK else "bench-labels")))
TEACHER = os.environ.get("TEACHER", "")
CHECKER = os.environ.get("CHECKER", "") or TEACHER
NAMES = int(os.environ.get("NAMES", "80"))
OF_MATH, OF_EACH = (21, 1) if QUICK else (int(os.environ.get("MATHS", "210")), int(os.environ.get("EACH", "10")))

MATHS: Final = (
    "Algebra",
    "Intermediate Algebra",
    "Prealgebra",
    "Geometry",
    "Counting & Probability",
    "Number Theory",
    "Precalculus",
)
PUZZLES: Final[Mapping[str, Mapping[str, str]]] = {
    "Numbers": {
        "Adding and subtracting in a chain": "chain_sum",
        "Greatest common divisor": "gcd",
        "Prime factors": "prime_factorization",
        "Simplifying fractions": "fraction_simplification",
        "Counting legs of animals": "leg_counting",
        "Solving an equation": "simple_equations",
        "Number series": "number_sequence",
    },
    "Words and letters": {
        "Counting letters": "letter_counting",
        "Spelling backwards": "spell_backward",
        "Sorting words": "word_sorting",
        "Letter ciphers": "caesar_cipher",
        "Unscrambling words": "letter_jumble",
        "Putting a sentence in order": "sentence_reordering",
        "Changing one word into another": "word_ladder",
    },
    "Logic and time": {
        "Truth-tellers and liars": "knights_knaves",
        "Syllogisms": "syllogism",
        "Family relations": "family_relationships",
        "Who owns what": "zebra_puzzles",
        "Days and dates": "calendar_arithmetic",
        "Durations": "time_intervals",
        "Shortest paths": "shortest_path",
    },
}
_REST: Final = {"form": "short answer", "key_stage": "any"}


def taxonomy_of_bench() -> Taxonomy:
    """Make the taxonomy that the known labels are of; a level that nothing is known of has one name."""
    common = {"forms": ["short answer"], "key_stages": ["any"]}
    maths, puzzles = "Competition mathematics", "Puzzles"
    any_below = [f"{maths} > *", f"{maths} > * > *"]
    return make_taxonomy(
        {
            "name": "known labels",
            "subjects": [
                {"name": maths, "size": 1000, "difficulties": [f"level {at}" for at in range(1, 6)], **common},
                {"name": puzzles, "size": 1000, "difficulties": ["any"], **common},
            ],
            "topics": [{"under": maths, "names": list(MATHS)}, {"under": puzzles, "names": list(PUZZLES)}],
            "sub_topics": [{"under": [any_below[0], f"{puzzles} > *"], "name": "all"}],
            "types": [
                {"under": any_below[1], "name": "all"},
                *({"under": f"{puzzles} > {topic} > all", "names": list(names)} for topic, names in PUZZLES.items()),
            ],
            "sub_types": [{"under": [f"{maths} > * > * > *", f"{puzzles} > * > * > *"], "name": "all"}],
        },
        "benchmarks/labels.py",
    )


def known_problems() -> list[Problem]:
    """Give the problems with their known labels: the same number of each topic of MATH, and of each generator."""
    return [*_maths(), *_puzzles()]


def _maths() -> list[Problem]:
    found: list[Problem] = []
    by_topic: dict[str, list[Problem]] = {name: [] for name in MATHS}
    for problem in load_task("math", data_dir=DATA).problems("train"):
        if (topic := by_topic.get(problem.labels.get("topic", ""))) is not None and problem.labels.get("level") != "?":
            topic.append(problem)
    for topic_name, problems in by_topic.items():
        for problem in problems[: OF_MATH // len(MATHS)]:
            labels = {
                "subject": "Competition mathematics",
                "topic": topic_name,
                "difficulty": f"level {problem.labels['level']}",
            }
            found.append(problem.model_copy(update={"labels": labels | _REST}))
    return found


def _puzzles() -> list[Problem]:
    found: list[Problem] = []
    for topic_name, names in PUZZLES.items():
        for name, dataset in names.items():
            task = load_task(f"reasoning_gym:{dataset}", sizes={"train": OF_EACH, "dev": 1, "test": 1})
            labels = {"subject": "Puzzles", "topic": topic_name, "type": name, "sub_topic": "all"}
            some = islice(task.problems("train"), OF_EACH)
            found += [problem.model_copy(update={"labels": labels | _REST}) for problem in some]
    return found


def figures(problems: Sequence[Problem], first: Sequence[Labelled], second: Sequence[Labelled]) -> dict[str, object]:
    """Print the table of labels and give the keys."""
    gold, one, two = ([each.labels for each in every] for every in (problems, first, second))
    agreed = [all(a.get(name) == b.get(name) for name in LEVELS) for a, b in zip(one, two, strict=True)]
    sure = ([row for row, same in zip(rows, agreed, strict=True) if same] for rows in (gold, one))
    tables = {
        "label": _by_dimension(agreements(gold, one)),
        "check": _by_dimension(agreements(gold, two)),
        "label, where both agree": _by_dimension(agreements(*sure)),
        "check against label": _by_dimension(agreements(one, two)),
    }
    print(f"{'':<26}{'dimension':<12}{'compared':>9}{'no verdict':>12}{'accuracy (95 %)':>26}{'kappa':>8}")
    for title, table in tables.items():
        for name in (name for name in DIMENSIONS if name in table and len(table[name].names) > 1):
            print(f"{title:<26}{_line(table[name])}")
    keys: dict[str, object] = {}
    for name in ("topic", "type", "difficulty"):
        found = tables["label"].get(name)
        keys |= {f"{name}_accuracy": found and found.accuracy, f"{name}_kappa": found and found.kappa}
    trusted = tables["label, where both agree"].get("type")
    keys["agreed_share"] = round(sum(agreed) / len(agreed), 4)
    keys["agreed_type_accuracy"] = trusted and trusted.accuracy
    keys["calls_per_problem"] = round(sum(len(each.calls) for each in first) / len(first), 2)
    return keys


def _by_dimension(found: Sequence[Agreement]) -> dict[str, Agreement]:
    return {one.dimension: one for one in found}


def _line(one: Agreement) -> str:
    low, high = one.interval.low, one.interval.high
    share = f"{100 * (one.accuracy or 0):.1f} % ({100 * low:.1f} to {100 * high:.1f})"
    kappa = "-" if one.kappa is None else f"{one.kappa:.3f}"
    return f"{one.dimension:<12}{one.n:>9}{one.no_verdict:>12}{share:>26}{kappa:>8}"


def judged(model: LanguageModel, checker: LanguageModel) -> dict[str, object]:
    """Label and check all problems, and give the keys."""
    taxonomy, problems = taxonomy_of_bench(), known_problems()
    started = time.perf_counter()
    first = Labeller(taxonomy, model, widest=NAMES).label(problems)
    second = Labeller(taxonomy, checker, "check_label", widest=NAMES).label(problems)
    print(f"{len(problems)} problems, {time.perf_counter() - started:.0f} s, {model.identity}, {checker.identity}")
    return figures(problems, first, second)


def main() -> None:
    """Print the table and the line of JSON."""
    if not TEACHER:
        why = "TEACHER is not set; name a model as MODEL@http://HOST:PORT/v1"
        print(json.dumps({"topic_accuracy": None, "topic_kappa": None, "type_accuracy": None, "why_null": why}))
        return
    OUT.mkdir(parents=True, exist_ok=True)
    with closing(Ledger(OUT / "ledger.sqlite")) as ledger:
        model, checker = model_named(TEACHER, ledger), model_named(CHECKER, ledger)
        print(json.dumps(judged(model, checker)))


if __name__ == "__main__":
    main()

"""Does the guard find planted leaks, does it raise false alarms, and how fast is it?

Leaks of GSM8K's test and StrategyQA's dev questions are planted into 2,000 real training rows, one kind at a time; a
leak counts as found when its row is refused for the right question. Then the data sets' own train and test splits are
compared. Words between spaces count as tokens, processor seconds of one core as time.

make bench-leakage    keys: the recalls, false_alarms, tokens_per_s, and the overlaps of the data sets themselves
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from selfimprove.leakage import Guard, HeldOut, Hit

QUICK = bool(os.environ.get("QUICK"))
DATA = Path(os.environ.get("SELFIMPROVE_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
PLANTED = 50 if QUICK else 200
CORPUS = 100_000 if QUICK else 1_000_000
# Own words for some of the questions, by their line (GSM8K test) and place (StrategyQA dev), from 0.
REWORDED = {
    ("gsm8k", 1): "For one robe you need two bolts of blue cloth, and of white cloth half as much. What is the total?",
    ("gsm8k", 18): "Every morning Claire's omelet takes three eggs. Over four weeks, what is that in dozens?",
    (
        "gsm8k",
        23,
    ): "Burning costs a candle 2 cm of height an hour. It is lit at one and put out at five; what has it lost?",
    (
        "gsm8k",
        33,
    ): "Of Gretchen's 110 coins, some are gold and some silver, the gold ones 30 more. Count the gold ones.",
    ("gsm8k", 84): "In a season of 22 matches a team had 8 more wins than defeats. Give the number of wins.",
    (
        "gsm8k",
        123,
    ): "Rosie manages 10 mph for the first three hours of a run, then half that. How far is she after seven?",
    (
        "gsm8k",
        167,
    ): "Brooke is half Seth's age, and two years from now they will be 28 together. What is Seth's age now?",
    ("gsm8k", 190): "Picking two peaches every minute, how many has John got when three hours are over?",
    ("strategyqa", 0): "Which will have 100,000 people first, Albany, Georgia or Albany, New York: the southern one?",
    ("strategyqa", 5): "Does Miami lie on the Pacific side of the United States?",
    ("strategyqa", 12): "A child of six under ten gallons of sea water: would the weight be crushing?",
    ("strategyqa", 17): "Is Boolean algebra alone enough to write a computer program?",
    ("strategyqa", 20): "In a desert, does its coat hide a mongoose?",
    ("strategyqa", 38): "Are penguins a usual sight in Miami?",
}


class Row(NamedTuple):
    """A training row: what is asked, and what is learned."""

    question: str
    target: str


def read(name: str) -> list[dict[str, object]]:
    """Read a data set's file."""
    text = (DATA / name).read_text(encoding="utf-8")
    return list(json.loads(text)) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]


def load(name: str, target: str, question: str = "question") -> list[Row]:
    """Read rows; a list of facts is one text."""
    found = []
    for row in read(name):
        said = row.get(target, "")
        found.append(Row(str(row[question]), " ".join(said) if isinstance(said, list) else str(said)))
    return found


def held_out(source: str, rows: Sequence[Row]) -> list[HeldOut]:
    """Hold questions out, each known by its place."""
    return [HeldOut(id=f"{source} {at}", where=source, text=row.question) for at, row in enumerate(rows)]


# --- what is planted ---------------------------------------------------------------------------------------------


def varied(text: str, rng: Random) -> str:
    """Change case, spaces or punctuation, often two of them."""
    case = rng.choice((str, str.upper, str.lower, str.title, str.swapcase))
    spaces = rng.choice(("  ", "\n", "\t", "\u00a0", " \u200b", "", " "))
    marks: Callable[[str], str] = rng.choice(
        (
            lambda t: re.sub(r"[^\w\s+*/=<>^%-]", "", t),
            lambda t: re.sub(r"([,.?])", r" \1\1", t),
            lambda t: t.replace("'", "\u2019").replace('"', "\u201d"),
            lambda t: t.replace(" ", ", "),
            str,
        )
    )
    return case(marks(text)).replace(" ", spaces)


def other_numbers(text: str, rng: Random) -> str:
    """Give every number in figures another value of as many digits."""
    return re.sub(r"\d", lambda digit: str((int(digit[0]) + rng.randint(1, 8)) % 9 + 1), text)


def sentence_dropped(text: str, rng: Random) -> str:
    """Leave out one sentence."""
    parts = re.split(r"(?<=[.?!])\s+", text)
    parts.pop(rng.randrange(len(parts)))
    return " ".join(parts)


class Kind(NamedTuple):
    """A kind of leak: which questions it can be made of, and the row it makes of one."""

    fits: Callable[[str], bool]
    make: Callable[[str, Sequence[Row], Random], Row]


def _any(_: str) -> bool:
    return True


KINDS = {
    "verbatim": Kind(_any, lambda q, rows, rng: Row(q, rng.choice(rows).target)),
    "variant": Kind(_any, lambda q, rows, rng: Row(varied(q, rng), rng.choice(rows).target)),
    "number_changed": Kind(
        lambda q: bool(re.search(r"\d", q)), lambda q, rows, rng: Row(other_numbers(q, rng), rng.choice(rows).target)
    ),
    "sentence_dropped": Kind(
        lambda q: len(re.findall(r"[.?!](?:\s|$)", q)) > 1 and len(q.split()) >= 20,  # not "Dr. Seuss"
        lambda q, rows, rng: Row(sentence_dropped(q, rng), rng.choice(rows).target),
    ),
    "chat": Kind(
        _any,
        lambda q, rows, rng: Row(
            rng.choice(rows).question, f"User: Hi!\nUser: {q}\nAssistant: {rng.choice(rows).target}\nUser: Thanks"
        ),
    ),
    "appended": Kind(
        _any,
        lambda q, rows, rng: Row(rng.choice(rows).question, "\n".join([r.target for r in rng.sample(rows, 20)] + [q])),
    ),
}


def recall(
    held: Sequence[HeldOut], rows: Sequence[Row], planted: Sequence[tuple[str, Row]]
) -> tuple[dict[str, float], list[tuple[Row, Hit]]]:
    """Put rows in the place of some others, and count those refused for the right question, by source.

    Returns:
        The recall of each source and of all, and the refused rows that are real.
    """
    guard = Guard(held)
    rng = Random(1)
    places = dict(zip(rng.sample(range(len(rows)), len(planted)), planted, strict=True))
    corpus = [places[at][1] if at in places else row for at, row in enumerate(rows)]
    guard.learn(row.question for row in corpus)
    found: dict[str, list[bool]] = {"all": []}
    alarms: list[tuple[Row, Hit]] = []
    for at, row in enumerate(corpus):
        hits = [hit for text in row for hit in guard.hits(text) if hit.verdict == "leak"]
        if at in places:
            right = any(hit.held_out == places[at][0] for hit in hits)
            found["all"].append(right)
            found.setdefault(places[at][0].split()[0], []).append(right)
        elif hits:
            alarms.append((row, hits[0]))
    return {source: sum(some) / len(some) for source, some in found.items()}, alarms


def recalls(held: Sequence[HeldOut], rows: Sequence[Row]) -> dict[str, float]:
    """Print the recall of every kind of leak, and give it."""
    given: dict[str, float] = {}
    print(f"{'planted in ' + str(len(rows)) + ' rows':<26}{'planted':>8}{'found':>8}   by source; real rows refused")
    half = [[h for h in held if h.where == source] for source in ("gsm8k", "strategyqa")]
    for name, kind in KINDS.items():
        rng = Random(name)
        able = [[h for h in some if kind.fits(h.text)] for some in half]
        chosen = [h for some in able for h in rng.sample(some, min(len(some), PLANTED // 2))]
        planted = [(h.id, kind.make(h.text, rows, rng)) for h in chosen]
        given[f"{name}_recall"] = _line(name, planted, *recall(held, rows, planted))
    reworded = [(f"{source} {at}", Row(text, "")) for (source, at), text in REWORDED.items()]
    given["paraphrase_recall"] = _line("paraphrase", reworded, *recall(held, rows, reworded))
    return given


def _line(name: str, planted: Sequence[object], found: dict[str, float], alarms: Sequence[object]) -> float:
    by = ", ".join(f"{source} {100 * share:.0f} %" for source, share in found.items() if source != "all")
    print(f"{name:<26}{len(planted):>8}{100 * found['all']:>7.1f}%   {by}; {len(alarms)}")
    return round(found["all"], 4)


# --- the data sets themselves, and speed -------------------------------------------------------------------------


def overlaps(name: str, train: Sequence[Row], test: Sequence[Row], *, show: int) -> dict[str, int]:
    """Compare a data set's train with its test, question by question; list the leaks."""
    guard = Guard(held_out(name, test))
    guard.learn(row.question for row in train)
    found = [(at, hit) for at, row in enumerate(train) for hit in guard.hits(row.question)]
    leaks = [(at, hit) for at, hit in found if hit.verdict == "leak"]
    counts = {
        "whole": len({hit.held_out for _, hit in found if hit.how != "n-gram"}),
        "13gram": len({hit.held_out for _, hit in found if hit.longest >= 13}),
        "8gram": len({hit.held_out for _, hit in found}),
        "leak": len({hit.held_out for _, hit in leaks}),
        "leak_13gram": len({hit.held_out for _, hit in leaks if hit.longest >= 13}),
        "rows_refused": len({at for at, _ in leaks}),
    }
    targets = sum(guard.leak(row.target) is not None for row in train)
    print(
        f"\n{name}: {len(test)} test questions, {len(train)} training rows: {counts}; refused for the target: {targets}"
    )
    for at, hit in sorted(leaks, key=lambda pair: -pair[1].share)[:show]:
        print(f"  row {at} / {hit.held_out}: {100 * hit.share:.0f} % of its words, {hit.longest} in a row")
        print(f"    train: {train[at].question[:110]!r}")
        print(f"    test:  {test[int(hit.held_out.split()[-1])].question[:110]!r}")
    return {f"{name}_{key}": value for key, value in counts.items()} | {f"{name}_targets_refused": targets}


def speed(held: Sequence[HeldOut], rows: Sequence[Row]) -> dict[str, float]:
    """Stream a large corpus made of real rows past the guard."""
    guard = Guard(held)
    texts = [text for row in rows for text in row]
    guard.learn(texts)
    sizes = [len(text.split()) for text in texts]

    before, started = _peak_mb(), time.process_time()
    for at in range(CORPUS):
        guard.hits(texts[at % len(texts)])
    seconds, grown = time.process_time() - started, _peak_mb() - before
    tokens = sum(sizes[at % len(sizes)] for at in range(CORPUS))
    print(
        f"\n{CORPUS:,} texts, {tokens:,} tokens, {len(held):,} held-out questions: {seconds:.1f} s, {grown:.0f} MB more"
    )
    return {"tokens_per_s": round(tokens / seconds), "grown_mb": round(grown, 1)}


def _peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def main() -> None:
    """Print the tables and the line of JSON."""
    if not (DATA / "gsm8k").is_dir():
        sys.exit(f"{DATA} holds no data sets; set SELFIMPROVE_DATA to a folder with gsm8k, strategyqa and math")
    grade, facts = load("gsm8k/train.jsonl", "answer"), load("strategyqa/train.json", "facts")
    grade_test, facts_test = load("gsm8k/test.jsonl", "answer"), load("strategyqa/dev.json", "facts")
    held = [*held_out("gsm8k", grade_test), *held_out("strategyqa", facts_test)]
    rows = [*Random(0).sample(grade, 1000), *Random(0).sample(facts, 1000)]
    result: dict[str, float] = recalls(held, rows)
    real = overlaps("gsm8k", grade, grade_test, show=20) | overlaps("strategyqa", facts, facts_test, show=20)
    formulas = load("math/train.jsonl", "solution", "problem")
    formulas_test = load("math/math500.jsonl", "solution", "problem")
    real |= overlaps("math", formulas, formulas_test, show=5)
    result["false_alarms"] = sum(
        real[f"{name}_{key}"] for name in ("gsm8k", "strategyqa") for key in ("rows_refused", "targets_refused")
    )
    result |= speed([*held, *held_out("math", formulas_test)], [*grade, *facts, *formulas])
    print(json.dumps(result | real))
    if min(result["verbatim_recall"], result["variant_recall"]) < 1:
        sys.exit(1)


if __name__ == "__main__":
    main()

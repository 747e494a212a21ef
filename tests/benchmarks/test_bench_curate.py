from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from random import Random
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def _sums(index: int) -> tuple[str, str]:
    rng = Random(f"sums {index}")
    numbers = [rng.randrange(1000) for _ in range(3)]
    return f"What is {numbers[0]} + {numbers[1]} - {numbers[2]}?", str(numbers[0] + numbers[1] - numbers[2])


def _boxes(index: int) -> tuple[str, str]:
    rng = Random(f"boxes {index}")
    boxes, pens = rng.randrange(2, 300), rng.randrange(2, 300)
    return f"Tom has {boxes} boxes with {pens} pens in each. How many pens does he have?", str(boxes * pens)


def _words(index: int) -> tuple[str, str]:
    rng = Random(f"words {index}")
    word = "".join(rng.choice("abcdefgh") for _ in range(8))
    return f"Spell this word backward: {word}", word[::-1]


def _held(question: str) -> bool:
    return zlib.crc32(" ".join(question.lower().split()).encode()) % 10 == 0


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give the bench with three types of its own, for which nothing need be installed."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import curate_families

    monkeypatch.setattr(curate_families, "families", lambda *_: {"sums": _sums, "boxes": _boxes, "words": _words})
    for name in ("curate_run", "curate_script"):
        sys.modules.pop(name, None)
    import curate_run

    monkeypatch.setattr(curate_run, "families", curate_families.families)
    monkeypatch.setattr(curate_run, "is_test", _held)
    return curate_run


def test_scripted_growth_is_right_whole_and_exact(bench: Any) -> None:
    """Of a generator that is bad in a third of its problems and solvers wrong in a fifth, next to nothing bad is let in."""
    found = bench.grown_of(80, 3)
    assert found["precision"] >= 0.98
    assert found["recall"] >= 0.9
    assert found["quotas_met"]
    assert found["equal_share"]
    assert found["test_neighbours"] == 0
    assert found["grown"] == 210
    assert {"wrong answer", "wrong label", "duplicate", "held out", "structure"} <= set(found["reasons"])
    json.dumps(found)


@pytest.mark.parametrize(("admitted", "fault"), [("1,005", ""), ("1006", "wrong")])
def test_answer_that_is_let_in_is_what_counts(bench: Any, admitted: str, fault: str) -> None:
    """Whatever the first writing of the question stated, the admitted answer is right or wrong, in any notation."""
    from curate_script import Truth, World

    from selfimprove.answers.kinds import kind
    from selfimprove.curating.forms import Form
    from selfimprove.curating.reading import Written, built
    from selfimprove.curating.rows import Candidate, Place

    world = World({"sums": _sums}, _held)
    world.truth["What is 1000 + 5?"] = Truth("sums", "1005", "1005", "", "sums")
    problem = built(Written("What is 1000 + 5?", (), admitted), kind("number"), {})
    place = Place(path=(*bench.ABOVE, "sums"))
    made = {"id": "i", "seed": "s", "root": "s", "order": "o", "program": "p", "model": "m", "call": "c"}
    candidate = Candidate(problem=problem, place=place, generation=1, index=0, **made)
    assert bench._fault(candidate, Form(kind("number")), world) == fault


def test_real_part_counts_by_type_what_an_oracle_says(bench: Any, tmp_path: Path) -> None:
    """Its table holds each type with what was ordered, read and let in, and the shares that are right."""
    import curate_real
    from curate_script import Rates, Solver, World, Writer

    from selfimprove.ledger import Journaled, Ledger
    from selfimprove.store import RunFolder

    class Both:
        identity = "scripted/both"

        def complete(self, requests: Any) -> Any:
            return [(writer if r.role == "generate" else solver).complete([r])[0] for r in requests]

    world = World({"sums": _sums, "words": _words}, _held, rates=Rates(strayed=0.0, leaked=0.0))
    writer, solver = Writer(world, {}), Solver(world, "both")
    folder, ledger = RunFolder(tmp_path / "real"), Ledger(tmp_path / "real" / "ledger.sqlite")
    curate_real.grow_real(world, {"teacher": Journaled(Both(), ledger)}, folder, ledger, rows=12, rounds=3)
    oracles = {name: lambda problem: world.truth[problem.question].answer == problem.answer for name in world.families}
    found = curate_real.yields(folder, oracles)
    said = curate_real.summed(found)
    assert set(found) == {"sums", "words"}
    assert said["generator_right"] < 1.0 <= said["precision"] + 0.05
    assert said["read"] > said["believed"] >= said["let_in"] > 0
    assert "sums" in curate_real.table(found)
    folder.close()
    ledger.close()


@pytest.mark.parametrize(
    ("name", "question", "answer", "right"),
    [
        ("chain_sum", "State the final answer to the following arithmetic problem: 4 - 1 - 7 =", "-4", True),
        ("products", "Solve the following multiplication: 12 * 11. Give only the result.", "131", False),
        ("gcd", "Find the Greatest Common Divisor (GCD) of these numbers: 12, 18.", "6", True),
        ("prime_factorization", "Find the prime factorization of 12.", "2 x 2 x 3", True),
        ("count_primes", "Count how many prime numbers there are between 2 and 10 (inclusive) ?", "4", True),
        ("letter_counting", 'How many times does the letter "h" appear in the text: "hundred thousand"?', "2", True),
        ("spell_backward", "Spell this word backward (example: sun -> nus): abc", "cba", True),
        ("word_sequence_reversal", "Reverse this list of words: go, acute, and", "and, acute, go", True),
        ("fraction_simplification", "Simplify the fraction 12/18 to its lowest terms.", "4/6", False),
        ("letter_counting", "How many vowels are there?", "3", None),
        ("chain_sum", "Calculate the sum of the first 100 natural numbers.", "5050", None),
        ("decimal_chain_sum", "What is 1.5 - (-2.25)?", "3.75", True),
        ("products", "Solve the following subtraction: 8 - 2. Give only the result.", "6", True),
        ("basic_arithmetic", r"Calculate \(12 \times 3 - 5 \times 2 + 4 \div 2\).", "28", True),
        ("basic_arithmetic", "Calculate (-27) * (-3) + (-18) * (-2) + (-6) * (-3).", "135", True),
    ],
)
def test_oracles_work_questions_out(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    question: str,
    answer: str,
    right: bool | None,  # noqa: FBT001 - pytest gives it
) -> None:
    """From the words alone, and nothing where they cannot be read."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from curate_oracles import ORACLES

    from selfimprove.records import Problem

    assert ORACLES[name](Problem.of(question, answer)) is right

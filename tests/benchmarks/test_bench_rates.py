from __future__ import annotations

from types import ModuleType

import pytest

from selfimprove.records import Attempt, Completion, Verdict

BENCH = "rates"


def attempt(problem: str, sample: int, *, right: bool) -> Attempt:
    """Give a try of a problem, told in as many letters whether it is right or wrong."""
    verdict = Verdict.CORRECT if right else Verdict.WRONG
    said = Completion(text=f"Answer: {sample}", sample=sample)
    return Attempt(problem=problem, completion=said, answer=str(sample), verdict=verdict, strict=verdict)


def test_every_method_learns_from_the_same_tries(bench: ModuleType) -> None:
    """Pairs come of problems that are solved at times, verdicts and practice of all."""
    pool = list(bench.task_of(1, train=3).problems("train"))
    outcomes = [(True, True), (True, False), (False, False)]
    tries = [
        [attempt(problem.id, sample, right=right) for sample, right in enumerate(some)]
        for problem, some in zip(pool, outcomes, strict=True)
    ]
    rows = bench.rows_of(tries, pool)
    assert [pair.problem for pair in rows["dpo"]] == [pool[1].id]
    assert [one.right for one in rows["kto"]] == [right for some in outcomes for right in some]
    assert [(one.passed, one.failed) for one in rows["grpo"]] == [(2, 0), (1, 1), (0, 2)]


def test_rates_are_measured_against_the_student_before(bench: ModuleType) -> None:
    """The difference is paired over the problems of all seeds: 30 gained and 10 lost of 100 are 20 points."""
    pairs = [(True, False)] * 30 + [(False, True)] * 10 + [(True, True)] * 20 + [(False, False)] * 40
    found = bench.row([pairs[:50], pairs[50:]])
    low, high = found["interval"]
    assert (found["accuracy"], found["minus_before"], found["seeds"]) == (50.0, 20.0, 2)
    assert 7 < low < 20 < high < 33
    assert found["over_seeds"][0] < low  # 40 and 0 points: two seeds tell little
    assert bench.row([]) is None


def test_every_method_has_rates_between_those_known_by_hand(bench: ModuleType) -> None:
    """5e-5 hardly moved a student and 3e-4 ruined one: both ends are searched, and what lies between."""
    assert all(min(rates) == pytest.approx(5e-5) for rates in bench.RATES.values())
    assert all(sum(5e-5 < rate < 3e-4 for rate in rates) for rates in bench.RATES.values())
    assert set(bench.RATES) == set(bench.SETTINGS)

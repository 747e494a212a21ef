from __future__ import annotations

import importlib.util
import sys

import pytest

from selfimprove.errors import MissingDependencyError
from selfimprove.mining.kinds import Kind, Mined
from selfimprove.mining.patterns import Found, Group, Patterns, Tally, find_patterns, movements, steps_of
from selfimprove.mining.wording import Wording
from selfimprove.records import Interval, Problem, Verdict

APART: tuple[set[str], set[str]] = ({"a"}, {"b"})
"""Ids that two rounds tried, none of them the same."""
needs_sklearn = pytest.mark.skipif(importlib.util.find_spec("sklearn") is None, reason="scikit-learn is not installed")


def found(number: int, kind: Kind, first_wrong: int | None = None, **labels: str) -> Found:
    problem = Problem.of(f"Question {number}", "1", labels=labels, rationale="a\nb")
    mined = Mined(
        problem=problem.id,
        kind=kind,
        greedy=Verdict.CORRECT if kind in {Kind.RIGHT, Kind.LUCKY} else Verdict.WRONG,
        posterior_mean=0.5,
        interval=Interval(low=0, high=1),
        settled=True,
    )
    return Found(problem, mined, first_wrong)


def group(patterns: Patterns, by: str, value: str) -> Group:
    return next(g for g in patterns.groups if (g.by, g.value) == (by, value))


def test_groups_count_failures_and_leave_technical_ones_out() -> None:
    """A group's share is of problems with a verdict; truncated ones stand beside it, and are no examples."""
    rows = [found(i, kind, topic="time") for i, kind in enumerate([Kind.WRONG, Kind.LUCKY, Kind.RIGHT, Kind.RIGHT])]
    rows += [found(9 + i, kind, topic="time") for i, kind in enumerate([Kind.TRUNCATED, Kind.TIMEOUT])]
    got = group(find_patterns(rows), "topic", "time")
    assert (got.tried, got.failed, got.technical, got.rate) == (4, 2, 2, 0.5)
    assert set(got.examples) == {rows[0].problem.id, rows[1].problem.id}


def test_groups_by_steps_and_by_first_wrong_step() -> None:
    """Problems are grouped by how many steps they take, and failures by where they first go wrong."""
    patterns = find_patterns([found(1, Kind.WRONG, first_wrong=2), found(2, Kind.WRONG, 2), found(3, Kind.RIGHT)])
    step = group(patterns, "first wrong step", "2")
    assert (step.failed, step.tried, step.rate) == (2, 3, round(2 / 3, 6))
    assert group(patterns, "reasoning steps", "2").tried == 3
    assert steps_of(Problem.of("q", "1", labels={"steps": "7"}, rationale="a")) == 7
    assert steps_of(Problem.of("q", "1", decomposition=("a?", "b?", "c?"))) == 3


def test_first_wrong_step_is_a_share_of_all_that_was_tried() -> None:
    """Only failures have a wrong step, so its rate is of the whole pool, and it falls when the pool fails less there."""
    worse = find_patterns(found(i, Kind.WRONG if i < 60 else Kind.RIGHT, 1 if i < 60 else None) for i in range(100))
    better = find_patterns(found(i, Kind.WRONG if i < 20 else Kind.RIGHT, 1 if i < 20 else None) for i in range(100))
    moved = next(m for m in movements([worse, better], APART) if m.by == "first wrong step")
    assert (moved.rates, moved.tried) == ((0.6, 0.2), (100, 100))


def test_a_label_unique_to_each_problem_is_bounded() -> None:
    """The most frequent values stay apart with all their problems, the rest is one group, and the file says so."""
    tally = Tally(most=3)
    tally.add(found(i, Kind.WRONG if i % 2 else Kind.RIGHT, source=f"book {i % 2}", row=str(i)) for i in range(1000))
    made = tally.patterns()
    assert [g.tried for g in made.groups if g.by == "source"] == [500, 500]
    rows = [g for g in made.groups if g.by == "row"]
    assert len(rows) == 4
    assert (rows[-1].value, rows[-1].tried, rows[-1].failed) == ("(other)", 997, 499)
    assert len(rows[-1].examples) == 3
    (note,) = made.notes
    assert "row: the 3 most frequent values are told apart, and the 997 problems of the others" in note
    assert all(m.value != "(other)" for m in movements([made, made], APART))


def test_tally_keeps_no_more_values_than_it_has_room_for() -> None:
    """While problems come, memory is that of ten times the values that are told apart, and frequent ones survive."""
    tally = Tally(most=10)
    for start in range(0, 20_000, 100):
        rows = [found(i, Kind.WRONG, row="often" if i % 20 == 0 else str(i)) for i in range(start, start + 100)]
        tally.add(rows)
        assert len(tally._by["row"].counts) <= 100
    assert group(tally.patterns(), "row", "often").tried == 1000
    assert sum(g.tried for g in tally.patterns().groups if g.by == "row") == 20_000


def test_lucky_answers_have_no_wrong_step_and_right_ones_no_group() -> None:
    """A low-scored step of a solution that ends right is not where a failure lies."""
    patterns = find_patterns([found(1, Kind.RIGHT, first_wrong=1), found(2, Kind.WRONG, first_wrong=3)])
    assert [g.value for g in patterns.groups if g.by == "first wrong step"] == ["3"]


def test_movement_from_round_to_round() -> None:
    """A group that fails less in the next round has a negative change, and its interval leaves zero out when it is clear."""
    before = find_patterns(found(i, Kind.WRONG if i < 70 else Kind.RIGHT, topic="time") for i in range(100))
    after = find_patterns(found(i, Kind.WRONG if i < 20 else Kind.RIGHT, topic="time") for i in range(100))
    moved = next(m for m in movements([before, after], APART) if m.by == "topic")
    assert moved.rates == (0.7, 0.2)
    assert moved.change == pytest.approx(-0.5)
    assert moved.interval is not None
    assert -0.65 < moved.interval.low < moved.interval.high < -0.3


def test_change_over_problems_that_both_rounds_tried_has_no_interval() -> None:
    """The shares of two rounds that share problems are not independent, which the interval supposes."""
    rounds = [find_patterns(found(i, kind) for i in range(100)) for kind in (Kind.WRONG, Kind.RIGHT)]
    moved = {m.by: (m.change, m.interval) for m in movements(rounds, [{"a", "b"}, {"b", "c"}])}
    assert moved["all"] == (-1.0, None)


def test_group_that_was_not_tried_has_no_rate() -> None:
    """A round in which a group was not tried, or gave no verdict, says nothing about it."""
    first = find_patterns([found(1, Kind.WRONG, topic="time")])
    second = find_patterns([found(2, Kind.TRUNCATED, topic="time")])
    moved = next(m for m in movements([first, second], APART) if m.by == "topic")
    assert (moved.rates, moved.change) == ((1.0, None), None)


@needs_sklearn
def test_a_round_of_few_verdicts_gives_no_change() -> None:
    """Of ten problems seven were cut off at first: what the other three came to is no start to count from."""
    first = find_patterns(found(i, Kind.WRONG if i < 3 else Kind.TRUNCATED, topic="time") for i in range(10))
    rounds = [
        first,
        *(find_patterns(found(i, kind, topic="time") for i in range(10)) for kind in (Kind.WRONG, Kind.RIGHT)),
    ]
    moved = next(m for m in movements(rounds[:2], APART) if m.by == "topic")
    assert (moved.rates, moved.change) == ((1.0, 1.0), None)
    later = next(m for m in movements(rounds, ({"a"}, {"b"}, {"c"})) if m.by == "topic")
    assert later.change == -1.0


def test_wording_tells_stories_from_equations() -> None:
    """Problems worded alike are one group, whatever their numbers, and a new problem joins it."""
    stories = [Problem.of(f"Ana has {n} shells and finds {n + 1}. How many shells?", "1") for n in range(20)]
    equations = [Problem.of(f"Solve for x: x plus {n} equals {n + 3}", "3") for n in range(20)]
    wording = Wording([*stories, *equations], clusters=2)
    of_stories, of_equations = set(wording.of(stories)), set(wording.of(equations))
    assert len(of_stories) == len(of_equations) == 1
    assert of_stories != of_equations
    assert "shells" in of_stories.pop()
    assert wording.of([Problem.of("Solve for x: x plus 99 equals 100", "1")]) == list(of_equations)


@needs_sklearn
def test_numbers_alone_have_no_wording() -> None:
    """Questions without words are in no group instead of an error."""
    some = [Problem.of(f"{n} + {n}", "1") for n in range(5)]
    assert Wording(some, clusters=3).of(some) == [""] * 5


def test_missing_scikit_learn_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without scikit-learn the sentence says how to get it."""
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingDependencyError, match=r"pip install \"selfimprove\[mine\]\""):
        Wording([Problem.of("Which words are here?", "1")], clusters=2)

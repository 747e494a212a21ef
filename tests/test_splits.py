from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from selfimprove.errors import InputError
from selfimprove.records import Parsed, Problem, Split, Verdict
from selfimprove.splits import Guard, freeze, rungs

SIZES: dict[Split, int] = {"train": 10, "dev": 10, "test": 10}


@dataclass
class Given:
    """A task with given problems."""

    given: dict[str, list[Problem]]
    name: str = "given"
    instruction: str = ""
    read: list[str] = field(default_factory=list)

    def problems(self, split: Split) -> Iterator[Problem]:
        yield from self.given[split]

    def parse(self, text: str) -> Parsed:
        return Parsed(answer=text)

    def compare(self, answer: str, problem: Problem) -> Verdict:
        return Verdict.CORRECT if answer == problem.answer else Verdict.WRONG

    def conclude(self, rationale: str, answer: str) -> str:
        return f"{rationale} {answer}"


def p(question: str, **rest: object) -> Problem:
    return Problem.of(question, "1", **rest)


@pytest.mark.parametrize("twin", ["what is 2+2", "What is  2 + 2 ?", "WHAT IS 2 + 2!"])
def test_training_problem_that_is_held_out_is_dropped(twin: str) -> None:
    """Case, spaces and punctuation do not hide a test question in the training data."""
    splits = freeze(Given({"train": [p(twin), p("a")], "dev": [p("b")], "test": [p("What is 2 + 2?")]}), SIZES)
    assert [x.question for x in splits.train] == ["a"]
    assert [x.question for x in splits.leaked] == [twin]


def test_canonical_twin_is_dropped() -> None:
    """Procedural twins are caught by their canonical form, whatever their wording."""
    train = [p("2 + 3", canonical="sum +2 +3"), p("x")]
    splits = freeze(Given({"train": train, "dev": [p("b")], "test": [p("3 + 2", canonical="sum +2 +3")]}), SIZES)
    assert [x.question for x in splits.leaked] == ["2 + 3"]


def test_same_question_about_another_context_is_kept() -> None:
    """Questions such as "Is it true?" stand under many passages."""
    guard = Guard([p("Is it true?", context="one passage")])
    assert not guard.holds(p("Is it true?", context="another passage"))


def test_dev_and_test_that_overlap_are_refused() -> None:
    """A problem in dev and in test is one sentence."""
    with pytest.raises(InputError, match="in dev and in test"):
        freeze(Given({"train": [p("a")], "dev": [p("b")], "test": [p("B?")]}), SIZES)


@pytest.mark.parametrize("empty", ["train", "dev", "test"])
def test_empty_split_is_refused(empty: str) -> None:
    """Each split needs a problem."""
    given = {s: [p(s)] for s in ("train", "dev", "test")} | {empty: []}
    with pytest.raises(InputError, match=f"no {empty} problems"):
        freeze(Given(given), SIZES)


def test_all_leaked_is_refused() -> None:
    """A training split made of test questions trains nothing."""
    with pytest.raises(InputError, match="every training problem"):
        freeze(Given({"train": [p("t")], "dev": [p("d")], "test": [p("T!")]}), SIZES)


def test_rungs_are_in_natural_order() -> None:
    """Numbers by size, words behind them; a label nobody carries is refused with those there are."""
    some = [p(v, labels={"level": v}) for v in ("10", "2", "hard")]
    assert rungs(some, "level") == ["2", "10", "hard"]
    with pytest.raises(InputError, match="labels: level"):
        rungs(some, "depth")

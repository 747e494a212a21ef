from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from selfimprove.checks import check_splits
from selfimprove.config import make_config
from selfimprove.errors import InputError
from selfimprove.leakage import HeldOut
from selfimprove.records import Parsed, Problem, Split, Verdict
from selfimprove.splits import freeze, rungs

SIZES: dict[Split, int] = {"train": 10, "dev": 10, "test": 10}
GROUPS = {"train": [0, 2, 4], "dev": [0, 1], "test": [2, 3]}


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
    assert [x.problem.question for x in splits.leaked] == [twin]


def test_canonical_twin_is_dropped() -> None:
    """Procedural twins are caught by their canonical form, whatever their wording."""
    train = [p("2 + 3", canonical="sum +2 +3"), p("x")]
    splits = freeze(Given({"train": train, "dev": [p("b")], "test": [p("3 + 2", canonical="sum +2 +3")]}), SIZES)
    assert [x.problem.question for x in splits.leaked] == ["2 + 3"]


def test_training_problem_of_a_public_test_set_is_dropped() -> None:
    """What is held out besides dev and test is kept out of train as well, and says where it stands."""
    public = [HeldOut.of(p("How many legs have three dogs and a hen?"), "Legs test")]
    given = {"train": [p("how many legs have three dogs and a hen"), p("a")], "dev": [p("b")], "test": [p("c")]}
    splits = freeze(Given(given), SIZES, public)
    assert [x.question for x in splits.train] == ["a"]
    assert [x.hit.where for x in splits.leaked] == ["Legs test"]


def test_near_twins_of_dev_and_test_are_reported() -> None:
    """A dev problem that nearly is a test problem stays, and is written down."""
    story = "Ann has {} red apples and her brother Tom has twice as many green ones, so how many do they have together"
    splits = freeze(Given({"train": [p("a")], "dev": [p(story.format(3))], "test": [p(story.format(4))]}), SIZES)
    assert len(splits.dev) == 1
    assert [x.problem.question for x in splits.between] == [story.format(3)]


def test_shared_phrase_is_kept_and_reported() -> None:
    """A training problem that shares a phrase with a test problem stays in train, with the phrase written down."""
    end = "how much money does she have left at the end of the day"
    test = f"Ann sells forty of her old books to a shop in town for three dollars each and buys six new pens, {end}?"
    train = f"After the fair closes Mia counts her coins twice because two of them are missing, {end}?"
    splits = freeze(Given({"train": [p(train)], "dev": [p("b")], "test": [p(test)]}), SIZES)
    assert [x.hit.verdict for x in splits.phrases] == ["boilerplate"]
    assert splits.phrases[0].hit.shared == end


def test_dev_and_test_that_overlap_are_refused() -> None:
    """A problem in dev and in test is one sentence."""
    with pytest.raises(InputError, match="in dev and in test"):
        freeze(Given({"train": [p("a")], "dev": [p("b")], "test": [p("B?")]}), SIZES)


def test_a_group_stays_in_one_split() -> None:
    """Of what belongs together with dev or test nothing is trained on; a group in both of these is one sentence."""
    train, dev, test = ([p(f"{split} {n}", group=f"g{n}") for n in some] for split, some in GROUPS.items())
    splits = freeze(Given({"train": [*train, p("alone")], "dev": dev, "test": test}), SIZES)
    assert [x.question for x in splits.train] == ["train 4", "alone"]
    assert [(x.problem.question, x.hit.where, x.hit.held_out) for x in splits.leaked] == [
        ("train 0", "dev", dev[0].id),
        ("train 2", "test", test[0].id),
    ]
    with pytest.raises(InputError, match='of one group in dev and in test, such as "g2"'):
        freeze(Given({"train": train, "dev": [*dev, p("dev 2", group="g2")], "test": test}), SIZES)


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


def test_a_label_to_choose_by_that_nobody_carries_is_refused() -> None:
    """Before anything is spent, with those there are; one training problem that carries it is enough."""
    given = Given({"train": [p("a"), p("b", labels={"kind": "sum"})], "dev": [p("c")], "test": [p("d")]})
    check_splits(given, make_config({"select": {"stratify": "kind"}}))
    with pytest.raises(InputError, match=r'select\.stratify = "topic": no problem carries it; labels: kind'):
        check_splits(given, make_config({"select": {"stratify": "topic"}}))


def test_rungs_are_in_natural_order() -> None:
    """Numbers by size, words behind them; a label nobody carries is refused with those there are."""
    some = [p(v, labels={"level": v}) for v in ("10", "2", "hard")]
    assert rungs(some, "level") == ["2", "10", "hard"]
    with pytest.raises(InputError, match="labels: level"):
        rungs(some, "depth")

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from selfimprove.protocols import Task
from selfimprove.records import Problem, Split, Verdict
from selfimprove.tasks import load_task
from selfimprove.tasks.cuts import same_words

DATA = Path(
    os.environ.get("SELFIMPROVE_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
).resolve()
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
NAMES = ("gsm8k", "strategyqa", "math")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no data folder: set SELFIMPROVE_DATA")


@cache
def _task(name: str) -> Task:
    return load_task(name, data_dir=DATA)


@cache
def _problems(name: str, split: Split) -> tuple[Problem, ...]:
    return tuple(_task(name).problems(split))


def _all(name: str) -> Iterator[Problem]:
    for split in SPLITS:
        yield from _problems(name, split)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("gsm8k", (7073, 400, 1319)),
        ("strategyqa", (1660, 400, 229)),  # of 1,661 left in train, two are the same question
        ("math", (7073, 400, 500)),
    ],
)
def test_split_sizes(name: str, sizes: tuple[int, int, int]):
    """Every split has the documented size."""
    assert tuple(len(_problems(name, split)) for split in SPLITS) == sizes


@pytest.mark.parametrize("name", NAMES)
def test_splits_are_disjoint(name: str):
    """No id and no question, whatever its signs and case, stands in two splits."""
    for key in (lambda problem: problem.id, same_words):
        train, dev, test = ({key(problem) for problem in _problems(name, split)} for split in SPLITS)
        assert not train & dev
        assert not train & test
        assert not dev & test


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_unique(name: str):
    """Each problem has an id of its own."""
    ids = [problem.id for problem in _all(name)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", NAMES)
def test_reference_rationales_round_trip(name: str):
    """Every reference solution, concluded, is read back correct, strictly and leniently."""
    task = _task(name)
    for problem in _all(name):
        parsed = task.parse(task.conclude(problem.rationale, problem.answer))
        assert parsed.strict is not None, problem
        assert parsed.answer is not None, problem
        assert task.compare(parsed.strict, problem) is Verdict.CORRECT, (parsed, problem)
        assert task.compare(parsed.answer, problem) is Verdict.CORRECT, (parsed, problem)


def test_gsm8k_rationales_are_clean():
    """Calculator marks and the final line are gone, the steps are counted."""
    for problem in _all("gsm8k"):
        assert "<<" not in problem.rationale
        assert "####" not in problem.rationale
        assert int(problem.labels["steps"]) == len([line for line in problem.rationale.splitlines() if line.strip()])


def test_gsm8k_splits_do_not_move():
    """The hash decides: these are in dev today and for ever, and a smaller dev is part of a larger."""
    small = load_task("gsm8k", data_dir=DATA, sizes={"dev": 50, "train": 100})
    dev = {problem.id for problem in small.problems("dev")}
    train = {problem.id for problem in small.problems("train")}
    assert len(dev) == 50
    assert len(train) == 100
    assert dev <= {problem.id for problem in _problems("gsm8k", "dev")}
    assert train <= {problem.id for problem in _problems("gsm8k", "train")}
    larger = load_task("gsm8k", data_dir=DATA, sizes={"dev": 600})
    ids = {problem.id for problem in larger.problems("dev")}
    assert {problem.id for problem in _problems("gsm8k", "dev")} < ids
    assert not ids & {problem.id for problem in larger.problems("train")}


def test_strategyqa_dev_keeps_the_shares_of_answers():
    """Dev has as many "yes" in a hundred as the file it is cut from, to the problem."""
    dev = [problem.answer for problem in _problems("strategyqa", "dev")]
    train = [problem.answer for problem in _problems("strategyqa", "train")]
    share = (dev.count("yes") + train.count("yes")) / (len(dev) + len(train))
    assert abs(dev.count("yes") - share * len(dev)) < 1


def test_strategyqa_keeps_facts_and_decomposition():
    """Facts, sub-questions and a rationale of whole sentences come along."""
    for problem in _all("strategyqa"):
        assert problem.facts
        assert problem.decomposition
        assert problem.rationale[-1] in '.!?"'


def test_strategyqa_aliases_cover_every_question():
    """The data set's own ids name problems of the three splits."""
    task = _task("strategyqa")
    ids = {problem.id for problem in _all("strategyqa")}
    aliases = getattr(task, "aliases", {})
    assert len(aliases) == 2290
    assert set(aliases.values()) == ids


def test_math_leaves_out_what_shares_its_words_with_the_test():
    """One train problem differs from a MATH-500 problem only in signs, and is not trained on."""
    test = {same_words(problem) for problem in _problems("math", "test")}
    assert not any(same_words(problem) in test for problem in _problems("math", "train"))
    assert any("z^4 + z^2 + 1" in problem.question for problem in _problems("math", "test"))
    assert not any(
        "z^4 - z^2 + 1 = 0" in problem.question and "roots of unity" in problem.question for problem in _all("math")
    )


def test_environment_names_the_data_folder(monkeypatch: pytest.MonkeyPatch):
    """Without the argument, SELFIMPROVE_DATA is used."""
    monkeypatch.setenv("SELFIMPROVE_DATA", str(DATA))
    assert len(list(load_task("strategyqa").problems("test"))) == 229

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimprove.errors import InputError
from selfimprove.records import Problem
from selfimprove.tasks.cuts import divide, same_words, take


def _problems(count: int, first: int = 0) -> list[Problem]:
    return [Problem.of(f"Question {n}?", str(n % 2)) for n in range(first, first + count)]


@given(st.integers(2, 60), st.integers(0, 20), st.integers(0, 59))
def test_divide_gives_disjoint_splits(train: int, overlap: int, dev: int):
    """Whatever overlaps, no question is in two splits, and test keeps all of its own."""
    pools = {"train": _problems(train + 60), "test": _problems(20, first=train + 60 - overlap)}
    splits = divide(pools, name="t", dev_size=min(dev, train), key=same_words)  # type: ignore[arg-type]
    ids = {split: {problem.id for problem in problems} for split, problems in splits.items()}
    assert not ids["train"] & ids["dev"]
    assert not ids["train"] & ids["test"]
    assert not ids["dev"] & ids["test"]
    assert len(ids["test"]) == 20
    assert len(ids["dev"]) == min(dev, train)


def test_order_does_not_matter():
    """Dev holds the same problems when the file is shuffled."""
    one = divide({"train": _problems(50)}, name="t", dev_size=10)
    other = divide({"train": _problems(50)[::-1]}, name="t", dev_size=10)
    assert one["dev"] == other["dev"][::-1]
    assert one["train"] == other["train"][::-1]


def test_strata_keep_their_shares():
    """Ten of forty from classes of 30 and 10 are 7 or 8 and 2 or 3."""
    problems = [Problem.of(f"Q{n}?", "yes" if n < 30 else "no") for n in range(40)]
    dev = divide({"train": problems}, name="t", dev_size=10, stratum=lambda problem: problem.answer)["dev"]
    assert len(dev) == 10
    assert sum(problem.answer == "yes" for problem in dev) in {7, 8}


def test_too_large_dev_is_refused():
    """Dev may not use train up."""
    with pytest.raises(InputError, match="dev of 50 cannot be cut from 50"):
        divide({"train": _problems(50)}, name="t", dev_size=5, sizes={"dev": 50})


def test_take_is_nested_and_ordered():
    """A smaller share is part of a larger one, both in the order given."""
    problems = _problems(50)
    few, more = take(problems, 5), take(problems, 20)
    assert all(problem in more for problem in few)
    assert list(more) == [problem for problem in problems if problem in more]
    assert take(problems, 99) == tuple(problems)

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from selfimprove.errors import InputError, RunFolderError
from selfimprove.mining.levels import Cuts, aggregated
from selfimprove.mining.library import Graded, count_levels, load_library, save_library, student_hash
from selfimprove.mining.quotas import apportion, fill
from selfimprove.records import Verdict


def graded(number: int, level: int, identity: str = "weights-1", **labels: str) -> Graded:
    return Graded(
        problem=f"p{number:03d}",
        difficulty=level,
        pass_rate=0.0,
        samples=1,
        by="pass_rate",
        student=student_hash(identity),
        verdict=Verdict.WRONG if level else Verdict.CORRECT,
        labels=labels,
    )


def test_library_is_read_back_by_its_student(tmp_path: Path) -> None:
    """What was saved is read back whole by the student that was graded."""
    rows = [graded(i, i % 6, topic="time") for i in range(20)]
    save_library(tmp_path / "grades.jsonl", rows)
    assert list(load_library(tmp_path / "grades.jsonl", "weights-1")) == rows
    assert [p.name for p in tmp_path.iterdir()] == ["grades.jsonl"]


def test_library_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """A disk that is full amid the rows, and a place that can be none, leave what was there and nothing else."""
    save_library(tmp_path / "grades.jsonl", [graded(1, 1)])

    def rows() -> Iterator[Graded]:
        yield graded(2, 2)
        raise OSError(28, "No space left on device")

    with pytest.raises(RunFolderError, match=r"grades\.jsonl cannot be written: No space left"):
        save_library(tmp_path / "grades.jsonl", rows())
    assert list(load_library(tmp_path / "grades.jsonl", "weights-1")) == [graded(1, 1)]
    assert [p.name for p in tmp_path.iterdir()] == ["grades.jsonl"]
    with pytest.raises(RunFolderError, match="cannot be written"):
        save_library(tmp_path / "grades.jsonl" / "in a file.jsonl", [])


def test_library_of_another_student_is_refused(tmp_path: Path) -> None:
    """Levels hold for one student and adapter; for another the sentence says so, with the line."""
    save_library(tmp_path / "grades.jsonl", [graded(1, 1), graded(2, 2, "weights-2")])
    with pytest.raises(InputError, match="line 2: graded for the student"):
        list(load_library(tmp_path / "grades.jsonl", "weights-1"))
    with pytest.raises(InputError, match="line 1: graded for the student"):
        list(load_library(tmp_path / "grades.jsonl", "weights-1 with an adapter"))


def test_library_with_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    """A kind of failure that is none is told with its line and field."""
    row = graded(1, 1).model_dump_json().replace('"kind":""', '"kind":"clueless"')
    (tmp_path / "grades.jsonl").write_text(row + "\n")
    with pytest.raises(InputError, match=r"line 1: 'kind"):
        list(load_library(tmp_path / "grades.jsonl", "weights-1"))


@pytest.mark.parametrize("content", ["", "{}\n", '{"problem": "p1"}\n', "\xff\n", None])
def test_bad_library_is_one_sentence(tmp_path: Path, content: str | None) -> None:
    """A missing, damaged or foreign file is refused by name; an empty one is empty."""
    path = tmp_path / "grades.jsonl"
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    if content == "":
        assert list(load_library(path, "weights-1")) == []
        return
    with pytest.raises(InputError, match=r"grades\.jsonl"):
        list(load_library(path, "weights-1"))


def test_levels_by_label_as_table_and_plot() -> None:
    """The table has a row a label value with its counts by level, the plot a bar a level."""
    counts = count_levels([graded(1, 0, topic="a"), graded(2, 5, topic="a"), graded(3, 5, topic="b")], "topic")
    assert counts.all == (1, 0, 0, 0, 0, 2)
    assert counts.by_value == {"a": (1, 0, 0, 0, 0, 1), "b": (0, 0, 0, 0, 0, 1)}
    assert counts.table().splitlines()[1].split() == ["a", "1", "0", "0", "0", "0", "1", "2"]
    assert counts.plot(10).splitlines()[5] == "5  ########## 2"


def test_step_scores_become_one() -> None:
    """Mean, lowest, product and last of the step scores; nothing where there is no step."""
    scores = [0.5, 0.8, 1.0]
    got = [aggregated(scores, how) for how in ("mean", "min", "product", "last")]
    assert got == [pytest.approx(0.7667, abs=1e-4), 0.5, pytest.approx(0.4), 1.0]
    assert aggregated([], "min") is None


def test_equal_width_bins_are_fifths_of_the_scale() -> None:
    """The higher the score, the easier; the edges belong to the harder side."""
    cuts = Cuts.of("width", [])
    assert [cuts.level(s) for s in (0.0, 0.2, 0.21, 0.5, 0.79, 0.99, 1.0)] == [5, 5, 4, 3, 2, 1, 1]


@pytest.mark.parametrize("count", [5, 10, 20, 100])
def test_quantile_bins_are_fifths_of_the_pool(count: int) -> None:
    """However the scores lie, each level gets exactly a fifth of distinct ones."""
    scores = [0.9 + i / 1000 for i in range(count)]
    cuts = Cuts.of("quantiles", scores)
    levels = [cuts.level(s) for s in scores]
    assert levels == sorted(levels, reverse=True)
    assert [levels.count(level) for level in range(1, 6)] == [count // 5] * 5


@pytest.mark.parametrize("count", range(30))
def test_quotas_add_up(count: int) -> None:
    """Whole numbers always add up to the count, and none is off its share by one or more."""
    weights = [0.3, 5, 4, 0, 1.7, 1 / 3]
    parts = apportion(count, weights)
    assert sum(parts) == count
    assert all(abs(part - count * w / sum(weights)) < 1 for part, w in zip(parts, weights, strict=True))


def test_short_bucket_is_filled_from_its_neighbours() -> None:
    """What level 3 lacks comes from levels 2 and 4 first, and nothing is taken twice."""
    filled = fill([0, 0, 2, 6, 2, 0], [9, 9, 4, 1, 3, 9])
    assert filled.taken == [0, 2, 4, 1, 3, 0]
    assert sum(filled.taken) == 10
    assert [(short, other) for short, other, _ in filled.moved] == [(3, 2), (3, 4), (3, 1)]
    assert fill([2, 2], [1, 0]).missing == 3

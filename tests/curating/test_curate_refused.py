"""What a curation is begun with and cannot use: seeds, caps and settings, each told in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from grow_files import seeds, write

from selfimprove.curating.seeds import read_seeds
from selfimprove.curating.writing import sentence
from selfimprove.errors import InputError
from selfimprove.growth.settings import read_settings
from selfimprove.growth.stage import curate
from selfimprove.labels.reading import taxonomy_named


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "What is 1 + 1?", "answer": 2, "sub_type": "sums"}, '"subject" is missing'),
        ({**seeds(1)[0], "sub_type": "quotients"}, "not in the taxonomy"),
        ({**seeds(1)[0], "answer": ""}, '"answer"'),
    ],
)
def test_seed_that_cannot_be_used_is_named_with_its_line(tmp_path: Path, row: dict[str, object], said: str) -> None:
    """File, line and field, before anything is begun."""
    config = write(tmp_path, rows=[*seeds(), row])
    with pytest.raises(InputError, match=said) as refused:
        curate(read_settings(config), tmp_path / "out")
    assert "seeds.jsonl, line 13" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_problem_under_two_labels_is_refused_and_under_one_read_once(tmp_path: Path) -> None:
    """Both lines are named, and what differs."""
    taxonomy, once = taxonomy_named(str(write(tmp_path).parent / "taxonomy.toml")), seeds(2)
    path = write(tmp_path, rows=[*once, once[0]]).parent / "seeds.jsonl"
    assert len(read_seeds(path, taxonomy)) == len(once)
    path = write(tmp_path, rows=[*once, {**once[0], "sub_type": "products"}]).parent / "seeds.jsonl"
    said = r"""line 5: the problem of line 1 again, whose "sub_type" is 'sums' there and 'products' here"""
    with pytest.raises(InputError, match=said):
        read_seeds(path, taxonomy)


def test_problem_with_two_answers_is_refused(tmp_path: Path) -> None:
    """One of them is wrong, and would be shown as an example and counted as known."""
    taxonomy, once = taxonomy_named(str(write(tmp_path).parent / "taxonomy.toml")), seeds(2)
    path = write(tmp_path, rows=[*once, {**once[0], "answer": "77"}]).parent / "seeds.jsonl"
    with pytest.raises(
        InputError, match=r"""line 5: the problem of line 1 again, whose "answer" is .* and '77' here"""
    ):
        read_seeds(path, taxonomy)


@pytest.mark.parametrize("cap", ["budget_usd=1.0", "max_calls=100", "max_tokens=1000"])
def test_a_cap_beside_a_model_of_ones_own_is_refused(tmp_path: Path, cap: str) -> None:
    """Its calls would go past it."""
    with pytest.raises(InputError, match=rf"curate.{cap.partition('=')[0]} counts the calls of models behind a server"):
        curate(read_settings(write(tmp_path), [f"curate.{cap}"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_more_seeds_than_a_quota_are_told(tmp_path: Path) -> None:
    """All are written, and the end says how many are over."""
    figures = curate(read_settings(write(tmp_path, size=16, rows=seeds(8))), tmp_path / "out")
    over = sum(max(0, cell.there - cell.quota) for cell in figures.cells)
    assert over == 4
    assert (
        sentence(figures)
        == "4 problems were grown in 1 round: all quotas are met, with 4 more than they ask, all seeds"
    )


def test_sub_type_without_a_seed_is_named(tmp_path: Path) -> None:
    """It is refused, or left out where that is asked for."""
    config = write(tmp_path, size=24, rows=[row for row in seeds() if row.get("sub_type") == "sums"])
    with pytest.raises(InputError, match="no seed for Maths > Number > Whole > Work it out > products"):
        curate(read_settings(config), tmp_path / "out")
    made = curate(read_settings(config, ["curate.without_seeds=skip"]), tmp_path / "out")
    assert {cell.labels["sub_type"] for cell in made.cells} == {"sums"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("grow.rounds=1", "the quotas want 68 problems more than the seeds"),
        ("grow.varients=3", 'did you mean "variants"'),
        ("models.cheap.modle=x", 'did you mean "model"'),
        ('who.solve=["strong", "strong"]', "names a model twice"),
        ("who.generate=no_such_module:Name", "there is no module no_such_module"),
        ("who.generate=strng", 'did you mean "strong"'),
        ('curate.only=["Maths > Shape"]', "not in the taxonomy"),
        ("grow.factor=1", "grow.factor = 1 will not do"),
        ("trace.traces=best_scored", "needs trace.scorer"),
        ("curate.seeds=nowhere.jsonl", "nowhere.jsonl does not exist"),
    ],
)
def test_settings_that_will_not_do_are_one_sentence_and_leave_nothing(tmp_path: Path, change: str, said: str) -> None:
    """Before anything is written."""
    config = write(tmp_path)
    with pytest.raises(InputError, match=said.replace("(", r"\(")) as refused:
        curate(read_settings(config, [change]), tmp_path / "out")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()

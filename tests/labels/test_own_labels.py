"""Labels that a file has already: how they are read, and what a judgement adds to them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent))
from labelling_models import Knowing
from small_taxonomy import TOML, small

from selfimprove.curating.seeds import read_seeds
from selfimprove.errors import InputError
from selfimprove.labels import DIMENSIONS, LEVELS, TRAITS, Taxonomy, quotas
from selfimprove.labels.coverage import cover
from selfimprove.labels.given import Given, checked, joined, read_given
from selfimprove.labels.labelling import Labeller
from selfimprove.labels.stage import LabelReport, label_file

PLURALS = {
    "subject": "English",
    "topic": "Spelling",
    "sub_topic": "Plurals",
    "type": "Find it",
    "sub_type": "one step",
    "key_stage": "KS2",
    "difficulty": "hard",
    "form": "short answer",
}
FRACTIONS = PLURALS | {"subject": "Maths", "topic": "Number", "sub_topic": "Fractions", "key_stage": "KS3"}


@pytest.fixture
def taxonomy(tmp_path: Path) -> Taxonomy:
    return small(tmp_path)


def problems_of(folder: Path, row: dict[str, Any]) -> list[Given]:
    """Read one row from a file."""
    path = folder / "problems.jsonl"
    path.write_text(json.dumps({"question": "Which is it?", "answer": "1", **row}) + "\n")
    return read_given(path)


def labelled(
    problems: list[Given], said: dict[str, str], taxonomy: Taxonomy, out: Path
) -> tuple[LabelReport, dict[str, Any]]:
    """Label one problem by a model that says these labels, and give the report and the row that is written."""
    model = Knowing({problem.problem.id: dict.fromkeys(DIMENSIONS, "?") | said for problem in problems})
    report = label_file(problems, Labeller(taxonomy, model), Labeller(taxonomy, model, "check_label"), out)
    return report, json.loads((out / "labelled.jsonl").read_text())


def labels_in(row: dict[str, Any]) -> dict[str, str]:
    return {name: row[name] for name in DIMENSIONS if name in row}


def test_what_is_said_below_another_level_than_its_own_is_not_written(taxonomy: Taxonomy, tmp_path: Path) -> None:
    """A Maths problem that a model takes for English has no topic of English; the row says why, and so does coverage."""
    problems = checked(problems_of(tmp_path, {"subject": "maths"}), taxonomy)
    report, row = labelled(problems, PLURALS, taxonomy, tmp_path / "made")
    assert labels_in(row) == {"subject": "Maths", "key_stage": "KS2", "difficulty": "hard", "form": "short answer"}
    assert row["label_said"] == PLURALS
    assert row["label_complaint"] == (
        "What was said of topic, sub_topic, type, sub_type does not fit the row's own labels."
    )
    assert cover(read_given(tmp_path / "made" / "labelled.jsonl"), taxonomy).problems[0].why == '"topic" is missing'
    assert [(one.dimension, one.agreed, one.n) for one in report.gold] == [("subject", 0, 1)]


def test_a_judgement_is_not_told_the_labels_it_is_measured_against(taxonomy: Taxonomy, tmp_path: Path) -> None:
    """The same requests are made whether a row has labels or not."""
    asked = []
    for name, own in (("bare", {}), ("labelled", {"subject": "Maths", "topic": "Shape"})):
        problems = checked(problems_of(tmp_path, own), taxonomy)
        model = Knowing({problems[0].problem.id: PLURALS})
        label_file(problems, Labeller(taxonomy, model), Labeller(taxonomy, model, "check_label"), tmp_path / name)
        asked.append([request.messages for request in model.asked])
    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    ("own", "said", "written"),
    [
        ({"subject": "English"}, PLURALS, PLURALS),
        ({"difficulty": "easy"}, PLURALS, PLURALS | {"difficulty": "easy"}),
        ({"subject": "Maths", "topic": "Shape"}, FRACTIONS, {"subject": "Maths", "topic": "Shape"}),
        ({"sub_topic": "Plurals"}, FRACTIONS, {"subject": "English", "topic": "Spelling", "sub_topic": "Plurals"}),
        ({"subject": "Maths", "type": "Mend it"}, PLURALS,
         {"subject": "Maths", "topic": "Number", "sub_topic": "Addition", "type": "Mend it"}),
        ({"topic": "Shape"}, {"subject": "Maths"}, {"subject": "Maths", "topic": "Shape"}),
        ({}, {"subject": "English"}, {"subject": "English"}),
    ],
    ids=["fits", "trait", "below", "above", "between", "said less", "none"],
)  # fmt: skip
def test_own_labels_and_said_ones_make_one_path(
    own: dict[str, str], said: dict[str, str], written: dict[str, str], taxonomy: Taxonomy
) -> None:
    """Said levels are kept down to the first that does not fit; what the own ones leave no choice of is filled in."""
    found = joined(own, said, taxonomy)
    assert {name: found[name] for name in LEVELS if name in found} == {
        name: written[name] for name in LEVELS if name in written
    }
    if "difficulty" in written:
        assert found["difficulty"] == written["difficulty"]


def test_a_said_trait_that_the_path_does_not_take_is_left_out(taxonomy: Taxonomy) -> None:
    """English is for KS2 only, so that KS3, said of a Maths problem, is not written beside it; what fits is."""
    found = joined({"subject": "English"}, FRACTIONS, taxonomy)
    assert {name: found[name] for name in TRAITS if name in found} == {"difficulty": "hard", "form": "short answer"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_own_and_said_the_path_is_in_the_taxonomy(taxonomy: Taxonomy, data: st.DataObject) -> None:
    """Own labels of one leaf and said ones of another are never mixed into labels that no leaf takes."""
    own_whole, said_whole = (data.draw(st.sampled_from(quotas_of(taxonomy))) for _ in range(2))
    levels = data.draw(st.one_of(st.just(set[str]()), st.sets(st.sampled_from(list[str](LEVELS)))))
    kept = levels | data.draw(st.sets(st.sampled_from(TRAITS)))
    heard = [*LEVELS[: data.draw(st.integers(0, len(LEVELS)))], *data.draw(st.sets(st.sampled_from(TRAITS)))]
    own = {name: value for name, value in own_whole.items() if name in kept}
    found = joined(own, {name: said_whole[name] for name in heard}, taxonomy)
    assert found.items() >= own.items()
    assert any(found.items() <= whole.items() for whole in quotas_of(taxonomy))


def quotas_of(taxonomy: Taxonomy) -> list[dict[str, str]]:
    """Give all labels that a problem may have."""
    return [cell.labels for cell in quotas(taxonomy, by=TRAITS)]


def test_what_is_said_below_a_leaf_that_does_not_take_an_own_trait_is_left_out(tmp_path: Path) -> None:
    """A row that has a difficulty alone is no exception: what is written is in the taxonomy, or names no leaf."""
    taxonomy = small(tmp_path, TOML.replace('["easy", "hard"]', '["easy"]'))
    easy = {**PLURALS, "difficulty": "easy"}
    assert joined({"difficulty": "easy"}, easy, taxonomy) == easy
    found = joined({"difficulty": "hard"}, easy, taxonomy)
    assert found == {"key_stage": "KS2", "difficulty": "hard", "form": "short answer"}


def test_own_traits_that_no_leaf_takes_together_are_refused(taxonomy: Taxonomy, tmp_path: Path) -> None:
    """Medium is for Maths only; the message says how to leave such labels alone."""
    problems = problems_of(tmp_path, {"subject": "English", "difficulty": "medium"})
    with pytest.raises(InputError, match=r'"difficulty" is .medium., which is not in the taxonomy.*--no-gold'):
        checked(problems, taxonomy)
    text = TOML.replace('["easy", "hard"]', '["easy", "mad"]')
    with pytest.raises(InputError, match="\"difficulty\" is 'mad'"):
        checked(problems_of(tmp_path, {"key_stage": "KS3", "difficulty": "mad"}), small(tmp_path, text))


def test_labels_that_do_not_count_are_taken_out_of_the_row(taxonomy: Taxonomy, tmp_path: Path) -> None:
    """An old topic does not stay below a new subject, be it beside the question or inside `labels`; the rest stays."""
    for name, old in {
        "beside": FRACTIONS,
        "inside": {"labels": FRACTIONS},
        "both": {"labels": {**FRACTIONS, "author": "A"}, **FRACTIONS, "note": "kept"},
    }.items():
        problems = [one._replace(labels={}) for one in problems_of(tmp_path, old)]
        _, row = labelled(problems, {"subject": "English", "difficulty": "easy"}, taxonomy, tmp_path / name)
        below = {"topic": "Spelling", "sub_topic": "Plurals", "type": "Find it"}  # there is no other
        assert labels_in(row) == {"subject": "English", **below, "key_stage": "KS2", "difficulty": "easy"}
        assert row.get("labels") == ({"author": "A"} if "note" in old else None)
        assert row.get("note") == old.get("note")


def test_a_label_beside_the_question_comes_before_one_inside_labels(taxonomy: Taxonomy, tmp_path: Path) -> None:
    """`coverage` and `curate` read the same row alike; an empty field hides nothing."""
    row = {**PLURALS, "difficulty": None, "labels": {**FRACTIONS, "author": "A"}}
    found = problems_of(tmp_path, row)[0]
    assert found.labels == PLURALS
    seed = read_seeds(tmp_path / "problems.jsonl", taxonomy)[0]
    assert seed.labels == PLURALS | {"author": "A"}


@pytest.mark.parametrize("value", [True, ["Maths"]])
def test_a_label_that_is_no_text_is_refused_by_both(value: object, taxonomy: Taxonomy, tmp_path: Path) -> None:
    """The row and the field are named."""
    said = 'line 1: "subject" is .*, which is no label; give it as text'
    with pytest.raises(InputError, match=said):
        problems_of(tmp_path, {"labels": {**PLURALS, "subject": value}})
    with pytest.raises(InputError, match=said):
        read_seeds(tmp_path / "problems.jsonl", taxonomy)

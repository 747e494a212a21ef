from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from selfimprove.errors import InputError
from selfimprove.records import Problem, StepItem
from selfimprove.scorers.labels import LabelledSteps, labelled, read_labels, read_processbench

DATA = Path(os.environ.get("SELFIMPROVE_DATA", "missing"))


def written(tmp_path: Path, *rows: Any, as_list: bool = False) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(rows) if as_list else "\n".join(json.dumps(row) for row in rows), "utf-8")
    return path


def completion(text: str, rating: int | None) -> dict[str, Any]:
    return {"text": text, "rating": rating, "flagged": False}


def test_math_shepherd_labels_stand_where_the_tags_do(tmp_path: Path) -> None:
    """Signs are read at the places of the tags, so that a + or - inside a step is no label."""
    shown = "What is 5 + 3 - 1? Step 1: 5 + 3 = 8. ки\nStep 2: 8 - 1 = 6. The answer is: 6 ки"
    signed = "What is 5 + 3 - 1? Step 1: 5 + 3 = 8. +\nStep 2: 8 - 1 = 6. The answer is: 6 -"
    (row,) = read_labels(written(tmp_path, {"input": shown, "label": signed, "task": "GSM8K"}), "math-shepherd")
    assert row.question == "What is 5 + 3 - 1?"
    assert row.steps == ("5 + 3 = 8.", "8 - 1 = 6. The answer is: 6")
    assert row.labels == (1.0, 0.0)


def test_prm800k_follows_what_was_chosen(tmp_path: Path) -> None:
    """The chosen steps are one solution, each other rated completion ends a row in which it alone is labelled."""
    steps = [
        {"completions": [completion("a", 1), completion("b", -1)], "human_completion": None, "chosen_completion": 0},
        {"completions": [completion("c", 0)], "human_completion": None, "chosen_completion": 0},
        {
            "completions": [completion("d", -1), completion("e", None)],
            "human_completion": None,
            "chosen_completion": None,
        },
    ]
    row = {"question": {"problem": "Q"}, "label": {"steps": steps, "finish_reason": "found_error"}}
    found = read_labels(written(tmp_path, row), "prm800k")
    assert [(one.steps, one.labels) for one in found] == [
        (("a", "c"), (1.0, 1.0)),
        (("b",), (0.0,)),
        (("a", "c", "d"), (None, None, 0.0)),
    ]


def test_prm800k_takes_the_human_step(tmp_path: Path) -> None:
    """A step that a person wrote in place of the model's is right."""
    steps = [{"completions": [completion("a", -1)], "human_completion": {"text": "h"}, "chosen_completion": None}]
    found = read_labels(written(tmp_path, {"question": {"problem": "Q"}, "label": {"steps": steps}}), "prm800k")
    assert [(one.steps, one.labels) for one in found] == [(("h",), (1.0,)), (("a",), (0.0,))]


def test_processbench_knows_nothing_behind_the_error(tmp_path: Path) -> None:
    """Steps before the first wrong one are right, it is wrong, those behind it are unknown; -1 is right throughout."""
    rows = [{"problem": "Q", "steps": ["a", "b", "c"], "label": 1}, {"problem": "R", "steps": ["a"], "label": -1}]
    for as_list in (False, True):
        path = written(tmp_path, *rows, as_list=as_list)
        assert [one.labels for one in read_labels(path, "processbench")] == [(1.0, 0.0, None), (1.0,)]
        assert [wrong for _, wrong in read_processbench(path)] == [1, -1]


def test_the_real_processbench_files_are_read() -> None:
    """Labels read back are those in the file, for all 1,400 solutions."""
    for name, count in (("gsm8k", 400), ("math", 1000)):
        path = DATA / "processbench" / f"{name}.json"
        if not path.is_file():
            pytest.skip(f"{path} is missing; set SELFIMPROVE_DATA")
        rows = json.loads(path.read_text("utf-8"))
        found = read_processbench(path)
        assert [wrong for _, wrong in found] == [row["label"] for row in rows]
        assert [item.steps for item, _ in found] == [tuple(row["steps"]) for row in rows]
        assert len(found) == count


def test_own_rows_go_there_and_back(tmp_path: Path) -> None:
    """A scored solution is a training row; one without a verdict labels nothing and is left out."""
    item = StepItem(problem=Problem.of("Q", "1"), steps=("a", "b"))
    rows = [labelled(item, [0.75, 0.0], "Q", "mc"), labelled(item, None, "Q", "mc")]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(row.model_dump_json() for row in rows))
    assert read_labels(path) == rows[:1]


@pytest.mark.parametrize(
    ("row", "kind", "said"),
    [
        ({"question": "Q", "steps": ["a"], "labels": [1.0, 0.0]}, "steps", "one label"),
        ({"question": "Q", "steps": ["a"], "labels": [2.0]}, "steps", r"one label in \[0, 1\]"),
        ({"question": "Q", "steps": ["a"], "label": [1.0]}, "steps", "not of the format"),
        ({"problem": "Q", "steps": ["a"], "label": 4}, "processbench", "label 4 is no step"),
        ({"input": "Q Step 1: a ки", "label": "Q Step 1: a ?"}, "math-shepherd", "row 1: not of the format"),
        ({"question": "Q"}, "prm800k", "row 1: not of the format"),
        ({}, "prm900k", 'did you mean "prm800k"'),
    ],
)
def test_other_rows_are_refused_by_place(row: dict[str, Any], kind: Any, said: str, tmp_path: Path) -> None:
    """A row of another form is named by file and row, an unknown format by the nearest one."""
    with pytest.raises(InputError, match=said):
        read_labels(written(tmp_path, row), kind)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    """A broken line and a missing file are named."""
    path = tmp_path / "rows.jsonl"
    path.write_text("\n{")
    with pytest.raises(InputError, match="line 2: not JSON"):
        read_labels(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "none.jsonl")


def test_a_row_may_hold_what_ends_a_line_in_a_text(tmp_path: Path) -> None:
    """JSON leaves U+2028 as it is, and a question may hold it."""
    row = LabelledSteps(question="one\u2028two", steps=("1 + 1 = 2",), labels=(1.0,))
    (tmp_path / "rows.jsonl").write_text(row.model_dump_json() + "\n", "utf-8")
    assert [each.question for each in read_labels(tmp_path / "rows.jsonl")] == ["one\u2028two"]

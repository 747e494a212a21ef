from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from selfimprove.errors import InputError
from selfimprove.graphs.campaign import freeze_node
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.guarding import guard_of, guarded
from selfimprove.leakage import Refused
from selfimprove.records import PreferenceRow, TrackRow
from selfimprove.tasks.jsonl import JsonlTask

PUBLIC = (
    "A baker fills nine trays with fourteen buns each and drops one tray on the way to the shop. How many are left?"
)
SECRET = "If Zoe walks eleven blocks north and then seven blocks back, how far is she from where she began?"


@pytest.fixture
def crew(make_crew: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Crew:
    """A frozen campaign on a file of number problems, with GSM8K's test in the data folder."""
    folder = tmp_path / "data" / "gsm8k"
    folder.mkdir(parents=True)
    (folder / "test.jsonl").write_text(json.dumps({"question": PUBLIC, "answer": "#### 112"}) + "\n")
    for name in ("math", "processbench"):
        (tmp_path / "data" / name).mkdir()
    monkeypatch.setenv("SELFIMPROVE_DATA", str(tmp_path / "data"))
    lines = {
        "train": [f"What is {n} plus {n + 1}?" for n in range(30)] + [PUBLIC.upper(), SECRET.replace("?", " ??")],
        "dev": [f"What is {n} times 3?" for n in range(5)],
        "test": [SECRET, "What is 100 minus 1?"],
    }
    for split, asked in lines.items():
        rows = [json.dumps({"question": q, "answer": "1"}) for q in asked]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(rows))
    task = JsonlTask(tmp_path / "train.jsonl", dev=tmp_path / "dev.jsonl", test=tmp_path / "test.jsonl", kind="number")
    made = Crew(**{**make_crew().__dict__, "task": task})
    freeze_node(made)({})
    return made


def row(question: str, target: str) -> TrackRow:
    return TrackRow(
        id=target[:9],
        track="track_b",
        program="solve",
        inputs={"problem": question},
        target=target,
        answer="1",
        problem="p",
        source="teacher",
        round=1,
    )


def test_what_is_guarded_and_what_is_not_is_written_down(crew: Crew) -> None:
    """The run folder says what is guarded, what could not be, and which training problems were dropped for it."""
    report = crew.folder.json("data/leakage.json")
    assert {each["name"]: each["problems"] for each in report["guarded"]} == {"dev": 5, "test": 2, "GSM8K test": 1}
    assert {"MATH-500", "ProcessBench GSM8K"} < {each["name"] for each in report["not_guarded"]}
    assert {(each["where"], each["how"]) for each in report["dropped_from_train"]} == {
        ("GSM8K test", "exact"),
        ("test", "exact"),
    }
    assert not {PUBLIC.upper(), SECRET.replace("?", " ??")} & {p.question for p in crew.problems("train")}


def test_row_whose_target_holds_a_held_out_question_is_refused(crew: Crew) -> None:
    """A teacher's text passes the guard as the question does, and the reason is recorded with the held-out id."""
    clean = row("What is 1 plus 2?", "1 plus 2 is 3.\nAnswer: 3")
    told = row("What is 2 plus 3?", f"It is like this: {SECRET} She is 4 blocks away. Answer: 5")
    asked = row(PUBLIC.lower(), "Answer: 112")
    assert guarded(crew, [clean, told, asked], "round-01/refused_track_b.jsonl") == [clean]
    out = {r.field: r for r in crew.folder.rows("round-01/refused_track_b.jsonl", Refused)}
    assert (out["target"].hit.where, out["target"].hit.how) == ("test", "contained")
    assert out["problem"].hit.where == "GSM8K test"
    assert out["target"].hit.held_out in {p.id for p in crew.problems("test")}


@pytest.mark.parametrize("field", ["chosen", "rejected"])
def test_preference_pair_is_guarded_on_both_sides(crew: Crew, field: str) -> None:
    """What is preferred and what is not are both trained on."""
    sides = {"chosen": "It is 3.", "rejected": "It is 4."} | {field: f"Hm. {PUBLIC} 112."}
    pair = PreferenceRow(
        id="x", program="solve", inputs={"problem": "What is 1 plus 2?"}, problem="p", lesson="l", round=1, **sides
    )
    assert guarded(crew, [pair], "round-01/refused_preferences.jsonl") == []
    assert crew.folder.rows("round-01/refused_preferences.jsonl", Refused)[0].field == field


def test_guard_of_a_later_round_is_that_of_the_freeze(crew: Crew, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder that is gone on resume changes nothing: the run folder holds what is guarded."""
    monkeypatch.delenv("SELFIMPROVE_DATA")
    assert guard_of(crew).leak(PUBLIC)


def test_nothing_refused_writes_nothing(crew: Crew) -> None:
    """A clean track leaves no file of refused rows."""
    guarded(crew, [row("What is 1 plus 2?", "3")], "round-01/refused_track_b.jsonl")
    assert not crew.folder.has("round-01/refused_track_b.jsonl")


def test_procedural_row_is_refused_by_its_form(make_crew: Any) -> None:
    """A row whose training problem has the canonical form of a held-out one is refused, whatever its words."""
    crew = make_crew()
    freeze_node(crew)({})
    held = crew.problems("test")[0]
    train = [p.model_copy(update={"canonical": held.canonical}) for p in crew.problems("train")[:1]]
    crew.folder.write_rows("data/train.jsonl", train)
    one = row("other words", "Answer: 1").model_copy(update={"problem": train[0].id})
    assert guarded(crew, [one], "r.jsonl") == []
    assert crew.folder.rows("r.jsonl", Refused)[0].hit.how == "canonical"


def test_campaign_on_a_test_set_is_refused(crew: Crew, make_crew: Any, tmp_path: Path) -> None:
    """A training file that is a public test set is one sentence that names the set."""
    (tmp_path / "train.jsonl").write_text(json.dumps({"question": PUBLIC, "answer": "1"}) + "\n")
    again = Crew(**{**make_crew(tmp_path / "other").__dict__, "task": dataclasses.replace(crew.task)})
    with pytest.raises(InputError, match="also stands in GSM8K test"):
        freeze_node(again)({})

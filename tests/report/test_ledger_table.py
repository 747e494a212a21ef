"""The ledger as a table, as JSON and as a file."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from command_line import runs

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.ledger import Ledger, Reservation, Settlement, stage_of_calls
from selfimprove.records import Completion, Message, Request
from selfimprove.store import RunFolder

ASKED = Request(role="reason", messages=(Message(role="user", content="Why?"),), problem="p1")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Give a run folder with a few calls: answered, found again, failed, in doubt."""
    out = tmp_path / "run"
    RunFolder(out).close()
    ledger = Ledger(out / "ledger.sqlite")
    token = stage_of_calls.set("reason")
    with ledger.span("round-01"):
        for key in ("a", "b", "c", "d"):
            ledger.reserve([Reservation(key, ASKED, "openai/m", "reason", 0.5)])
        said = Completion(text="=1+1, so\n4", usd=0.25, prompt_tokens=1200, completion_tokens=30, model="openai/m")
        ledger.settle([Settlement("a", said, 2.0), Settlement("b", said, 4.0)])
        ledger.settle([Settlement("c", Completion(text="", finish_reason="error", error="too slow", model="openai/m"))])
        ledger.lookup(["a", "a", "b"])
    stage_of_calls.reset(token)
    ledger.close()
    Ledger(out / "ledger.sqlite").close()  # as after a kill: "d" is in doubt now
    return out


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command line, and give its exit code and what it said."""
    command = runs(monkeypatch, capsys)

    def call(*words: str | Path) -> tuple[int, str]:
        done = command(*words)
        return done.returncode, done.stdout + done.stderr

    return call


def test_the_table_shows_all_that_was_promised(cli: Any, run: Path) -> None:
    """Calls, hits, tokens, dollars, retries and percentiles by round, stage, role and model; failures with reasons."""
    code, said = cli("ledger", run)
    rows = [line.split() for line in said.splitlines()]
    assert code == 0
    assert rows[0][:4] == ["round", "stage", "role", "model"]
    numbers = ["4", "3", "1", "0", "2,400", "60", "0.5000", "2.000", "4.000"]
    assert rows[1] == ["1", "reason", "reason", "openai/m", *numbers]
    assert rows[2] == ["all", *numbers]
    assert "1 were under way when a process died (1 not asked again); $0.50 is held" in said
    assert "1 failed (reason): too slow" in said


def test_the_tests_evaluation_is_a_round_of_its_own(cli: Any, make_crew: Callable[..., Crew]) -> None:
    """Calls that open the test split stand last, as "final", apart from the baseline's; found ones, too."""
    crew = make_crew(campaign={"rounds": 1})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    sizes = {split: len(crew.problems(split)) for split in ("dev", "test")}
    crew.ledger.close()
    rows = json.loads(cli("ledger", crew.folder.path, "--by", "round,stage", "--json")[1])["groups"]
    of = {name: {row["stage"]: row["calls"] for row in rows if row["round"] == name} for name in (0, "final")}
    assert rows[-1]["round"] == "final"
    assert all(stage.startswith("final ") for stage in of["final"])
    assert of["final"]["final track_b"] == sizes["test"]
    assert not any(stage.startswith("final ") for stage in of[0])
    assert of[0]["evaluate base"] == sizes["dev"]
    assert cli("ledger", crew.folder.path, "--by", "round")[1].splitlines()[3].startswith("final")


def test_json_holds_the_same(cli: Any, run: Path) -> None:
    """Totals, groups and failures are one JSON object."""
    found = json.loads(cli("ledger", run, "--json", "--by", "stage")[1])
    assert (found["totals"]["answered"], found["totals"]["hits"], found["totals"]["in_doubt"]) == (2, 3, 1)
    assert found["groups"][0]["stage"] == "reason"
    assert found["groups"][0]["p95_s"] == 4.0
    assert found["failures"] == [{"role": "reason", "model": "openai/m", "reason": "too slow", "calls": 1}]


def test_every_call_is_exported(cli: Any, run: Path, tmp_path: Path) -> None:
    """JSONL and CSV hold one row a call, with its text or its reason."""
    assert "4 calls are written" in cli("ledger", run, "--export", tmp_path / "calls.jsonl")[1]
    cli("ledger", run, "--export", tmp_path / "calls.csv")
    lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text("utf-8").splitlines()]
    with (tmp_path / "calls.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (
        [row["state"] for row in lines]
        == [row["state"] for row in rows]
        == ["answered", "answered", "failed", "in doubt"]
    )
    assert (lines[0]["text"], lines[0]["problem"], lines[2]["error"]) == ("=1+1, so\n4", "p1", "too slow")
    assert rows[0]["text"] == lines[0]["text"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ledger", "nowhere"), "nowhere holds no ledger"),
        (("ledger", "RUN", "--by", "rol"), 'did you mean "role"?'),
        (("ledger", "RUN", "--export", "calls.xlsx"), "name a file that ends in .jsonl or .csv"),
        (("ledger", "RUN", "--export", "rows.jsonl"), "rows.jsonl exists and is not overwritten"),
    ],
)
def test_mistakes_are_one_sentence(
    cli: Any, run: Path, words: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong folder, grouping or file name is exit code 2 and one sentence; a file that is there is kept."""
    monkeypatch.chdir(tmp_path)
    Path("rows.jsonl").write_text("mine")
    code, text = cli(*[run if word == "RUN" else word for word in words])
    assert (code, len(text.strip().splitlines())) == (2, 1)
    assert said in text
    assert Path("rows.jsonl").read_text() == "mine"

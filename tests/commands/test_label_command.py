"""`selfimprove label`, with models behind servers on this machine."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "labels"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from command_line import Run, runs
from fake_server import Reply, serving
from small_taxonomy import TOML, small

from selfimprove.labels import DIMENSIONS, quotas
from selfimprove.labels.outline import WORDS
from selfimprove.labels.stage import LabelReport
from selfimprove.programs import plain
from selfimprove.programs.saved import Card, Measured, save_program
from selfimprove.records import Interval
from selfimprove.stats import compare_means


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    command = runs(monkeypatch, capsys, "label")
    return lambda *words, quiet=True: command(*words, *["--quiet"] * quiet)


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, Any]]:
    """Forty problems with gold labels, in a file beside their taxonomy."""
    cells = list(quotas(small(tmp_path), by=("form", "difficulty", "key_stage")))
    chosen = Random(3).sample(cells, 40)
    found = [
        {
            "question": f"Which is it, number {at}?",
            "answer": "1",
            **cell.labels,
            **({"choices": ["1", "2"]} if "choice" in cell.form else {}),
        }
        for at, cell in enumerate(chosen)
    ]
    for row in found:  # the right answer of a choice is no concern here
        row["note"] = "kept"
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    return found


def knowing(rows: list[dict[str, Any]], wrong: float = 0.0, seed: int = 0) -> Callable[[dict[str, Any]], Reply]:
    """Script a server that knows the labels and says a share of the difficulties wrongly."""

    def script(body: dict[str, Any]) -> Reply:
        text = body["messages"][-1]["content"]
        row = next(row for row in rows if f"{row['question']}\n" in f"{text}\n")
        asked = text.split("Asked:\n")[1].splitlines()
        lines = []
        for name, word in WORDS.items():
            if not any(line.startswith(f"{word}: ") for line in asked):
                continue
            value = row[name]
            if name == "difficulty" and Random(f"{seed} {row['question']}").random() < wrong:
                value = "hard" if value == "easy" else "easy"
            lines.append(f"{word}: {value} | 0.9")
        return Reply("It takes a step.\nLabels:\n" * ("sentence" in body["messages"][0]["content"]) + "\n".join(lines))

    return script


def test_problems_are_labelled_checked_and_measured(cli: Run, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Files hold the labels, the disputes and the figures; the table says them; again it costs no call."""
    with serving(knowing(rows)) as one, serving(knowing(rows, wrong=0.3)) as two:
        words = (
            "problems.jsonl",
            "--taxonomy",
            "small.toml",
            "--model",
            f"a@{one.url}",
            "--check-model",
            f"b@{two.url}",
            "--out",
            "made",
        )
        done = cli(*words)
        assert done.returncode == 0, done.stderr
        calls = one.calls + two.calls
        assert calls == 80
        assert cli(*words).stdout == done.stdout
        assert one.calls + two.calls == calls
    report = LabelReport.model_validate_json((tmp_path / "made" / "agreement.json").read_text())
    assert (report.problems, report.whole) == (40, 40)
    assert [one.dimension for one in report.gold] == list(DIMENSIONS)
    assert {one.accuracy for one in report.gold} == {1.0}
    check = {one.dimension: one for one in report.gold_of_check}
    assert check["topic"].kappa == 1.0
    assert 0 < 40 - check["difficulty"].agreed == report.disputed < 20
    disputed = [json.loads(line) for line in (tmp_path / "made" / "disagreements.jsonl").read_text().splitlines()]
    assert len(disputed) == report.disputed
    assert all(
        each["dimensions"] == ["difficulty"] and each["gold"] == each["first"] != each["second"] for each in disputed
    )
    made = [json.loads(line) for line in (tmp_path / "made" / "labelled.jsonl").read_text().splitlines()]
    assert [{name: row[name] for name in before} for row, before in zip(made, rows, strict=True)] == rows
    assert all(row["label_said"] == {name: row[name] for name in DIMENSIONS} for row in made)
    assert sum(bool(row["label_disputed"]) for row in made) == report.disputed
    table = list(csv.DictReader((tmp_path / "made" / "confusion.csv").open()))
    assert sum(int(r["problems"]) for r in table if (r["held_against"], r["dimension"]) == ("gold", "form")) == 40
    assert "Labels against gold labels" in done.stdout
    assert f"{report.disputed} disputed" in done.stdout


def test_without_gold_labels_only_the_judgements_are_compared(
    cli: Run, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A file of questions comes out labelled, and `--no-gold` writes over what a file has."""
    bare = [{"question": row["question"], "type": "no such type"} for row in rows]
    (tmp_path / "bare.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bare))
    with serving(knowing(rows)) as server:
        words = ("bare.jsonl", "--taxonomy", "small.toml", "--model", f"a@{server.url}", "--out", "made")
        refused = cli(*words)
        assert refused.returncode == 2
        assert "bare.jsonl, line 1: \"type\" is 'no such type', which is not in the taxonomy" in refused.stderr
        assert server.calls == 0
        assert not (tmp_path / "made").exists()
        done = cli(*words, "--no-gold")
    assert done.returncode == 0, done.stderr
    made = [json.loads(line) for line in (tmp_path / "made" / "labelled.jsonl").read_text().splitlines()]
    assert [row["sub_type"] for row in made] == [row["sub_type"] for row in rows]
    assert [row["type"] for row in made] == [row["type"] for row in rows]
    assert "gold" not in done.stdout
    assert (tmp_path / "made" / "disagreements.jsonl").read_text() == ""


def test_labels_of_another_file_are_not_overwritten(cli: Run, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """One sentence says what to do, nobody is asked, and the first file's labels stay."""
    (tmp_path / "others.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:5]))
    turned = [{**row, "other": other["question"]} for row, other in zip(rows, reversed(rows), strict=True)]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in turned))
    with serving(knowing(rows)) as server:
        more = ("--taxonomy", "small.toml", "--model", f"a@{server.url}")
        assert cli("problems.jsonl", *more).returncode == 0
        made, calls = (tmp_path / "runs/labels/labelled.jsonl").read_bytes(), server.calls
        refused = [cli("others.jsonl", *more), cli("problems.jsonl", *more, "--question-field", "other")]
        assert server.calls == calls
    for done in refused:
        assert done.returncode == 2
        assert "runs/labels holds labels of other problems" in done.stderr
        assert "give another --out" in done.stderr
    assert (tmp_path / "runs/labels/labelled.jsonl").read_bytes() == made


def test_at_the_budget_it_stops_and_goes_on(cli: Run, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """Code 3, nothing but the ledger written, and what was paid for is not paid again."""
    answer = knowing(rows)
    with serving(lambda body: answer(body)._replace(prompt_tokens=200)) as server:
        words = ("problems.jsonl", "--taxonomy", "small.toml", "--model", f"a@{server.url}", "--out", "made")
        words = (*words, "--input-price", "100", "--output-price", "100", "--concurrency", "1")
        done = cli(*words, "--budget-usd", "0.5")
        assert done.returncode == 3, done.stderr
        assert "--budget-usd" in done.stderr
        assert [path.name for path in (tmp_path / "made").iterdir() if "ledger" not in path.name] == []
        assert 0 < (before := server.calls) < 80
        assert cli(*words, "--budget-usd", "100").returncode == 0
        assert server.calls == 80
        assert before < 80


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gone.jsonl", "--taxonomy", "small.toml", "--model", "openai/gpt-4o"), "gone.jsonl does not exist"),
        (("problems.jsonl", "--taxonomy", "gone.toml", "--model", "openai/gpt-4o"), "gone.toml cannot be read"),
        (
            ("problems.jsonl", "--taxonomy", "three_subject", "--model", "openai/gpt-4o"),
            'did you mean "three_subjects"?',
        ),
        (("problems.jsonl", "--taxonomy", "bad.toml", "--model", "openai/gpt-4o"), 'there is no subject "Mathz"'),
        (("problems.jsonl", "--taxonomy", "small.toml", "--model", "openai/gpt-4o"), "needs a key"),
        (("problems.jsonl", "--taxonomy", "small.toml", "--model", "a@nowhere"), 'the model "a@nowhere" names none'),
        (("problems.jsonl", "--taxonomy", "small.toml", "--model", "a@http://127.0.0.1:9/v1"), "127.0.0.1:9"),
        (
            ("wrong.jsonl", "--taxonomy", "small.toml", "--model", "openai/gpt-4o"),
            '"topic" is \'Numbr\', which is not in the taxonomy "small" there; did you mean "Number"?',
        ),
        (
            ("twice.jsonl", "--taxonomy", "small.toml", "--model", "openai/gpt-4o"),
            "line 2: the problem of line 1 again",
        ),
        (
            ("problems.jsonl", "--taxonomy", "small.toml", "--model", "openai/gpt-4o", "--question-field", "quest"),
            '"quest" is missing',
        ),
        (
            ("problems.jsonl", "--taxonomy", "three_subjects", "--model", "openai/gpt-4o"),
            'which is not in the taxonomy "three subjects"',
        ),
    ],
)
def test_a_wrong_command_is_one_sentence(
    words: tuple[str, ...], said: str, cli: Run, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Exit code 2, one sentence, and nothing written."""
    (tmp_path / "bad.toml").write_text(TOML.replace('under = "Maths"', 'under = "Mathz"'))
    (tmp_path / "wrong.jsonl").write_text('{"question": "Which?", "topic": "Numbr"}\n')
    (tmp_path / "twice.jsonl").write_text('{"question": "Which?"}\n{"question": "Which?"}\n')
    before = sorted(tmp_path.iterdir())
    done = cli(*words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_saved_prompt_that_cannot_be_used_leaves_nothing(
    cli: Run, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """It has no card: one sentence, nobody is asked, and no ledger is left behind."""
    (tmp_path / "programs").mkdir()
    (tmp_path / "programs" / "label.json").write_text(plain("label").dump())
    with serving(knowing(rows)) as server:
        done = cli("problems.jsonl", "--taxonomy", "small.toml", "--model", f"a@{server.url}", "--out", "runs/made")
        assert server.calls == 0
    assert done.returncode == 2
    assert "label.card.json cannot be read" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_saved_prompts_label_and_check_unless_plain_is_asked_for(
    cli: Run, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    """What a card proves in `programs/` is used, which is said; the report holds the prompts' hashes."""
    half = Measured(score=0.5, interval=Interval(low=0.4, high=0.6))
    for name in ("label", "check_label"):
        program = plain(name).with_instructions(f"With care. {plain(name).instructions}")
        card = Card(
            program=name, task="any", fields=program.fields, saved="", optimizer="gepa", metric="match", model="m",
            written_by="w", cases=9, held_out=20, before=half, after=half, gain=compare_means([1.0] * 20, [0.0] * 20),
            data="d", seed=0, date="2026-01-01",
        )  # fmt: skip
        save_program(program, card, tmp_path / "programs" / f"{name}.json")
    with serving(knowing(rows)) as server:
        words = ("problems.jsonl", "--taxonomy", "small.toml", "--model", f"a@{server.url}", "--out", "made")
        done = cli(*words, quiet=False)
        assert done.returncode == 0
        assert len(re.findall(r"label\.json is in force \(.*measured with m,", done.stderr)) == 2
        cared = [body["messages"][0]["content"].startswith("With care.") for body in server.bodies]
        assert cared == [True] * 80
        prompts = LabelReport.model_validate_json((tmp_path / "made" / "agreement.json").read_text()).prompts
        refused = cli(*words, "--plain")
        assert refused.returncode == 2
        assert "another taxonomy, model or prompt; give another --out" in refused.stderr
        assert cli(*words[:-1], "bare", "--plain").returncode == 0
        assert not any(body["messages"][0]["content"].startswith("With care.") for body in server.bodies[80:])
    assert prompts["label"] != plain("label").hash()
    bare = LabelReport.model_validate_json((tmp_path / "bare" / "agreement.json").read_text()).prompts
    assert bare == {name: plain(name).hash() for name in ("label", "check_label")}

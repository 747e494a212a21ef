"""`selfimprove prm evaluate`, with a student and a judge behind servers on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from command_line import Run, runs
from fake_server import Reply, serving

from selfimprove.programs import plain
from selfimprove.programs.saved import Card, Measured, save_program
from selfimprove.records import Interval
from selfimprove.scorers.figures import ScorerCard
from selfimprove.stats import compare_means
from selfimprove.tasks.arithmetic import Arithmetic

OPTIONS = ("--option", 'kinds=["sum"]', "--option", "levels=[3]", "--option", "sizes={train=90}")
TASK = Arithmetic(kinds=("sum",), levels=(3,), sizes={"train": 90})
ROWS = [
    {
        "problem": f"What is {at} + 1?",
        "steps": [f"{at} + 1 = {at + 1}", "So 777" if at % 2 else "Done"],
        "label": 1 if at % 2 else -1,
    }
    for at in range(40)
]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SELFIMPROVE_CACHE", str(tmp_path / "cache"))
    return runs(monkeypatch, capsys, "prm", "evaluate")


def student(body: dict[str, Any]) -> Reply:
    """Solve the asked problem, half of the time with a wrong step."""
    asked = body["messages"][-1]["content"]
    problem = next(p for p in TASK.problems("train") if p.question in asked)
    steps, answer = problem.rationale.splitlines(), problem.answer
    rng = Random(f"{problem.id} {body.get('seed')}")
    if rng.random() < 0.5:
        at = rng.randrange(len(steps))
        steps[at], answer = f"{steps[at].rpartition('= ')[0]}= 777", "777"
    return Reply(TASK.conclude("\n".join(steps), answer))


def judge(body: dict[str, Any]) -> Reply:
    """Doubt every step that says 777."""
    steps = [line for line in body["messages"][-1]["content"].splitlines() if line[:1].isdigit() and ". " in line]
    doubted = [at for at, line in enumerate(steps, 1) if "777" in line]
    lines = [f"{at}: {0.1 if at in doubted else 0.9}" for at in range(1, len(steps) + 1)]
    return Reply("\n".join([*lines, f"First wrong: {doubted[0] if doubted else 'none'}"]))


def test_a_scorer_is_measured_on_a_task_and_its_card_written(cli: Run, tmp_path: Path) -> None:
    """The table is printed and the card kept; the same again asks the student nothing."""
    with serving(student) as server:
        words = ("exact", "--task", "arithmetic", *OPTIONS, "--student", f"openai-server:m@{server.url}")
        done = cli(*words, "--samples", "2", "--quiet")
        assert done.returncode == 0, done.stderr
        assert "AUC (95 %)" in done.stdout
        assert "1.000 (1.000 to 1.000)" in done.stdout
        assert "mean log-probability: left out" in done.stdout  # this server gives none
        asked = server.calls
        assert asked == 90 * 3
        again = cli(*words, "--samples", "2", "--quiet", "--json", "--card", "card.json")
        assert server.calls == asked
    card = ScorerCard.model_validate_json(again.stdout)
    assert card == ScorerCard.model_validate_json((tmp_path / "card.json").read_bytes())
    (kept,) = (tmp_path / "cache" / "scorers").iterdir()
    assert card == ScorerCard.model_validate_json(kept.read_bytes())
    assert card.measured[0].student.startswith("openai-server")


def test_a_judge_is_measured_through_the_ledger(cli: Run, tmp_path: Path) -> None:
    """A judge on this machine is asked once a solution, costs nothing, and is found in the ledger the second time."""
    (tmp_path / "bench.json").write_text(json.dumps(ROWS))
    with serving(judge) as server:
        words = (f"judge:m@{server.url}", "--processbench", "bench.json", "--quiet")
        done = cli(*words, "--json")
        assert done.returncode == 0, done.stderr
        assert server.calls == 40
        table = cli(*words)
        assert server.calls == 40
    (found,) = ScorerCard.model_validate_json(done.stdout).measured
    assert found.own.processbench is not None
    assert found.own.processbench.f1 == 1.0
    assert "100.0\N{NO-BREAK SPACE}%" in table.stdout
    assert "majority label" in table.stdout


def test_a_judge_without_a_known_price_is_told_one(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent to a model that no list knows until both prices are given, and then within the budget alone."""
    (tmp_path / "bench.json").write_text(json.dumps(ROWS))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    words = ("judge:openai/made-up", "--processbench", "bench.json", "--budget-usd", "0", "--quiet")
    unknown, half = cli(*words), cli(*words, "--input-price", "1")
    assert (unknown.returncode, half.returncode) == (2, 2)
    assert '"openai/made-up" has no known price' in unknown.stderr
    assert "output_price (--output-price) is not set" in half.stderr
    assert cli(*words, "--input-price", "1", "--output-price", "2").returncode == 3  # at the budget


def test_a_judge_is_measured_with_the_prompt_that_is_in_force(cli: Run, tmp_path: Path) -> None:
    """A saved prompt of judge_steps is taken as campaigns take it, --program names another or plain."""
    (tmp_path / "bench.json").write_text(json.dumps(ROWS))
    program = plain("judge_steps").with_instructions("Doubt what is odd.")
    half = Measured(score=0.5, interval=Interval(low=0.4, high=0.6))
    card = Card(
        program="judge_steps", task="any", fields=program.fields, saved="", optimizer="gepa", metric="m", model="m",
        written_by="w", cases=9, held_out=20, before=half, after=half, gain=compare_means([1.0] * 20, [0.0] * 20),
        data="d", seed=0, date="2026-01-01",
    )  # fmt: skip
    save_program(program, card, tmp_path / "programs" / "judge_steps.json")
    save_program(plain("judge"), card, tmp_path / "judge.json")
    with serving(judge) as server:
        words = (f"judge:m@{server.url}", "--processbench", "bench.json", "--quiet", "--json")
        names = [
            ScorerCard.model_validate_json(cli(*words, *more).stdout).scorer
            for more in ((), ("--program", "programs/judge_steps.json"), ("--program", "plain"))
        ]
        wrong = cli(*words, "--program", "judge.json")
    assert [name.endswith(f"#{program.hash()}") for name in names] == [True, True, False]
    assert names[2].endswith(f"#{plain('judge_steps').hash()}")
    assert wrong.returncode == 2
    assert len(wrong.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("exact", "--processbench", "bench.json", "--program", "plain"), "--program is the prompt of a judge"),
        (("exact",), "give --task arithmetic, or --processbench FILE"),
        (
            ("exct", "--task", "arithmetic", "--student", "openai-server:m@http://127.0.0.1:9/v1"),
            'did you mean "exact"',
        ),
        (("some-prm", "--processbench", "bench.json"), "the families are qwen2.5-math-prm"),
        (("judge:", "--processbench", "bench.json"), "write judge:MODEL"),
        (("monte-carlo", "--processbench", "bench.json"), "name a task with --task"),
        (("no_such_module:Scorer", "--processbench", "bench.json"), "there is no module no_such_module"),
        (("selfimprove.records:Problem", "--processbench", "bench.json"), "selfimprove.records:Problem"),
        (("json:loads", "--processbench", "bench.json"), "lacks identity or score()"),
        (("exact", "--processbench", "gone.json"), "gone.json cannot be read"),
        (("exact", "--task", "arithmetik"), 'did you mean "arithmetic"'),
        (("exact", "--task", "arithmetic", "--option", "levels"), "write KEY=VALUE"),
    ],
)
def test_a_wrong_command_is_one_sentence(cli: Run, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """What cannot be measured, and what is no scorer, ends with exit code 2 and one sentence."""
    (tmp_path / "bench.json").write_text(json.dumps([{"problem": "q", "steps": ["a"], "label": -1}]))
    done = cli(*words, "--quiet")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

"""`selfimprove compile`, with models behind a server on this machine."""

from __future__ import annotations

import json
import re
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from command_line import Run, runs
from fake_server import Reply, serving

from selfimprove.ledger import Ledger
from selfimprove.programs.saved import load_saved
from selfimprove.tasks.arithmetic import Arithmetic

TASK = Arithmetic(kinds=("sum",), levels=(3,), sizes={"train": 60, "dev": 10, "test": 10})
OPTIONS = ("--option", 'kinds=["sum"]', "--option", "levels=[3]", "--option", "sizes={train=60,dev=10,test=10}")
GOOD = "Add the numbers from left to right."


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    command = runs(monkeypatch, capsys, "compile")
    return lambda *words, quiet=True: command(*words, *["--quiet"] * quiet)


def reply(body: dict[str, Any]) -> Reply:
    """Solve what is asked, rightly where the instruction says how; write that instruction when asked for one."""
    system, asked = body["messages"][0]["content"], body["messages"][-1]["content"]
    if "write a new instruction" in asked:
        return Reply(f"```\n{GOOD} {TASK.instruction}\n```")
    problem = next((p for p in TASK.problems("train") if p.question in asked), None)
    if problem is None:  # the second try of a reply that was not in form
        return Reply("I do not know.")
    return Reply(TASK.conclude("So it is.", problem.answer if GOOD in system else "1"))


def test_a_program_is_compiled_saved_and_told_about(cli: Run, tmp_path: Path) -> None:
    """The instruction that helps is found, measured on cases held out, and saved where campaigns look."""
    with serving(reply) as server:
        words = ("reason", *OPTIONS, "--model", f"m@{server.url}", "--problems", "40", "--calls", "60")
        done = cli(*words)
        assert done.returncode == 0, done.stderr
        asked = server.calls
        again = cli(*words)
        assert server.calls == asked  # all of it is in the ledger
    program, card = load_saved(tmp_path / "programs" / "arithmetic" / "reason.json")
    assert GOOD in program.instructions
    assert (card.optimizer, card.metric, card.before.score, card.after.score) == ("gepa", "valid", 0.0, 1.0)
    assert card.proven
    assert "a gain" in done.stdout
    assert "taken by campaigns of arithmetic, curations whose seeds are arithmetic.jsonl.\n" in done.stdout
    assert again.stdout == done.stdout


def test_at_the_budget_it_stops_and_the_same_command_goes_on(cli: Run, tmp_path: Path) -> None:
    """Exit code 3 with nothing saved; with more, what was answered is not asked again."""
    price = ("--input-price", "1", "--output-price", "1", "--max-tokens", "64")
    with serving(reply) as server:
        words = ("reason", *OPTIONS, "--model", f"m@{server.url}", "--problems", "40", "--calls", "40", *price)
        first = cli(*words, "--budget-usd", "0.002")
        assert first.returncode == 3, first.stderr
        assert "--budget-usd = 0.002 is reached" in first.stderr
        assert "run the same command" in first.stderr
        assert not (tmp_path / "programs").exists()
        before = server.calls
        assert before > 0
        second = cli(*words, "--budget-usd", "10")
        assert second.returncode == 0, second.stderr
        assert server.calls > before
    assert max(server.answered.values()) == 1


def test_a_judge_is_compiled_on_a_students_solutions(cli: Run, tmp_path: Path) -> None:
    """As many right solutions as wrong ones; a judge that always says yes has a balanced accuracy of a half."""

    def student(body: dict[str, Any]) -> Reply:
        problem = next(p for p in TASK.problems("train") if p.question in body["messages"][-1]["content"])
        return Reply(TASK.conclude(problem.rationale, problem.answer if (body.get("seed") or 0) % 2 else "-77"))

    def judge(body: dict[str, Any]) -> Reply:
        system, asked = body["messages"][0]["content"], body["messages"][-1]["content"]
        if "write a new instruction" in asked:
            return Reply(f"```\n{GOOD} End with Verdict: yes or no.\n```")
        wrong = GOOD in system and asked.rstrip().endswith(TASK.conclude("", "-77").strip())
        return Reply("Verdict: no" if wrong else "Verdict: yes")

    with serving(student) as first, serving(judge) as second:
        words = ("judge", *OPTIONS, "--model", f"m@{second.url}", "--student", f"openai-server:s@{first.url}")
        done = cli(*words, "--problems", "40", "--calls", "60")
    assert done.returncode == 0, done.stderr
    assert "Nothing runs judge but what compiles and measures it" in done.stdout
    _, card = load_saved(tmp_path / "programs" / "arithmetic" / "judge.json")
    assert (card.metric, card.before.score, card.after.score) == ("balanced_accuracy", 0.5, 1.0)


def test_a_compile_split_that_overlaps_dev_is_refused(cli: Run, tmp_path: Path) -> None:
    """A file of problems that holds one of dev: one sentence, exit code 2, nothing written and nobody asked."""
    held = next(TASK.problems("dev"))
    rows = [{"question": p.question, "answer": p.answer} for p in (*TASK.problems("train"), held)]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with serving(reply) as server:
        done = cli("reason", *OPTIONS, "--model", f"m@{server.url}", "--problems-file", "own.jsonl")
        assert server.calls == 0
    assert done.returncode == 2
    assert "holds 1 problem of dev of arithmetic" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["own.jsonl"]


def test_cases_that_hold_a_problem_of_test_are_refused(cli: Run, tmp_path: Path) -> None:
    """The guard looks at inputs that are given, too."""
    held = next(TASK.problems("test")).question
    rows = [{"inputs": {"problem": f"What is {n} + 1?"}, "outputs": {"answer": "4"}} for n in range(8)]
    for row in (
        {"inputs": {"problem": held}, "outputs": {"answer": "4"}},
        {"inputs": {"problem": "Which?", "rationale": held}, "outputs": {"answer": "4"}},
        {"inputs": {"problem": "Which?"}, "outputs": {"answer": held}},
    ):
        (tmp_path / "cases.jsonl").write_text("".join(json.dumps(each) + "\n" for each in (*rows, row)))
        words = ("--task", "arithmetic", *OPTIONS, "--cases", "cases.jsonl")
        done = cli("answer_given", *words, "--model", "m@http://127.0.0.1:9/v1")
        assert done.returncode == 2
        assert "cases.jsonl holds 1 problem of test of arithmetic" in done.stderr


def test_a_model_that_answers_nothing_is_one_sentence(cli: Run, tmp_path: Path) -> None:
    """Empty replies are told of, and no program is saved."""
    with serving(lambda _: Reply("")) as server:
        done = cli("reason", *OPTIONS, "--model", f"m@{server.url}", "--problems", "20")
    assert done.returncode == 2
    assert "answers nothing" in done.stderr
    assert not (tmp_path / "programs").exists()


def test_cases_of_ones_own_are_matched_with_wanted_outputs(cli: Run, tmp_path: Path) -> None:
    """Any program can be compiled on a file of inputs and outputs."""
    rows = [{"inputs": {"problem": f"number {n}"}, "outputs": {"answer": str(n)}} for n in range(24)]
    (tmp_path / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def say(body: dict[str, Any]) -> Reply:
        asked = body["messages"][-1]["content"]
        if "write a new instruction" in asked:
            return Reply(GOOD)
        return Reply(asked.split()[-1] if GOOD in body["messages"][0]["content"] else "nothing")

    with serving(say) as server:
        words = ("--task", "arithmetic", "--model", f"m@{server.url}", "--cases", "cases.jsonl", "--calls", "40")
        done = cli("answer_only", *words, quiet=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"match 0\.000 \(0\.000 to .*\) before and 1\.000 \(.* to 1\.000\) after", done.stdout)
    assert f"measured with openai/m@{server.url}" in done.stdout
    assert "cases.jsonl holds nothing of dev and test of arithmetic\n" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("reson",), 'did you mean "reason"'),
        (("reason", "--optimizer", "gepaa"), 'did you mean "gepa"'),
        (("reason", "--metric", "acuracy"), 'did you mean "accuracy"'),
        (("reason", "--metric", "asking"), "says nothing of the program"),
        (("reason", "--task", "arithmetik"), 'did you mean "arithmetic"'),
        (("reason", "--problems-file", "gone.jsonl"), "gone.jsonl is not there"),
        (("label", "--task", "arithmetic", "--cases", "gone.jsonl"), "gone.jsonl"),
        (("label", "--cases", "gone.jsonl"), "--cases needs --task: name the task"),
        (("label", "--metric", "match"), "name a file with --cases"),
        (("reason", "--problems-file", "few.jsonl"), "3 problems with cases are too few"),
        (("answer_only", "--task", "arithmetic", "--cases", "bad.jsonl"), "bad.jsonl, line 1"),
        (("reason", "--model", "m@http://127.0.0.1:9/v1"), "127.0.0.1:9"),
        (("judge", "--student", "no/such-student"), "no/such-student"),
    ],
)
def test_a_wrong_command_is_one_sentence(cli: Run, tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    """Unknown names and files that are not there end with exit code 2, and leave no program behind."""
    (tmp_path / "bad.jsonl").write_text("{}\n")
    (tmp_path / "few.jsonl").write_text("".join(f'{{"question": "{n} + 1?", "answer": "{n}"}}\n' for n in range(3)))
    done = cli(*words)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.jsonl", "few.jsonl"]


OWN = """
class Failing:
    def __init__(self, parts):
        raise ValueError("no luck")


class Nameless:
    def __init__(self, parts):
        pass

    def read(self, *_):
        pass

    def mark(self, *_):
        pass
"""


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("no_such_module:M", "there is no module no_such_module"),
        ("own_metric:Failng", 'did you mean "Failing"'),
        ("own_metric:Failing", "fails when it is made, with ValueError"),
        ("own_metric:Nameless", "lacks name"),
    ],
)
def test_a_metric_that_is_none_is_refused_before_anything_is_paid_for(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metric: str, said: str
) -> None:
    """The student is not asked for the judge's cases first, and no ledger is left behind."""
    (tmp_path / "own_metric.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    with serving(reply) as server:
        model = ("--model", f"m@{server.url}", "--student", f"openai-server:s@{server.url}")
        done = cli("judge", *OPTIONS, *model, "--problems", "20", "--metric", metric)
        assert server.calls == 0
    assert done.returncode == 2
    assert said in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["own_metric.py"]


def test_a_refused_compile_keeps_the_calls_that_it_made(cli: Run, tmp_path: Path) -> None:
    """The student was asked before it was seen that it is never right: the ledger stays."""
    with serving(lambda _: Reply(TASK.conclude("So.", "-77"))) as server:
        model = ("--model", f"m@{server.url}", "--student", f"openai-server:s@{server.url}")
        done = cli("judge", *OPTIONS, *model, "--problems", "8")
        assert server.calls
    assert done.returncode == 2
    assert "0 right" in done.stderr
    with closing(Ledger(tmp_path / "runs" / "compile" / "ledger.sqlite", reader=True)) as ledger:
        assert ledger.totals().calls


def test_what_shows_no_gain_does_not_replace_what_is_proven(cli: Run, tmp_path: Path) -> None:
    """A second compile without a gain says so, and the first one's program stays in force."""
    place = tmp_path / "programs" / "arithmetic" / "reason.json"
    with serving(reply) as server:
        words = ("reason", *OPTIONS, "--model", f"m@{server.url}", "--problems", "40", "--calls", "60")
        assert cli(*words).returncode == 0
        kept = place.read_bytes()
        idle = cli(*words, "--writer", f"other@{server.url}", "--demos", "0", "--optimizer", "bootstrap")
    assert idle.returncode == 0, idle.stderr
    assert "Not saved" in idle.stdout
    assert place.read_bytes() == kept


def test_two_commands_do_not_share_a_ledger_at_once(cli: Run, tmp_path: Path) -> None:
    """Each would keep the budget by what it knew when it began."""
    with serving(reply) as server, closing(Ledger(tmp_path / "runs" / "compile" / "ledger.sqlite", alone=True)):
        done = cli("reason", *OPTIONS, "--model", f"m@{server.url}", "--problems", "40")
        assert server.calls == 0
    assert done.returncode == 2
    assert "ledger.sqlite is in use by process" in done.stderr


@pytest.mark.parametrize(("name", "package"), [("gepa", "gepa"), ("mipro", "optuna")])
def test_a_missing_package_is_named(cli: Run, monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    """What to install is said before anything is loaded."""
    monkeypatch.setattr("importlib.util.find_spec", lambda wanted: None if wanted == package else object())
    done = cli("reason", "--optimizer", name)
    assert done.returncode == 2
    assert f'needs the package {package}: pip install "selfimprove[compile]"' in done.stderr

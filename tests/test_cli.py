from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from command_line import Done, Run, runs

from selfimprove.commands.options import changed_config
from selfimprove.report.schema import Summary
from selfimprove.report.summary import summarise
from selfimprove.store import RunFolder

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in an empty folder, without keys in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    command = runs(monkeypatch, capsys)

    def run(*words: str | Path, **environment: str) -> Done:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return command(*words)

    return run


def toml(**sections: dict[str, object]) -> str:
    lines = []
    for name, values in sections.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


TINY = {"train": 20, "dev": 10, "test": 10}
MISTAKES: dict[str, tuple[str, str]] = {
    "no TOML": ("[campaign\n", "not valid TOML"),
    "typo in a key": (toml(campaign={"ronds": 2}), 'did you mean "rounds"?'),
    "typo in a section": (toml(campain={"rounds": 2}), 'did you mean "campaign"?'),
    "wrong type": (toml(campaign={"rounds": "two"}), "campaign.rounds = 'two'"),
    "out of range": (toml(lesson={"questions": 9}), "lesson.questions = 9"),
    "negative budget": (toml(campaign={"budget_usd": -1}), "campaign.budget_usd = -1"),
    "unknown arm": (toml(campaign={"arms": ["track_c"]}), "campaign.arms.0 = 'track_c'"),
    "unknown task": (toml(campaign={"task": "arithmetik"}), 'did you mean "arithmetic"?'),
    "unknown task option": (toml(campaign={"task": "arithmetic"}, task={"level": [2]}), "levels"),
    "unknown kind": (toml(campaign={"task": "arithmetic"}, task={"kinds": ["sums"]}), 'did you mean "sum"?'),
    "missing file of problems": (toml(campaign={"task": "gone.jsonl"}), "gone.jsonl"),
    "empty file of problems": (toml(campaign={"task": "empty.jsonl"}), "empty.jsonl"),
    "problem without an answer": (toml(campaign={"task": "noanswer.jsonl"}), 'line 2: "answer" is missing'),
    "two answers to one question": (toml(campaign={"task": "twice.jsonl"}), "twice.jsonl"),
    "not JSON": (toml(campaign={"task": "broken.jsonl"}), "line 1"),
    "no module of that name": (toml(campaign={"task": "no_such_module:Task"}), "no_such_module"),
    "typo in the teacher": (toml(teacher={"model": "refrence"}, data=TINY), 'did you mean "reference"?'),
    "no key in the environment": (toml(teacher={"model": "openai/gpt-4o"}, data=TINY), "OPENAI_API_KEY"),
    "no price": (toml(teacher={"model": "openai/some-new-model", "api_key_env": "HOME"}, data=TINY), "price"),
    "server that is not there": (
        toml(teacher={"model": "openai/m", "base_url": "http://127.0.0.1:9/v1"}, data=TINY),
        "127.0.0.1:9",
    ),
    "student that does not exist": (toml(campaign={"student": "no/such-model"}, data=TINY), "no/such-model"),
    "student folder without weights": (toml(campaign={"student": "./hollow"}, data=TINY), "hollow"),
    "label nobody carries": (toml(campaign={"student": "./hollow"}, select={"policy": "ladders"}), "select.policy"),
    "unknown training setting": ("[train.sft]\nlearning_rat = 1\n", 'did you mean "learning_rate"?'),
    "unknown LoRA setting": ("[train.lora]\nrank = 8\n", "train.lora.rank"),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_everyday_mistake_is_one_sentence(cli: Run, tmp_path: Path, mistake: str) -> None:
    """Bad input ends with exit code 2 and one sentence that names it, without a traceback."""
    text, said = MISTAKES[mistake]
    (tmp_path / "c.toml").write_text(text)
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "broken.jsonl").write_text("{not json\n")
    (tmp_path / "noanswer.jsonl").write_text('{"question": "a", "answer": "1"}\n{"question": "b"}\n')
    (tmp_path / "twice.jsonl").write_text('{"question": "a", "answer": "1"}\n{"question": "a", "answer": "2"}\n')
    (tmp_path / "hollow").mkdir()
    (tmp_path / "hollow" / "config.json").write_text("{}")
    done = cli("run", "c.toml", HF_HUB_OFFLINE="1", PIP_NO_INDEX="1")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "gone.toml"], "gone.toml cannot be read"),
        (["run"], "Missing argument"),
        (["report"], "Missing argument 'RUN_FOLDER'"),
        (
            ["plan", "good.toml", "--set", "campaign.arms=track_b"],
            "campaign.arms = 'track_b' will not do: give a list, such as [\"track_b\"]",
        ),
        (["fly"], "No such command"),
        (["report", "nowhere"], "holds no campaign"),
        (["run", "good.toml", "--set", "rounds=2"], "SECTION.KEY=VALUE"),
        (["run", "good.toml", "--out", "taken"], "holds other files"),
        (["run", "good.toml", "--out", "/proc/nowhere"], "/proc/nowhere"),
        (["run", "good.toml", "--out", "good.toml"], "good.toml cannot be a folder, as good.toml is a file"),
        (["run", "good.toml", "--out", "good.toml/run"], "good.toml is a file; name another"),
        (["demo", "--out", "good.toml"], "good.toml is a file; name another"),
        (["mine", "good.toml", "--out", "good.toml"], "good.toml is a file; name another"),
        (["fork", "old", "--out", "good.toml"], "good.toml is a file; name another"),
        (["fork", "old", "--out", "taken"], "taken is not empty; name a new folder"),
        (["combine", "a", "b", "--out", "good.toml"], "good.toml is a file; name another"),
        (["score", "arithmetic", "--pred", "gone.jsonl"], "gone.jsonl"),
        (["init", "arithmetik"], 'did you mean "arithmetic"?'),
        (["init", "arithmetic", "good.toml"], "good.toml"),
    ],
)
def test_wrong_command_is_one_sentence(cli: Run, tmp_path: Path, words: list[str], said: str) -> None:
    """A command that cannot be followed says why, with exit code 2, and overwrites nothing."""
    (tmp_path / "good.toml").write_text(toml(data=TINY))
    for folder, file in (("taken", "thesis.tex"), ("old", "campaign.toml")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).write_text("" if folder == "old" else "precious")
    done = cli(*words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert said in done.stderr
    assert (tmp_path / "taken" / "thesis.tex").read_text() == "precious"
    assert (tmp_path / "good.toml").read_text() == toml(data=TINY)


def test_folder_of_another_campaign_is_refused(cli: Run, tmp_path: Path, make_crew: Callable[..., object]) -> None:
    """Other settings on the same folder are refused with the difference."""
    make_crew(tmp_path / "run").folder.close()  # type: ignore[attr-defined]
    (tmp_path / "c.toml").write_text(toml(campaign={"seed": 7}))
    done = cli("run", "c.toml", "--out", "run")
    assert done.returncode == 2
    assert "campaign.seed: 0 -> 7" in done.stderr


def test_init_writes_a_file_that_plans(cli: Run, tmp_path: Path) -> None:
    """What init writes can be planned as it stands."""
    assert cli("init", "arithmetic", "mine.toml").returncode == 0
    done = cli("plan", "mine.toml", "--no-probe")
    assert done.returncode == 0, done.stderr
    assert "Dollars: 0" in done.stdout
    assert "Smallest true gain" in done.stdout


NOT_THERE: dict[str, tuple[str, str]] = {
    "another task": (toml(gate={"tasks": ["nosuch"]}), 'no task "nosuch"'),
    "a text": (toml(gate={"text": "gone.txt"}), "gate.text = gone.txt cannot be read"),
    "a scorer": (toml(grade={"scorer": "nosuch"}), 'the scorer "nosuch" is neither'),
    "a judge": (toml(grade={"scorer": "judge"}), 'the scorer "judge" is the teacher'),
    "a teacher": (toml(teacher={"model": "nomod:Name"}), "no module nomod"),
    "a first teacher": (toml(teacher={"first": "nomod:Name"}), "no module nomod"),
    "a student": (toml(campaign={"student": "nosuch"}), 'the model "nosuch" is neither'),
    "a server": (toml(campaign={"student": "openai-server:m"}), "names no server"),
    "an address": (
        toml(teacher={"base_url": "127.0.0.1:8000"}),
        'teacher.base_url = "127.0.0.1:8000" is no http address',
    ),
}


@pytest.mark.parametrize("name", list(NOT_THERE))
def test_plan_refuses_what_is_not_there(cli: Run, tmp_path: Path, name: str) -> None:
    """What `run` would refuse is refused before, also where no student is tried."""
    text, said = NOT_THERE[name]
    (tmp_path / "c.toml").write_text(text)
    done = cli("plan", "c.toml", "--no-probe")
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_plan_of_a_paid_teacher_names_dollars(cli: Run, tmp_path: Path) -> None:
    """A plan needs no key, and says what the calls can cost at most."""
    (tmp_path / "c.toml").write_text(toml(campaign={"budget_usd": 3}, teacher={"model": "openai/gpt-4o"}, data=TINY))
    done = cli("plan", "c.toml", "--no-probe")
    assert "the budget stops it at 3.00" in done.stdout, done.stderr


def test_report_prints_the_documented_schema(cli: Run, tmp_path: Path, make_crew: Callable[..., object]) -> None:
    """The JSON of a report is a Summary with the fields that are promised."""
    from selfimprove.graphs.run import run_campaign

    crew = make_crew(tmp_path / "run")
    run_campaign(crew, crew.folder.at("graph.sqlite"))  # type: ignore[attr-defined, arg-type]
    done = cli("report", crew.folder.path, "--json")  # type: ignore[attr-defined]
    assert done.returncode == 0, done.stderr
    summary = Summary.model_validate_json(done.stdout)
    assert summary == summarise(crew.folder, crew.ledger)  # type: ignore[attr-defined]
    plain = json.loads(done.stdout)
    assert {"task", "student", "teacher", "rounds", "test", "cost", "wall_s"} <= plain.keys()
    assert {"round", "arm", "decision", "dev"} <= plain["rounds"][0].keys()
    assert {"n", "accuracy", "interval", "no_verdict"} <= plain["test"]["control"].keys()
    assert {"points", "interval", "p_value"} <= plain["test"]["difference"].keys()
    assert {"usd", "calls", "tokens"} <= plain["cost"].keys()
    assert cli("report", "run").stdout.startswith(f"Round {summary.best.round} answers")


def test_help_is_whole(cli: Run) -> None:
    """Each command's sentence is there to its end; what --set takes and where the demo lies is told."""
    said = cli("--help").stdout
    assert not [line for line in said.splitlines()[1:] if line.endswith("...")]
    assert said.count("\n  ") >= 24
    demo = " ".join(cli("demo", "--help").stdout.split())
    assert "VALUE is TOML, quoted for your shell" in demo
    assert "Default: runs/demo." in demo


def test_mining_alone_says_what_it_draws(cli: Run) -> None:
    """What a campaign leaves off is on where a person mines alone, and the help says so."""
    said = " ".join(cli("mine", "--help").stdout.split())
    assert (
        "where [mine] of CONFIG leaves it open, up to 16 samples are drawn of a problem that fewer do not settle"
        in said
    )
    assert "as `mine` says" in " ".join(cli("grade", "--help").stdout.split())


def test_help_says_what_goes_in_and_where_it_goes(cli: Run) -> None:
    """What a row of predictions is, where the page lies, what comes before, what may be given again, what a task is."""
    for command, told in (
        ("score", "names its problem by `id` or `question`"),
        ("report", "written anew to RUN_FOLDER/report/index.html"),
        ("grade", "`mine` comes first, into the same folder"),
        ("combine", "given once for each, in order"),
        ("init", "reasoning_gym:NAME, a .jsonl file, or package.module:MyTask"),
    ):
        assert told in " ".join(cli(command, "--help").stdout.split())


@pytest.mark.parametrize(
    ("command", "said"),
    [("run", "Interrupted; the same command goes on from here.\n"), ("plan", "Interrupted.\n")],
)
def test_what_cannot_go_on_does_not_say_so(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, said: str
) -> None:
    """A campaign finds what it did; a plan begins again."""

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"selfimprove.campaign.Campaign.{command}", stopped)
    (tmp_path / "c.toml").write_text(toml(campaign={"task": "arithmetic"}, data=TINY))
    done = cli(command, "c.toml")
    assert (done.returncode, done.stderr.lstrip()) == (130, said)


def test_the_schema_needs_no_run(cli: Run) -> None:
    """`report --schema` reads no folder, so it asks for none."""
    assert json.loads(cli("report", "--schema").stdout)["title"] == "Summary"


def test_import_and_help_are_quick() -> None:
    """Importing loads nothing heavy, and help answers at once (the best of five, as machines are noisy)."""

    def best(*command: str) -> float:
        times = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - started)
        return min(times)

    bare = best(sys.executable, "-c", "pass")
    assert best(sys.executable, "-c", "import selfimprove") - bare < 0.150
    assert best(sys.executable, "-m", "selfimprove.cli", "--help") < 0.300 + bare
    heavy = "import sys, selfimprove.cli; print([m for m in ('torch','litellm','dspy','langgraph','pydantic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", heavy], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_fault_is_told_whole_but_for_keys(cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody foresaw ends with its traceback and code 1; a key that it names is left out."""

    def broken(**_: object) -> None:
        raise RuntimeError("no entry with own-secret-8f2c1 here")

    monkeypatch.setattr("selfimprove.cli.cli.main", broken)
    done = cli("doctor", SERVICE_KEY="own-secret-8f2c1")
    assert done.returncode == 1
    assert "RuntimeError: no entry with *** here" in done.stderr
    assert "8f2c1" not in done.stdout + done.stderr


@pytest.mark.parametrize("change", ["campaign.rounds.x=1", "campaign.rounds=" + "9" * 5000])
def test_a_change_that_cannot_be_is_one_sentence(cli: Run, tmp_path: Path, change: str) -> None:
    """A key under a value, and a number of thousands of digits, are refused at the door."""
    (tmp_path / "c.toml").write_text("[campaign]\nrounds = 2\n")
    done = cli("plan", "c.toml", "--no-probe", "--set", change)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert len(done.stderr) < 400


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("phases.1.budget_usd=2.5", ""),
        ("phases.2.pool=1", 'phases.2.pool": 2 is none of its 2 parts, which are counted from 0'),
        ("phases.first=1", 'phases.first": first is none of its 2 parts'),
    ],
)
def test_one_of_several_phases_is_changed_by_its_number(cli: Run, tmp_path: Path, change: str, said: str) -> None:
    """Counted from 0, as an error message counts them; the others stay."""
    phases = '[[phases]]\npool = 50\nbudget_usd = 1.0\n[[phases]]\nwhen = "round >= 1"\npool = 100\n'
    (tmp_path / "c.toml").write_text(f"[campaign]\nrounds = 2\nbudget_usd = 9.0\n{phases}")
    done = cli("plan", "c.toml", "--no-probe", "--set", change)
    assert done.returncode == (2 if said else 0), done.stderr
    assert said in done.stderr
    if not said:
        config = changed_config(tmp_path / "c.toml", [change])
        assert [phase.budget_usd for phase in config.phases] == [1.0, 2.5]


def test_a_folder_in_use_keeps_its_files(cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that begin at the same moment: the one that is refused takes nothing of the other's away."""
    monkeypatch.setattr("selfimprove.campaign.files_in", lambda _: None)
    (tmp_path / "c.toml").write_text('[campaign]\nstudent = "./none"\n')
    with closing(RunFolder(tmp_path / "run")):
        (tmp_path / "run" / "ledger.sqlite").write_bytes(b"its own")
        done = cli("run", "c.toml", "--out", "run")
        assert done.returncode == 2
        assert (tmp_path / "run" / "ledger.sqlite").read_bytes() == b"its own"
        assert (tmp_path / "run" / "run.lock").is_file()
        assert (tmp_path / "run" / "campaign.log").is_file()

"""Keys are in no file of a run, in nothing that is printed, in no traceback: whole campaigns, and then everything searched.

The teacher's server says the key back in its errors, as some providers do; more keys stand where people put them.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from command_line import runs
from fake_server import FakeServer, Reply, serving

from selfimprove.campaign import Campaign
from selfimprove.config import TeacherConfig, changed, load_config, make_config, write_config, written
from selfimprove.errors import InputError, TeacherError
from selfimprove.ledger import Ledger
from selfimprove.records import Message, Request, digest
from selfimprove.students.openai_server import OpenAIServerStudent
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.teachers import load_model
from selfimprove.testing import NullTrainer, ScriptedStudent

KEY, USUAL, ADDRESS, HEADER = (f"marker{kind}{5 * '7c'}" for kind in ("key", "usual", "address", "header"))
MARKERS = (KEY, USUAL, ADDRESS, HEADER)
ECHO = f"no access for {KEY} (Bearer {KEY}), nor {ADDRESS}; x-gateway-key: {HEADER}; not {USUAL} either"
ENVIRONMENT = {
    "MY_TEACHER": KEY,
    "OPENAI_API_KEY": USUAL,
    "WANDB_API_KEY": USUAL,
    "HF_TOKEN": USUAL,
    "DATABASE_PASSWORD": ADDRESS,
    "HF_HUB_OFFLINE": "1",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}
SETTINGS = """
[campaign]
student = "{student}"
rounds = 1
arms = ["track_b"]
[task]
kinds = ["sum"]
levels = [2]
[data]
train = 60
dev = 20
test = 20
[student]
max_tokens = 12
[teacher]
model = "openai/m"
base_url = "{url}"
api_key_env = "MY_TEACHER"
concurrency = 2
max_tokens = 16
retries = 0
[teacher.parameters.extra_headers]
x-gateway-key = "{header}"
[lesson]
asking = "two_calls"
[evaluate]
shots = 0
[mine]
pool = 12
[train.sft]
max_steps = 2
"""
_SUM = re.compile(r"What is ([-+\d ]+)\?")


class Ran(NamedTuple):
    """What a command left behind."""

    folder: Path
    code: int
    said: str


def answered(body: Mapping[str, Any]) -> Reply:
    """Add up what is asked; a student that is a server of ours answers nothing of use."""
    found = _SUM.search(body["messages"][-1]["content"])
    total = sum(int(part) for part in re.findall(r"[-+]?[0-9]+", found[1].replace(" ", ""))) if found else 0
    return Reply(f"Answer: {total}" if body["model"] == "m" else "Who? When?")


def now_and_then() -> Callable[[dict[str, Any]], Reply]:
    """Refuse every third call of the teacher, and say why with all keys in it."""
    asked = [0]

    def script(body: dict[str, Any]) -> Reply:
        asked[0] += body["model"] == "m"
        return answered(body) if asked[0] % 3 else Reply(status=400, error=ECHO)

    return script


def refused(body: dict[str, Any]) -> Reply:
    """Refuse every call of the teacher."""
    return answered(body) if body["model"] != "m" else Reply(status=401, error=ECHO)


def address(server: FakeServer) -> str:
    """Give the server's address with a password in it."""
    return server.url.replace("//", f"//me:{ADDRESS}@")


def leaks(folder: Path) -> list[str]:
    """Name every place under a folder that holds a marker: as bytes of a file, and as a value of a database."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        found += [f"{path.name}: {marker}" for marker in MARKERS if marker.encode() in content]
        if content.startswith(b"SQLite format 3"):
            found += [f"{path.name}, {where}" for where, value in values(path) if any(m in value for m in MARKERS)]
    return found


def values(path: Path) -> Iterator[tuple[str, str]]:
    """Walk every value of a database with its table."""
    with sqlite3.connect(path) as db:
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'").fetchall():
            for row in db.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - its own names
                for value in row:
                    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
                    yield f"table {table}", text


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, family: Callable[[str], Path]) -> Ran:
    """Run a campaign of a tiny real model to its end in a process of its own, with errors that hold the keys."""
    here = tmp_path_factory.mktemp("keys")
    with serving(now_and_then()) as server:
        text = SETTINGS.format(student=family("llama"), url=server.url, header=HEADER)
        (here / "c.toml").write_text(text)
        command = [sys.executable, "-m", "selfimprove.cli", "run", str(here / "c.toml"), "--out", str(here / "run")]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=400, env={**os.environ, **ENVIRONMENT}
        )
        assert f"Bearer {KEY}" in server.keys, "the key never reached the server: nothing could leak"
    return Ran(here / "run", done.returncode, done.stdout + done.stderr)


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Run the command line in this process, with the keys in its environment."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    command = runs(monkeypatch, capsys)

    def run(*words: str | Path) -> Ran:
        done = command(*words)
        return Ran(Path(), done.returncode, done.stdout + done.stderr)

    return run


Cli = Callable[..., Ran]


def test_a_whole_campaign_writes_no_key(whole: Ran) -> None:
    """Run folder (ledger, checkpoint, log, page, settings) and what is printed: no key, though errors held them."""
    assert whole.code == 0, whole.said
    kinds = {path.suffix for path in whole.folder.rglob("*") if path.is_file()}
    assert {".sqlite", ".log", ".html", ".json", ".jsonl", ".toml", ".safetensors"} <= kinds
    rows = [value for _, value in values(whole.folder / "ledger.sqlite") if "no access for ***" in value]
    assert rows, "the refusals are not in the ledger: nothing was looked for"
    assert leaks(whole.folder) == []
    assert not [marker for marker in MARKERS if marker in whole.said]


def test_no_command_prints_a_key(whole: Ran, cli: Cli) -> None:
    """What looks at a machine, a plan or a run folder names keys at most."""
    settings = whole.folder.parent / "c.toml"
    commands: list[list[str | Path]] = [
        ["doctor"],
        ["plan", settings, "--no-probe"],
        ["ledger", whole.folder],
        ["ledger", whole.folder, "--json"],
        ["ledger", whole.folder, "--export", whole.folder.parent / "calls.jsonl"],
        ["report", whole.folder],
        ["report", whole.folder, "--json"],
    ]
    done = {" ".join(map(str, words[:1] + words[2:])): cli(*words) for words in commands}
    assert {name: ran.code for name, ran in done.items()} == dict.fromkeys(done, 0)
    assert {name: m for name, ran in done.items() for m in MARKERS if m in ran.said} == {}
    assert "OPENAI_API_KEY" in done["doctor"].said
    assert "no access for ***" in done["ledger --json"].said
    assert "no access for ***" in (whole.folder.parent / "calls.jsonl").read_text()
    (settings.parent / "calls.jsonl").rename(whole.folder / "calls.jsonl")
    assert leaks(whole.folder) == []


def test_a_campaign_goes_on_though_its_keys_are_hidden(whole: Ran) -> None:
    """The settings that are kept have *** for the keys, and are still taken for those of the file."""
    kept = load_config(whole.folder / "campaign.toml")
    assert kept.teacher.parameters == {"extra_headers": {"x-gateway-key": "***"}}
    assert changed(kept, load_config(whole.folder.parent / "c.toml")) == []


def test_addresses_in_any_setting_are_written_without_passwords(tmp_path: Path) -> None:
    """A student's, a scorer's, a later teacher's: hidden where settings are written, and still taken for the same."""
    place = f"http://me:{ADDRESS}@127.0.0.1:9/v1"
    sections = {
        "campaign": {"student": f"openai-server:m@{place}"},
        "grade": {"scorer": f"judge:openai/m@{place}?key={HEADER}"},
    }
    given = make_config(sections)
    text = write_config(given)
    (tmp_path / "campaign.toml").write_text(text)
    assert leaks(tmp_path) == []
    assert 'student = "openai-server:m@http://***@127.0.0.1:9/v1"' in text
    assert 'scorer = "judge:openai/m@http://***@127.0.0.1:9/v1?***"' in text
    kept = load_config(tmp_path / "campaign.toml")
    assert changed(kept, given) == []
    assert written(kept) == written(given)
    plain = make_config({"campaign": {"student": "openai-server:m@http://127.0.0.1:9/v1", "task": "me@home?a=b"}})
    assert "***" not in write_config(plain)


def test_a_new_key_asks_nothing_again() -> None:
    """Who replaces a key in the parameters finds the answers of before; another setting is another question."""
    request = Request(role="reason", messages=(Message(role="user", content="What is 1 + 1?"),))
    ledger = Ledger(":memory:")
    with serving(answered) as server:
        for key, effort in ((KEY, "low"), (USUAL, "low"), (USUAL, "high")):
            how = {"extra_headers": {"Authorization": f"Bearer {key}"}, "user": effort}
            config = TeacherConfig(model="openai/m", base_url=server.url, retries=0, parameters=how)
            load_model(config, "reason", ledger).complete([request])
        assert server.calls == 2
    bare = TeacherConfig(
        model="openai/m", base_url="http://127.0.0.1:9/v1", parameters={"top_k": 5, "tools": [{"a": 1}]}
    )
    identity = load_model(bare, "reason", ledger).identity
    assert identity == f"openai/m@http://127.0.0.1:9/v1#{digest({'top_k': 5, 'tools': [{'a': 1}]})}"


def test_a_campaign_that_is_refused_says_no_key(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, family: Callable[[str], Path]
) -> None:
    """A wrong key that the server repeats ends with one sentence without it, in the log too."""
    monkeypatch.chdir(tmp_path)
    with serving(refused) as server:
        (tmp_path / "c.toml").write_text(SETTINGS.format(student=family("llama"), url=server.url, header=HEADER))
        done = cli("run", "c.toml", "--out", "run", "--quiet")
        assert f"Bearer {KEY}" in server.keys
    assert done.code == 1, done.said
    assert "no access for ***" in done.said
    assert len(done.said.strip().splitlines()) == 1
    assert not [marker for marker in MARKERS if marker in done.said]
    assert "no access for ***" in (tmp_path / "run/campaign.log").read_text()
    assert leaks(tmp_path / "run") == []


def test_no_traceback_holds_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who calls the library sees an error, and those it comes from, without keys; nor is an address's password in it."""
    for name in ("MY_TEACHER", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, ENVIRONMENT[name])
    with serving(refused) as server:
        config = TeacherConfig(model="openai/m", base_url=address(server), api_key_env="MY_TEACHER", retries=0)
        asked = load_model(config, "reason", Ledger(":memory:"))
        with pytest.raises(TeacherError) as raised:
            asked.complete([Request(role="reason", messages=(Message(role="user", content="What is 1 + 1?"),))])
    said = "".join(traceback.format_exception(raised.value))
    assert "no access for ***" in said
    assert not [marker for marker in (KEY, USUAL, ADDRESS) if marker in said]


def test_a_wrong_address_is_said_without_its_password() -> None:
    """An address that lacks its beginning is refused, its password unsaid."""
    config = TeacherConfig(model="openai/m", base_url=f"me:{ADDRESS}@host:8000/v1")
    with pytest.raises(InputError, match=r"\*\*\*@host:8000/v1") as refused_it:
        load_model(config, "reason", Ledger(":memory:"))
    assert ADDRESS not in str(refused_it.value)


@pytest.mark.parametrize("name", ["gsk_markerkey7c7c7c7c7c", "markerkey7c7c7c7c7c", "sk-markerkey7c7c7c7c"])
def test_a_key_given_for_its_variable_is_not_repeated(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Who puts the key itself where its variable's name belongs is told that it is not set, without the key."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.toml").write_text(f'[teacher]\nmodel = "openai/gpt-4o"\napi_key_env = "{name}"\n')
    done = cli("run", "c.toml", "--out", "run", "--set", "campaign.student='openai-server:m@http://127.0.0.1:9/v1'")
    assert done.code == 2, done.said
    assert "teacher.api_key_env" in done.said
    assert name not in done.said
    assert not [path for path in (tmp_path / "run").rglob("*") if name.encode() in path.read_bytes()]
    assert name not in write_config(load_config(tmp_path / "c.toml"))


def test_a_students_server_says_the_key_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same holds for a student behind a server that wants a key."""
    monkeypatch.setenv("MY_STUDENT", KEY)
    with serving(lambda _: Reply(status=401, error=ECHO)) as server:
        student = OpenAIServerStudent("m", server.url, "MY_STUDENT")
        (found,) = student.complete([Request(role="solve", messages=(Message(role="user", content="1 + 1?"),))])
        assert server.keys == [f"Bearer {KEY}"]
    assert "no access for ***" in found.error
    assert KEY not in found.error
    assert ADDRESS not in OpenAIServerStudent("m", f"http://me:{ADDRESS}@127.0.0.1:9/v1").identity


def test_no_key_is_sent_to_where_metrics_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings shown beside a run elsewhere are those without keys."""
    shown: list[Mapping[str, Any]] = []

    class Tracker:
        def __init__(self, project: str, config: Mapping[str, Any], run_dir: Path) -> None:
            shown.append(config)

        def log(self, round_: int, metrics: Mapping[str, float]) -> None: ...

        def finish(self) -> None: ...

    monkeypatch.setattr("selfimprove.track.WandbTracker", Tracker)
    monkeypatch.setenv("MY_TEACHER", KEY)
    sizes = {"train": 40, "dev": 20, "test": 20}
    task = Arithmetic(levels=(3, 4), sizes=sizes)  # type: ignore[arg-type]
    with serving(answered) as server:
        parameters = {"extra_headers": {"x-gateway-key": HEADER}}
        teacher = {"model": "openai/m", "base_url": address(server), "api_key_env": "MY_TEACHER", "retries": 0}
        Campaign(
            task=task,
            student=ScriptedStudent(task),
            trainer=NullTrainer(),
            out=tmp_path / "run",
            rounds=1,
            sections={
                "data": sizes,
                "mine": {"pool": 10},
                "teacher": {**teacher, "parameters": parameters},
                "track": {"wandb": "project"},
            },
        ).run()
    assert len(shown) == 1
    assert shown[0]["teacher"]["model"] == "openai/m"
    assert not [marker for marker in MARKERS if marker in json.dumps(shown)]
    assert leaks(tmp_path / "run") == []
    assert "//***@127.0.0.1" in (tmp_path / "run/campaign.toml").read_text()

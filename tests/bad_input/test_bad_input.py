"""Bad input: exit code 2, one sentence that names what is wrong and where, no traceback, nothing left behind.

More of the kind: tests/test_cli.py (25 mistakes, 10 wrong commands), tests/tasks/test_jsonl.py (22 bad files and rows).
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from refusing import Cli, left_behind, refused

from selfimprove.planning import probe

Family = Callable[[str], Path]


SETTINGS: dict[str, tuple[str, str]] = {
    "NUL byte": ("[campaign]\nrounds = 2\0\n", "c.toml"),
    "duplicate key": ("[campaign]\nrounds = 2\nrounds = 3\n", "not valid TOML"),
    "duplicate section": ("[data]\ndev = 2\n[data]\ndev = 3\n", "not valid TOML"),
    "key outside a section": ("rounds = 2\n", '"rounds"'),
    "section that is a value": ("campaign = 3\n", "campaign = 3"),
    "value that is a section": ("[campaign.rounds]\nx = 1\n", "campaign.rounds"),
    "a date": ("[campaign]\nrounds = 2026-01-01\n", "campaign.rounds"),
    "true for a number": ("[campaign]\nrounds = true\n", "campaign.rounds"),
    "a number for text": ("[campaign]\ntask = 3\n", "campaign.task"),
    "no rounds": ("[campaign]\nrounds = 0\n", "campaign.rounds = 0"),
    "huge rounds": ("[campaign]\nrounds = 100000000000000000000\n", "campaign.rounds"),
    "half a round": ("[campaign]\nrounds = 1.5\n", "campaign.rounds = 1.5"),
    "budget that is not a number": ("[campaign]\nbudget_usd = nan\n", "campaign.budget_usd"),
    "endless budget": ("[campaign]\nbudget_usd = inf\n", "campaign.budget_usd"),
    "no arms": ("[campaign]\narms = []\n", "campaign.arms"),
    "an arm twice": ('[campaign]\narms = ["track_b", "track_b"]\n', "campaign.arms"),
    "control alone": ('[campaign]\narms = ["control"]\n', "campaign.arms"),
    "arms as text": ('[campaign]\narms = "track_b"\n', "campaign.arms"),
    "no patience": ("[campaign]\npatience = 0\n", "campaign.patience = 0"),
    "empty task": ('[campaign]\ntask = ""\n', "campaign.task"),
    "empty student": ('[campaign]\nstudent = ""\n', "campaign.student"),
    "task that is a folder": ('[campaign]\ntask = "."\n', "."),
    "no dev problems": ("[data]\ndev = 0\n", "data.dev = 0"),
    "negative test": ("[data]\ntest = -5\n", "data.test = -5"),
    "data folder that is not there": ('[campaign]\ntask = "gsm8k"\n[data]\ndata_dir = "gone"\n', "gone"),
    "no tokens": ("[student]\nmax_tokens = 0\n", "student.max_tokens = 0"),
    "unknown dtype": ('[student]\ndtype = "bf16"\n', "student.dtype = 'bf16'"),
    "unknown device": ('[student]\ndevice = "tpu9"\n', "tpu9"),
    "no slots": ("[student]\nslots = 0\n", "student.slots = 0"),
    "endless temperature": ("[mine]\ntemperature = inf\n", "mine.temperature"),
    "temperature that is not a number": ("[teacher]\ntemperature = nan\n", "teacher.temperature"),
    "share over one": ("[select]\nsolved = 1.5\n", "select.solved = 1.5"),
    "alpha of one": ("[gate]\nalpha = 1\n", "gate.alpha"),
    "too many shots": ("[evaluate]\nshots = 99\n", "evaluate.shots = 99"),
    "no calls at once": ("[teacher]\nconcurrency = 0\n", "teacher.concurrency = 0"),
    "no time to answer": ("[teacher]\ntimeout_s = 0\n", "teacher.timeout_s"),
    "price below nothing": ("[teacher]\ninput_price = -1\n", "teacher.input_price"),
    "one fallback as text": ('[teacher]\nfallbacks = "openai/gpt-4o"\n', "teacher.fallbacks"),
    "parameters as text": ('[teacher]\nparameters = "effort"\n', "teacher.parameters"),
    "address without http": ('[teacher]\nmodel = "openai/m"\nbase_url = "127.0.0.1:8000"\n', "base_url"),
    "key variable not set": ('[teacher]\nmodel = "openai/gpt-4o"\napi_key_env = "NOT_SET_HERE"\n', "NOT_SET_HERE"),
    "unknown provider": ('[teacher]\nmodel = "opnai/gpt-4o"\n', "opnai/gpt-4o"),
    "unknown first teacher": ('[teacher]\nfirst = "refrence"\n', 'did you mean "reference"?'),
    "plug without a name": ('[teacher]\nmodel = "json:"\n', "json:"),
    "plug that is no teacher": ('[teacher]\nmodel = "json:dumps"\n', "json:dumps"),
    "plug with an error inside": ('[teacher]\nmodel = "raises:Teacher"\n', "raises"),
    "quantize as text": ('[train]\nquantize = "4bit"\n', "train.quantize"),
    "setting the trainer owns": ("[train.sft]\nseed = 3\n", "train.sft.seed"),
    "learning rate as text": ('[train.sft]\nlearning_rate = "fast"\n', "train.sft.learning_rate"),
    "learning rate below nothing": ("[train.sft]\nlearning_rate = -1.0\n", "train.sft.learning_rate"),
    "epochs over pairs": ("[train.dpo]\nnum_train_epochs = 3\n", "train.dpo.num_train_epochs is not looked at"),
    "epochs over verdicts": ("[train.kto]\nnum_train_epochs = 3\n", "train.pairs_share"),
    "no LoRA rank": ("[train.lora]\nr = 0\n", "train.lora.r"),
    "levels as text": ('[task]\nlevels = "2"\n', "levels"),
    "level out of range": ("[task]\nlevels = [99]\n", "levels"),
}


@pytest.mark.parametrize("case", list(SETTINGS))
def test_settings_that_will_not_do(here: Path, cli: Cli, case: str) -> None:
    """A wrong setting is named with its section, before anything is made or downloaded."""
    text, named = SETTINGS[case]
    sizes = "" if "[data]" in text else "\n[data]\ntrain = 20\ndev = 10\ntest = 10\n"
    (here / "c.toml").write_bytes((text + sizes).encode())
    (here / "raises.py").write_text("raise RuntimeError('half a module')\n")
    known = {"c.toml", "raises.py"}
    refused(cli("run", "c.toml", "--out", "run"), named)
    assert left_behind(here, known) - {n for n in left_behind(here, known) if "__pycache__" in n} == set()


ROW = '{"question": "What is %d + 1?", "answer": %d}\n'
GOOD = "".join(ROW % (i, i + 1) for i in range(40))
FILES: dict[str, tuple[bytes, str]] = {
    "an array of numbers": (b"[1, 2]", "row 1"),
    "two objects on a line": (b'{"question": "a", "answer": 1} {"question": "b", "answer": 2}\n', "line 1"),
    "single quotes": (b"{'question': 'a', 'answer': 1}\n", "line 1"),
    "trailing comma": (b'{"question": "a", "answer": 1,}\n', "line 1"),
    "NaN answer": (GOOD.encode() + b'{"question": "x", "answer": NaN}\n', "line 41"),
    "endless answer": (GOOD.encode() + b'{"question": "x", "answer": Infinity}\n', "line 41"),
    "answer that is a list": (GOOD.encode() + b'{"question": "x", "answer": [1]}\n', "line 41"),
    "answer that is an object": (GOOD.encode() + b'{"question": "x", "answer": {"a": 1}}\n', "line 41"),
    "question that is a number": (GOOD.encode() + b'{"question": 7, "answer": 1}\n', "line 41"),
    "only spaces": (GOOD.encode() + b'{"question": "\\u00a0\\u2003", "answer": 1}\n', "line 41"),
    "zero-width only": (GOOD.encode() + b'{"question": "\\u200b", "answer": 1}\n', "line 41"),
    "half a surrogate": (GOOD.encode() + b'{"question": "\\ud800", "answer": 1}\n', "line 41"),
    "NUL in a question": (GOOD.encode() + b'{"question": "a\\u0000b", "answer": 1}\n', "line 41"),
    "nested too deep": (GOOD.encode() + b'{"question": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "line 41"),
    "cut off": (GOOD.encode()[:-20], "line 40"),
    "a zip": (b"PK\x03\x04" + bytes(range(256)), "p.jsonl"),
    "UTF-16": (GOOD.encode("utf-16"), "p.jsonl"),
    "same id twice": (
        GOOD.encode() + b'{"id": "1", "question": "a", "answer": 1}\n{"id": "1", "question": "b", "answer": 2}\n',
        "'1'",
    ),
    "same question in capitals": (GOOD.encode() + b'{"question": "WHAT IS  3 + 1?", "answer": 9}\n', "line 41"),
    "5 MB line": (GOOD.encode() + b'{"question": "' + b"word " * 1_000_000 + b'", "answer": 1}\n', "line 41"),
    "one problem": (b'{"question": "a", "answer": 1}\n', "p.jsonl"),
    "option that is empty": (b'{"question": "a", "answer": "A", "choices": ["", "b"]}\n' * 3, "line 1"),
    "option twice": (b'{"question": "a", "answer": "A", "choices": ["b", "b"]}\n' * 3, "line 1"),
}


@pytest.mark.parametrize("case", list(FILES))
def test_files_of_problems_that_will_not_do(here: Path, cli: Cli, case: str) -> None:
    """A bad line is named with its file."""
    content, named = FILES[case]
    (here / "p.jsonl").write_bytes(content)
    (here / "c.toml").write_text('[campaign]\ntask = "p.jsonl"\n[data]\ntrain = 20\ndev = 5\ntest = 5\n')
    refused(cli("run", "c.toml", "--out", "run"), "p.jsonl", named)
    assert left_behind(here, {"c.toml", "p.jsonl"}) == set()


def test_bom_and_windows_lines_are_read(here: Path, cli: Cli) -> None:
    """What editors on Windows write is no mistake."""
    (here / "p.jsonl").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    text = '[campaign]\r\ntask = "p.jsonl"\r\n[data]\r\ntrain = 20\r\ndev = 3\r\ntest = 3\r\n'
    (here / "c.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert cli("plan", "c.toml", "--no-probe").code == 0


def loop(here: Path) -> str:
    """Make a link to itself."""
    (here / "loop.jsonl").symlink_to(here / "loop.jsonl")
    return "loop.jsonl"


def test_links_in_a_circle(here: Path, cli: Cli) -> None:
    """A link that leads nowhere is a file that cannot be read, as problems and as settings."""
    (here / "c.toml").write_text(f'[campaign]\ntask = "{loop(here)}"\n')
    refused(cli("run", "c.toml", "--out", "run"), "loop.jsonl")
    (here / "d.toml").symlink_to(here / "d.toml")
    refused(cli("run", "d.toml"), "d.toml")


Break = Callable[[Path], object]
MODELS: dict[str, tuple[Break, str]] = {
    "no config": (lambda m: (m / "config.json").unlink(), "config.json"),
    "config that is no JSON": (lambda m: (m / "config.json").write_text("{"), "config.json"),
    "config without a type": (lambda m: (m / "config.json").write_text("{}"), "model"),
    "unknown architecture": (lambda m: _change(m / "config.json", model_type="marvin"), "marvin"),
    "code of its own": (
        lambda m: _change(m / "config.json", model_type="own", auto_map={"AutoConfig": "own.Own"}),
        "code",
    ),
    "weights cut off": (lambda m: _cut(m / "model.safetensors"), "model.safetensors"),
    "weights of another shape": (lambda m: _change(m / "config.json", hidden_size=64), "model"),
    "no tokenizer": (lambda m: (m / "tokenizer.json").unlink(), "tokenizer"),
    "tokenizer that is no JSON": (lambda m: (m / "tokenizer.json").write_text("{"), "tokenizer"),
    "no chat template": (lambda m: (m / "chat_template.jinja").unlink(), "chat template"),
    "template that is broken": (lambda m: (m / "chat_template.jinja").write_text("{% for %}"), "template"),
    "template without a turn for the reply": (
        lambda m: (m / "chat_template.jinja").write_text(
            "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
        ),
        "template",
    ),
    "template that writes another prompt under a reply": (
        lambda m: (m / "chat_template.jinja").write_text(
            "{{ 'P' if add_generation_prompt else 'Q' }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
        ),
        "another prompt when a reply follows",
    ),
}


def _change(file: Path, **values: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize("case", list(MODELS))
def test_models_that_will_not_do(
    here: Path, cli: Cli, family: Family, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is no usable model is named before any problem is tried."""
    monkeypatch.setattr("selfimprove.planning.probing.probe", probe)  # it loads the weights
    monkeypatch.setattr("selfimprove.graphs.run.run_campaign", lambda *_: sys.exit(77))
    harm, named = MODELS[case]
    shutil.copytree(family("llama"), here / "model")
    capsys.readouterr()
    harm(here / "model")
    known = {f"model/{p.name}" for p in (here / "model").iterdir()} | {"c.toml"}
    sections = "[student]\nmax_tokens = 64\n[data]\ntrain = 20\ndev = 5\ntest = 5\n"
    (here / "c.toml").write_text(f'[campaign]\nstudent = "./model"\n{sections}')
    for command in (("plan", "c.toml"), ("run", "c.toml", "--out", "run")):
        refused(cli(*command), named)
    assert left_behind(here, known) == set()


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("campaign.toml", b"[campaign]\nronds = 3\n", "campaign.toml"),
        ("manifest.json", b"{", "manifest.json"),
        ("manifest.json", b'{"version": 99, "files": {}}', "version"),
        ("ledger.sqlite", b"not a database, but long enough to look like one " * 40, "ledger.sqlite"),
        ("data/dev.jsonl", b"{}\n", "dev.jsonl"),
        ("round-01/decision.json", b"{}", "decision.json"),
    ],
)
def test_run_folders_that_were_harmed(
    here: Path, cli: Cli, make_crew: Callable[..., object], name: str, content: bytes, named: str
) -> None:
    """A changed file is found by its hash, by a report as by a run that goes on; nothing is overwritten."""
    from selfimprove.graphs.run import run_campaign

    crew = make_crew(here / "run", campaign={"rounds": 1})
    run_campaign(crew, crew.folder.at("graph.sqlite"))  # type: ignore[attr-defined, arg-type]
    crew.ledger.close()  # type: ignore[attr-defined]
    crew.folder.close()  # type: ignore[attr-defined]
    for shadow in here.glob("run/ledger.sqlite-*"):
        shadow.unlink()
    (here / "run" / name).write_bytes(content)
    refused(cli("report", "run", "--json"), named)
    assert (here / "run" / name).read_bytes() == content


PREDICTIONS: dict[str, tuple[str, str]] = {
    "empty": ("", "p.jsonl"),
    "not JSON": ("{", "line 1"),
    "more than there are": ('{"prediction": "4"}\n{"prediction": "5"}\n', "p.jsonl"),
    "unknown id": ('{"id": "nobody", "prediction": "4"}\n', "nobody"),
    "same id twice": ('{"id": "1", "prediction": "4"}\n{"id": "1", "prediction": "5"}\n', "line 2"),
    "text that is a list": ('{"id": "1", "prediction": ["4"]}\n', "line 1"),
}


@pytest.mark.parametrize("case", list(PREDICTIONS))
def test_predictions_that_will_not_do(here: Path, cli: Cli, case: str) -> None:
    """The evaluator names the line of a prediction that it cannot use."""
    content, named = PREDICTIONS[case]
    (here / "p.jsonl").write_text(content)
    (here / "g.jsonl").write_text('{"id": "1", "question": "What is 2 + 2?", "answer": 4}\n')
    refused(cli("score", "g.jsonl", "--pred", "p.jsonl", "--gold", "g.jsonl"), named)

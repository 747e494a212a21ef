from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from selfimprove.config import Config, load_config
from selfimprove.errors import InputError
from selfimprove.installed import shipped
from selfimprove.tasks.load import load_task
from selfimprove.templates import init, template

TASKS = ["gsm8k", "strategyqa", "mmlu", "math", "arithmetic"]


def uncommented(text: str) -> str:
    """Take the "#" away from every default."""
    return re.sub(r"(?m)^#(?=[\w\[])", "", text)


def keys(section: type[BaseModel], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """List every key of the config classes, tables walked into."""
    listed = []
    for name, field in section.model_fields.items():
        kind = field.annotation
        inner = isinstance(kind, type) and issubclass(kind, BaseModel)
        listed += keys(kind, (*path, name)) if inner else [(*path, name)]
    return listed


def problems_file(path: Path, **more: object) -> Path:
    """Write forty small problems."""
    rows = [{"question": f"What is {n} + {n}?", "answer": str(2 * n), **more} for n in range(40)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("task", TASKS)
def test_template_is_a_config(task: str, tmp_path: Path):
    """What init writes is read without complaint and names its task."""
    path = tmp_path / "campaign.toml"
    text = init(task, path)
    assert path.read_text("utf-8") == text
    assert load_config(path).campaign.task == task


@pytest.mark.parametrize("task", TASKS)
def test_every_default_can_be_uncommented(task: str, tmp_path: Path):
    """Taking every "#" away still gives a config, equal to the file's own where a default is known."""
    path, opened = tmp_path / "campaign.toml", tmp_path / "opened.toml"
    opened.write_text(uncommented(init(task, path)))
    as_is, all_set = load_config(path), load_config(opened)
    for section in ("lesson", "mine", "select", "evaluate", "gate"):
        unset = {name: None for name, value in getattr(as_is, section) if value is None}
        assert getattr(all_set, section).model_copy(update=unset) == getattr(as_is, section)


def test_a_key_uncommented_alone_is_its_own_tables():
    """Taking the "#" away from one line sets that key in the table that it stands under."""
    lines = template("gsm8k").splitlines()
    table = ""
    for at, line in enumerate(lines):
        if header := re.fullmatch(r"#?\[+(.+?)\]+", line):
            table = header[1]
        elif (key := re.match(r"#(\w+) = ", line)) and table != "phases":
            place = tomllib.loads("\n".join([*lines[:at], line[1:], *lines[at + 1 :]]))
            for part in (*table.split("."), key[1]):
                assert part in place, f"{line} under [{table}] sets no {table}.{key[1]}"
                place = place[part]


def test_template_covers_every_key():
    """No key of the config is missing, however deep."""
    written = tomllib.loads(uncommented(template("arithmetic")))
    for path in keys(Config):
        place = written
        for part in path:
            assert part in place, f"{'.'.join(path)} is not in the template"
            place = place[part]


def test_every_key_says_its_default():
    """The comment over each key of the config holds the default that the config has."""
    lines = template("mmlu").partition("[task]")[0].splitlines()
    said = " ".join(lines[: lines.index("rounds = 3")][-2:])
    assert "efault 3; 1 to 100" in said
    assert "(default 400; 1 to 10,000,000)" in lines[lines.index("dev = 800") - 1]


def test_units_come_from_the_config():
    """A field's own docstring is its comment."""
    assert "# Longest wait for one answer, in seconds (default 120.0; more than 0)" in template("gsm8k")


def test_choices_are_listed():
    """A key with a few allowed values names them."""
    assert 'one of "failures", "ladder"' in template("gsm8k").replace("\n# ", " ")


@pytest.mark.parametrize("task", ["arithmetic", "strategyqa"])
def test_task_options_are_the_tasks_own(task: str):
    """Every option under [task] is accepted by the task at the value that is shown."""
    options = tomllib.loads(uncommented(template(task)))["task"]
    assert options
    assert load_task(task, options={k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})


def test_reasoning_gym_shows_the_generators_settings():
    """A generator's own settings are there, and seed only once."""
    pytest.importorskip("reasoning_gym", reason="reasoning-gym is not installed")
    options = tomllib.loads(uncommented(template("reasoning_gym:chain_sum")))["task"]
    assert options.keys() >= {"seed", "min_terms", "max_terms"}
    assert load_task("reasoning_gym:chain_sum", options=options)


def test_own_file_without_solutions_teaches_itself(tmp_path: Path):
    """Where there is no worked solution, the reference has nothing to teach with."""
    bare, solved = problems_file(tmp_path / "a.jsonl"), problems_file(tmp_path / "b.jsonl", rationale="n + n")
    assert tomllib.loads(template(str(bare)))["teacher"]["model"] == "self"
    assert tomllib.loads(template(str(solved)))["teacher"]["model"] == "reference"


def test_existing_file_is_kept(tmp_path: Path):
    """Nothing is overwritten."""
    path = tmp_path / "campaign.toml"
    path.write_text("mine")
    with pytest.raises(InputError, match="not overwritten"):
        init("gsm8k", path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("task", "said"),
    [("gsm9k", 'did you mean "gsm8k"'), ("missing.jsonl", "does not exist"), ("reasoning_gym:chain_sun", "chain_sum")],
)
def test_unknown_task_leaves_no_file(task: str, said: str, tmp_path: Path):
    """A name that is none is answered with the nearest, and nothing is written."""
    with pytest.raises(InputError, match=said):
        init(task, tmp_path / "campaign.toml")
    assert not list(tmp_path.iterdir())


def test_shipped_files_are_found_in_the_source_tree():
    """The constraints lie beside the package, or inside it once it is a wheel."""
    assert shipped("constraints.txt").is_file()
    with pytest.raises(InputError, match="not part of this installation"):
        shipped("examples/none.toml")

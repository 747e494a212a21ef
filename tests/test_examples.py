from __future__ import annotations

import os
import re
import runpy
from pathlib import Path

import pytest

from selfimprove import Campaign, InputError, Teacher, load_config
from selfimprove.cli import cli
from selfimprove.tasks.arithmetic import Arithmetic

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
HUB_DATA = {"strategyqa", "gsm8k"}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.toml")), ids=lambda p: p.stem)
def test_example_plans_as_it_stands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example is a campaign whose task loads and whose plan can be written."""
    monkeypatch.chdir(ROOT)
    if load_config(path).campaign.task in HUB_DATA and "SELFIMPROVE_DATA" not in os.environ:
        pytest.skip("needs the data sets in SELFIMPROVE_DATA, or the hub")
    assert "Smallest true gain" in Campaign(path).plan()


def test_own_teacher_is_a_teacher() -> None:
    """The example's teacher satisfies the protocol and does not give its first step's answer as the final one."""
    made = runpy.run_path(str(ROOT / "examples" / "own_teacher.py"))
    task = Arithmetic()
    teacher = made["RuleTeacher"](task)
    assert isinstance(teacher, Teacher)
    problem = next(iter(task.problems("train")))
    rationale = teacher.reason([problem], 1)[0][0]
    assert task.compare(task.parse(rationale.text).strict or "", problem) == "correct"


def test_readme_names_every_example_and_only_real_commands() -> None:
    """The README's table lists the examples, and each selfimprove command in it exists."""
    for path in (ROOT / "examples").glob("*.*"):
        if path.suffix in {".toml", ".py"}:
            assert f"examples/{path.name}" in README
    for command in re.findall(r"^selfimprove (\w+)", README, re.MULTILINE):
        assert command in cli.commands
    for target in re.findall(r"`make ([\w-]+)", README):
        assert re.search(rf"^{target}:|bench-", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_readme_campaign_is_accepted(tmp_path: Path) -> None:
    """The Python of the README makes a campaign; a wrong keyword is refused with the nearest right one."""
    block = re.search(r"campaign = (Campaign\(.*?\n\))", README, re.DOTALL)
    assert block is not None
    made = eval(block[1], {"Campaign": Campaign})  # noqa: S307 - our own README
    assert made.config.campaign.budget_usd == 12
    assert made.config.teacher.model == "openai/gpt-4o"
    with pytest.raises(InputError, match='did you mean "rounds"'):
        Campaign(task="arithmetic", round=3)

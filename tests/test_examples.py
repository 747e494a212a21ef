from __future__ import annotations

import os
import re
import runpy
import tomllib
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from fake_server import Reply, serving
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from selfimprove import Campaign, InputError, load_config
from selfimprove.arms import ARMS
from selfimprove.cli import cli
from selfimprove.config import make_config
from selfimprove.config.curating import CurateConfig
from selfimprove.config.reading import make_section
from selfimprove.protocols import StepScorer, Student, Task, Teacher, Trainer
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import NullTrainer, ScriptedStudent
from selfimprove.trainers.extras import ROLLOUTS
from selfimprove.trainers.versions import ACCEPTED

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
PAGES = "\n".join([README, *(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))])
"""The README and what it sends readers to."""
HUB_DATA = {"strategyqa", "gsm8k"}
EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))
Family = Callable[[str], Path]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_plans_as_it_stands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example is a campaign whose task loads and whose plan can be written."""
    monkeypatch.chdir(ROOT)
    if load_config(path).campaign.task in HUB_DATA and "SELFIMPROVE_DATA" not in os.environ:
        pytest.skip("needs the data sets in SELFIMPROVE_DATA, or the hub")
    assert "Smallest true gain" in str(Campaign(path).plan(probe=False))


def small(path: Path, tmp_path: Path, **plugs: Any) -> Campaign:
    """Give an example with everything as it stands but its sizes."""
    config = load_config(path)
    if config.campaign.task in HUB_DATA and "SELFIMPROVE_DATA" not in os.environ:
        pytest.skip("needs the data sets in SELFIMPROVE_DATA, or the hub")
    sizes = {"train": 40, "dev": 12, "test": 12}
    sections: dict[str, dict[str, Any]] = {"data": sizes, "mine": {"pool": 8}, "train": {"sft": {"max_steps": 1}}}
    return Campaign(path, out=tmp_path / "run", sections=sections, **plugs)


def knows(task: Task) -> Callable[[dict[str, Any]], Reply]:
    """Give a teacher's server that knows the reference answers."""
    answers = {p.question: p.answer for p in task.problems("train")}

    def reply(body: dict[str, Any]) -> Reply:
        asked = body["messages"][-1]["content"]
        return Reply(next((f"So.\nAnswer: {a}" for q, a in answers.items() if asked.startswith(q)), "It is far."))

    return reply


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_example_runs_as_it_stands(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example runs to its end on its own data with a scripted student; a model's teacher is a local server."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    campaign = small(path, tmp_path)
    task = campaign.load_task()
    with serving(knows(task)) as server:
        sections = {"teacher": {"base_url": server.url}} if "gpt" in campaign.config.teacher.model else {}
        made = Campaign(
            campaign.config,
            student=ScriptedStudent(task),
            trainer=NullTrainer(),
            out=campaign.out,
            sections=sections,
        ).run()
        assert bool(server.calls) == bool(sections)
    assert made.state == "finished"
    assert made.test is not None
    assert made.test.base is not None
    assert made.test.base.n == 12
    assert made.rounds
    assert all(row.rows for row in made.rounds)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", [p for p in EXAMPLES if load_config(p).teacher.model == "reference"], ids=lambda p: p.stem
)
def test_example_runs_with_a_real_model(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: Family
) -> None:
    """Every example that needs no key runs with a real, tiny student that is really trained."""
    monkeypatch.chdir(ROOT)
    made = small(path, tmp_path, student=str(family("llama"))).run()
    assert made.state == "finished"


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
    for command in re.findall(r"^selfimprove (\w+)", PAGES, re.MULTILINE):
        assert command in cli.commands
    for target in re.findall(r"`make ([\w-]+)", PAGES):
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


def test_docs_tell_accepted_and_tested_versions() -> None:
    """The table of versions is that which trainings are refused by and what is installed, and which the tests run with."""
    row = r"^\| (torch|transformers|trl|peft|vllm) \| ([0-9.]+)(?: to \d+\.x)? \| ([0-9.]+|none) \|$"
    rows = {name: (least, tested) for name, least, tested in re.findall(row, PAGES, re.MULTILINE)}
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    wanted = {**ACCEPTED, "vllm": ROLLOUTS}
    assert rows == {
        name: (range_.partition(",")[0].removeprefix(">="), pinned.get(name, "none")) for name, range_ in wanted.items()
    }
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    asked = [Requirement(each) for each in chain.from_iterable(extras.values())]
    assert {each.name: each.specifier for each in asked if each.name in wanted} == {
        name: SpecifierSet(range_) for name, range_ in wanted.items()
    }


def test_readme_tells_every_arm() -> None:
    """The table of arms has all of them."""
    told = set(re.findall(r"`([\w+]+)`", "".join(re.findall(r"^\| (`.*?) \| ", README, re.MULTILINE))))
    assert {*ARMS, "control"} <= told


@pytest.mark.parametrize("plug", [Task, Student, Teacher, StepScorer, Trainer])
def test_docs_tell_what_a_plug_needs(plug: type) -> None:
    """The table of plugs has each with all its members, and says where they are described."""
    row = re.search(rf"^\| `{plug.__name__}` \| (.*?) \| ", PAGES, re.MULTILINE)
    assert row is not None
    assert set(re.findall(r"`(\w+)", row[1])) == {name for name in dir(plug) if not name.startswith("_")}
    assert "selfimprove/protocols.py" in PAGES
    assert "selfimprove/testing.py" in PAGES


def test_settings_of_the_docs_are_taken() -> None:
    """Each TOML block is a campaign's config, or one of a library that grows."""
    blocks = re.findall(r"```toml\n(.*?)```", PAGES, re.DOTALL)
    assert len(blocks) >= 4
    for block in blocks:
        values = tomllib.loads(block)
        if "curate" in values:
            make_section(CurateConfig, values, "docs")
        else:
            make_config(values, "docs")


def test_links_of_the_docs_lead_somewhere() -> None:
    """Each link to a file of the project names one, and each section that it names is there."""
    links = 0
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target, section in re.findall(r"\]\(([\w./-]+)(?:#([\w-]+))?\)", page.read_text()):
            links += 1
            found = page.parent / target
            assert found.is_file(), f"{page.name}: {target}"
            heads = re.findall(r"^#+ (.*)$", found.read_text(), re.MULTILINE)
            assert not section or section in {head.lower().replace(" ", "-") for head in heads}, (
                f"{page.name}: {section}"
            )
    assert links >= 7


def test_scripted_campaign_of_the_docs_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python beside the plugs ends with a finished campaign, and needs no model."""
    monkeypatch.chdir(tmp_path)
    block = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "plugs.md").read_text(), re.DOTALL)
    assert block is not None
    exec(block[1], {})  # noqa: S102 - our own page
    assert (tmp_path / "runs/scripted/finished.json").is_file()

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from selfimprove import Campaign
from selfimprove.config import Config, make_config
from selfimprove.errors import InputError
from selfimprove.programs import program_for
from selfimprove.programs.program import answers_of
from selfimprove.programs.saved import Card, Measured, place_of, save_program
from selfimprove.records import Comparison, Completion, Interval, Request
from selfimprove.stages import grade_stage, mine_stage
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import NullTrainer, ScriptedStudent

TASK = Arithmetic(sizes={"train": 30, "dev": 10, "test": 10})


def config(**sections: Any) -> Config:
    return make_config({"mine": {"samples": 2, "most": 4}, "data": {"train": 30}, **sections})


def test_a_mistake_does_not_bind_a_folder(tmp_path: Path) -> None:
    """A student that is not there, or a pool that was not mined, leaves nothing; the folder is free for other settings."""
    out = tmp_path / "m"
    with pytest.raises(InputError, match='the model "nosuch"'):
        mine_stage(config(campaign={"student": "nosuch"}), out, task=TASK)
    assert not out.exists()
    with pytest.raises(InputError, match="holds no mined pool; run selfimprove mine on it first"):
        grade_stage(config(mine={"samples": 4}), out, task=TASK, student=ScriptedStudent(TASK))
    assert not out.exists()
    assert mine_stage(config(), out, task=TASK, student=ScriptedStudent(TASK)).startswith("mined 30 problems")


def test_a_scorer_that_is_not_there_leaves_a_mined_folder_as_it_was(tmp_path: Path) -> None:
    """The settings that it was mined under stay the ones that are written there."""
    out = tmp_path / "m"
    mine_stage(config(), out, task=TASK, student=ScriptedStudent(TASK))
    held = (out / "stage.toml").read_text()
    with pytest.raises(InputError, match='the scorer "nosuch" is neither'):
        grade_stage(config(grade={"scorer": "nosuch"}), out, task=TASK, student=ScriptedStudent(TASK))
    assert (out / "stage.toml").read_text() == held
    assert (out / "ledger.sqlite").is_file()


@dataclass
class Listening(ScriptedStudent):
    """Keeps what it was told to do."""

    told: set[str] = field(default_factory=set)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.told |= {request.messages[0].content for request in requests}
        return super().complete(requests)


def save_solve(folder: Path) -> str:
    """Save a prompt of `solve` that is proven better, and give its hash."""
    program = program_for("solve", TASK).with_instructions(f"Think in tiny steps. {TASK.instruction}")
    half = Measured(score=0.5, interval=Interval(low=0.4, high=0.6))
    gain = Comparison(
        n=50, gained=10, lost=0, difference=0.2, interval=Interval(low=0.1, high=0.3), p_better=0.001, p_worse=0.999
    )
    card = Card(
        program="solve", task=TASK.name, fields=program.fields, saved="", optimizer="gepa", metric="accuracy", model="m",
        written_by="", cases=50, held_out=50, before=half, after=half, gain=gain, data="d", seed=0, date="",
        answers=answers_of("solve", TASK),
    )  # fmt: skip
    save_program(program, card, place_of("solve", TASK.name, folder))
    return program.hash("")


def test_a_stage_asks_with_the_prompt_in_force_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mining takes the proven prompt as a campaign does; a campaign under another one refuses the library."""
    monkeypatch.chdir(tmp_path)
    save_solve(tmp_path / "programs")
    out, student = tmp_path / "m", Listening(TASK)
    mine_stage(config(), out, task=TASK, student=student)
    assert all("Think in tiny steps." in told for told in student.told)
    assert student.told
    shutil.rmtree(tmp_path / "programs")
    grade_stage(config(), out, task=TASK, student=student)
    mine = {"library": str(out)}
    sections = {"mine": mine, "data": {"train": 30}, "lesson": {"questions": 0}}
    campaign = Campaign(
        task=TASK, student=student, trainer=NullTrainer(), out=tmp_path / "c", rounds=1, sections=sections
    )
    with pytest.raises(InputError, match=r"was mined under prompt \w+ .* this campaign asks under \w+; mine and grade"):
        campaign.run()
    save_solve(tmp_path / "programs")
    assert campaign.run().state == "finished"


def test_an_adapter_is_mined_under_the_prompt_it_was_trained_under(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was trained under another prompt is refused, and leaves nothing."""
    monkeypatch.chdir(tmp_path)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    trained = save_solve(tmp_path / "elsewhere")
    (adapter / "metrics.json").write_text(json.dumps({"skill": 0.9, "render_hash": trained}))
    student = ScriptedStudent(TASK)
    with pytest.raises(InputError, match=f"was trained under prompt {trained} and would be mined under"):
        mine_stage(config(), tmp_path / "m", task=TASK, student=student, adapter=adapter)
    assert not (tmp_path / "m").exists()
    save_solve(tmp_path / "programs")
    assert mine_stage(config(), tmp_path / "m", task=TASK, student=student, adapter=adapter)

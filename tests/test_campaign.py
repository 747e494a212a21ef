from __future__ import annotations

from pathlib import Path
from typing import Any

from selfimprove import Campaign
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import FixedTeacher, NullTrainer, ScriptedStudent

SMALL: dict[str, Any] = {
    "rounds": 1,
    "arms": ["track_b"],
    "data": {"train": 60, "dev": 20, "test": 20},
    "mine": {"pool": 20, "samples": 0},
}


class Named(FixedTeacher):
    """A teacher with a name of its own, which is a model's."""

    name = "openai/gpt-4o"


def test_a_teacher_that_is_an_object_teaches(tmp_path: Path) -> None:
    """Task, student and teacher as objects are planned with, run to the end, and found finished when run again."""
    task = Arithmetic()
    plugs = {"task": task, "student": ScriptedStudent(task), "teacher": Named(task), "trainer": NullTrainer()}
    campaign = Campaign(out=tmp_path / "run", **plugs, **SMALL)
    assert "Dollars: 0" in str(campaign.plan())
    made = campaign.run()
    assert made.state == "finished"
    assert made.rounds[0].rows
    assert made.teacher == "test_campaign:Named"
    assert Campaign(out=tmp_path / "run", **plugs, **SMALL).run().sentence == made.sentence

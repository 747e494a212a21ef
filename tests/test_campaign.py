from __future__ import annotations

from pathlib import Path
from typing import Any

from selfimprove import Campaign
from selfimprove.config import load_config
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import FixedTeacher, NullTrainer, ScriptedStudent

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "arithmetic.toml"
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


def test_keywords_go_over_a_file_key_by_key() -> None:
    """What a table of a table does not name stays as the file has it, and a list of tables is a section, too."""
    train = {"sft": {"num_train_epochs": 2}, "grpo": {"temperature": 1.0}}
    made = Campaign(EXAMPLE, train=train, sections={"phases": [{"pool": 300}]}).config
    assert made.train.sft.model_dump() == {**load_config(EXAMPLE).train.sft.model_dump(), "num_train_epochs": 2}
    assert made.train.grpo.model_dump() == {"temperature": 1.0}
    assert made.train.continued == load_config(EXAMPLE).train.continued
    assert made.phases[0].pool == 300

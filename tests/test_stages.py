from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfimprove.config import Config, make_config
from selfimprove.errors import InputError
from selfimprove.stages import grade_stage, mine_stage
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import ScriptedStudent

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

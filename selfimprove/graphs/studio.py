"""A crew that needs no key and no model, for looking at the graphs and running them in LangGraph Studio."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfimprove.config import make_config, write_config
from selfimprove.graphs.crew import Crew
from selfimprove.ledger import Ledger
from selfimprove.programs import SIGNATURES, program_for
from selfimprove.records import Split
from selfimprove.store import RunFolder
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import FixedTeacher, NullTrainer, ScriptedStudent


def studio_crew(name: str, out: Path | None = None, settings: Mapping[str, Any] | None = None) -> Crew:
    """Give a small scripted campaign's parts.

    Args:
        name: of the folder it works in, when `out` is not given.
        out: the run folder; default: a new temporary one.
        settings: sections of a config that go over the small default.
    """
    sizes: dict[Split, int] = {"train": 300, "dev": 120, "test": 100}
    sections: dict[str, Any] = {
        "campaign": {"rounds": 2, "arms": ["track_b", "track_a", "control"]},
        "data": dict(sizes),
        "mine": {"pool": 50},
        "lesson": {"cohort": 16, "asking": "two_calls"},
    }
    for section, values in (settings or {}).items():
        sections[section] = {**sections.get(section, {}), **values}
    task, config = Arithmetic(sizes=sizes), make_config(sections)
    folder = RunFolder(out or Path(tempfile.mkdtemp(prefix=f"selfimprove-{name}-")))
    folder.write_text("campaign.toml", write_config(config))
    return Crew(
        config=config,
        folder=folder,
        ledger=Ledger.of(folder.at("ledger.sqlite"), config.campaign),
        task=task,
        student=ScriptedStudent(task),
        teacher_for=lambda _model, _round: FixedTeacher(task),
        trainer=NullTrainer(),
        programs={program: program_for(program, task) for program in SIGNATURES},
        model_folder="scripted",
    )

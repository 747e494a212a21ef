"""A campaign's folder with adapters that a tiny Llama was really trained to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from warm_trainer import Warm

from selfimprove.campaign import chat_template_of
from selfimprove.config import make_config, write_config
from selfimprove.export import exported
from selfimprove.programs import Program, program_for
from selfimprove.records import Problem, Sampling, TrackRow, TrainingJob
from selfimprove.report.schema import Best, CostSummary, Provenance, Summary
from selfimprove.steps.draft import solve
from selfimprove.store import RunFolder
from selfimprove.students.transformers import TransformersStudent
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.trainers.process import ProcessTrainer

TASK = Arithmetic(kinds=("sum",), levels=(2,), sizes={"train": 8, "dev": 12, "test": 4})
SUMS = [Problem.of(f"What is {at} + {20 - at}?", "20") for at in range(20)]
"""All of one answer, which a tiny model learns to give: the first twelve are dev, the others are trained on."""


@pytest.fixture(scope="session")
def asked() -> Program:
    """The prompt that the students are trained and measured under: not the plain one, as where it was compiled."""
    return program_for("solve", TASK).with_instructions("Add up. End with the line: Answer: ANSWER")


@pytest.fixture(scope="session")
def run(family: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, warm: Warm, asked: Program) -> Path:
    """Two trained rounds, the second with its base in 4 bits, and their dev predictions."""
    out, base = tmp_path_factory.mktemp("export") / "run", family("llama")
    settings = {
        "campaign": {"task": "arithmetic", "student": str(base)},
        "task": {"kinds": ["sum"], "levels": [2]},
        "student": {"max_tokens": 16},
    }
    folder, dev = RunFolder(out), sorted(SUMS[:12], key=lambda p: p.id)
    folder.write_rows("data/dev.jsonl", dev)
    folder.write_text("campaign.toml", write_config(make_config(settings, "here")))
    rows = [
        TrackRow(
            id=p.id, track="track_b", program="solve", inputs={"problem": p.question}, target=f"Answer: {p.answer}",
            answer=p.answer, problem=p.id, source="reference", round=1,
        )
        for p in SUMS[12:]
    ]  # fmt: skip
    student = TransformersStudent(base)
    for round_, quantize in ((1, False), (2, True)):
        arm = f"round-{round_:02d}/arms/track_b"
        job = TrainingJob(
            model=str(base), rows=str(folder.at(folder.write_rows(f"{arm}/rows.jsonl", rows))),
            out=str(folder.at(f"{arm}/adapter")), program_state={"solve": asked.dump()},
            settings={"sft": {"learning_rate": 1e-2, "num_train_epochs": 36}, "quantize": quantize},
            render_hash=asked.hash(chat_template_of(student)), seed=round_,
        )  # fmt: skip
        ProcessTrainer(launcher=warm.launcher).train(job)
        folder.list_tree(arm)
        taught = student.with_adapter(folder.at(f"{arm}/adapter"))
        made = [some[0] for some in solve(dev, taught, asked, TASK, Sampling(max_tokens=16))]
        folder.write_rows(f"{arm}/predictions.jsonl", made)
    folder.close()
    return out


@pytest.fixture
def summary(run: Path, monkeypatch: pytest.MonkeyPatch) -> Summary:
    """What the campaign is said to have come to."""
    made = Summary(
        sentence="Round 1 answers 9 of 10 held-out problems.", next_step="", task="arithmetic", student="tiny",
        teacher="reference", seed=0, state="finished", cost=CostSummary(usd=0.0), wall_s=1.0,
        best=Best(path=str(run / "round-01/arms/track_b/adapter"), round=1, load=""),
        provenance=Provenance(selfimprove="0.1.0", python="3.11", data={"dev": "a" * 64}, render_hash="of the base's"),
    )  # fmt: skip
    monkeypatch.setattr(exported, "read_summary", lambda _: made)
    return made

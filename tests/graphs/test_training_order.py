from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfimprove.config import make_config
from selfimprove.errors import InputError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.mining.library import Graded
from selfimprove.programs import SIGNATURES, program_for
from selfimprove.records import Adapter, TrackRow, TrainingJob
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import NullTrainer


class Remembers:
    """Trains nothing, and remembers the jobs."""

    def __init__(self) -> None:
        self.jobs: list[TrainingJob] = []

    def train(self, job: TrainingJob) -> Adapter:
        self.jobs.append(job)
        return NullTrainer(gain=0.3).train(job)

    def rows(self, arm: str, round_: int) -> list[TrackRow]:
        """Give the rows of a job in the order of its file."""
        job = next(j for j in self.jobs if f"round-{round_:02d}/arms/{arm}/" in j.out)
        return [TrackRow.model_validate_json(line) for line in Path(job.rows).read_text().splitlines()]


def campaign(make_crew: Any, **select: object) -> tuple[Crew, Remembers]:
    made = make_crew(
        campaign={"rounds": 2, "arms": ["track_b", "track_a", "control"], "patience": 2},
        mine={"samples": 4, "pool": 60},
        select={"policy": "uniform", "lessons": 40, "replay": 0.5, **select},
    )
    trainer = Remembers()
    crew = Crew(**{**made.__dict__, "trainer": trainer})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    return crew, trainer


def test_easy_to_hard_reaches_training(make_crew: Any) -> None:
    """The rows of both arms go by level and pass rate, replayed ones by those of their own round, and stay so."""
    crew, trainer = campaign(make_crew, order="easy_to_hard")
    grades = {(r, g.problem): g for r in (1, 2) for g in crew.folder.rows(f"round-0{r}/grades.jsonl", Graded)}
    for arm in ("track_b", "track_a"):
        for round_ in (1, 2):
            rows = trainer.rows(arm, round_)
            hardness = [(g.difficulty, -g.pass_rate) for row in rows for g in [grades[row.round, row.problem]]]
            assert hardness == sorted(hardness)
            assert len({level for level, _ in hardness}) > 2
    assert {row.round for row in trainer.rows("track_b", 2)} == {1, 2}
    how = {job.out.split("/")[-2]: job.settings["sft"].get("train_sampling_strategy") for job in trainer.jobs}  # type: ignore[attr-defined]
    assert how == {"track_b": "sequential", "track_a": "sequential", "control-round-02": None}


def test_shuffled_leaves_the_order_to_the_trainer(make_crew: Any) -> None:
    """By default rows lie by problem, and nothing keeps the trainer from mixing them."""
    _, trainer = campaign(make_crew)
    rows = trainer.rows("track_b", 1)
    assert [row.problem for row in rows] == sorted(row.problem for row in rows)
    assert all("train_sampling_strategy" not in job.settings["sft"] for job in trainer.jobs)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("train_sampling_strategy", "random", '"random"'), ("packing", True, "true"), ("shuffle_dataset", True, "true")],
)
def test_two_orders_of_the_same_rows_are_refused(key: str, value: object, said: str) -> None:
    """What mixes rows that the settings put in order, packing by their lengths too, is refused in one sentence."""
    both = {"select": {"order": "easy_to_hard"}, "train": {"sft": {key: value}}}
    with pytest.raises(InputError, match=rf'{key} = {said} would mix the rows that select\.order = "easy_to_hard"'):
        make_config(both)
    make_config({**both, "select": {"order": "shuffled"}})


def sft_job(tmp_path: Path, **settings: object) -> TrainingJob:
    """Write a job of ten rows, the shortest first."""
    program = program_for("solve", Arithmetic())
    rows = [
        TrackRow(
            id=f"{n}", track="track_b", program="solve", inputs={"problem": f"What is {n}?"}, target="one " * (n + 1),
            answer="1", problem=f"p{n}", source="s", round=1,
        )
        for n in range(10)
    ]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    return TrainingJob(
        model="", rows=str(tmp_path / "rows.jsonl"), out="", program_state={"solve": program.dump()},
        settings={"sft": {"max_length": 4096, **settings}},
    )  # fmt: skip


def test_passes_over_ordered_rows_keep_their_order(tmp_path: Path) -> None:
    """By tokens each pass takes the rows that a shuffled one takes, put in order: the amount is the same."""
    pytest.importorskip("transformers")
    from tiny_models import tokenizer

    from selfimprove.trainers.sft import job_examples, loss_tokens

    assert "solve" in SIGNATURES
    words = tokenizer()
    job = sft_job(tmp_path, train_sampling_strategy="sequential")
    once = job_examples(job, words)
    places = {tuple(example.ids): at for at, example in enumerate(once)}
    amount = sum(map(loss_tokens, once)) * 3 // 2
    loose = job_examples(sft_job(tmp_path).model_copy(update={"trained_tokens": amount}), words)
    put = job_examples(job.model_copy(update={"trained_tokens": amount}), words)
    at = [places[tuple(example.ids)] for example in put]
    assert at[:10] == list(range(10))
    assert at[10:] == sorted(at[10:])
    assert sorted(places[tuple(e.ids)] for e in loose[10:]) == at[10:]
    assert [places[tuple(e.ids)] for e in loose[:10]] != list(range(10))

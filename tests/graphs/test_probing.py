from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from selfimprove.errors import TrainingError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.places import Pool
from selfimprove.graphs.run import run_campaign
from selfimprove.graphs.studio import studio_crew
from selfimprove.records import Adapter, Attempt, Problem, TrackRow, TrainingJob
from selfimprove.report.page import render_page
from selfimprove.report.summary import summarise
from selfimprove.steps.probe import Probed
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import NullTrainer

SELECT = {"policy": "probe", "lessons": 400, "candidates": ["failures", "random", "band"], "probe": 100}
MINE = {"samples": 4, "pool": 100}


class Trainer:
    """Trains nothing; what one policy chose makes the student far better."""

    def __init__(self, best: str = "") -> None:
        self.best, self.jobs = best, list[TrainingJob]()

    def train(self, job: TrainingJob) -> Adapter:
        self.jobs.append(job)
        favoured = f"/probe/{self.best}/" in job.out
        return NullTrainer(gain=0.5 if favoured else 0.1).train(job)


def probing_crew(make_crew: Any, best: str = "", **select: object) -> tuple[Crew, Trainer]:
    crew = make_crew(mine=MINE, select={**SELECT, **select}, campaign={"rounds": 2, "arms": ["track_b"]})
    trainer = Trainer(best)
    return Crew(**{**crew.__dict__, "trainer": trainer}), trainer


def run(crew: Crew) -> Probed:
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    return crew.folder.record("round-01/probe.json", Probed)


@pytest.fixture(scope="module")
def banded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Crew, Trainer, Probed]:
    """Give a finished campaign in which the rows that `band` chose teach far more than the others."""
    out = tmp_path_factory.mktemp("probing") / "run"
    crew, trainer = probing_crew(lambda **sections: studio_crew("probing", out, sections), "band")
    return crew, trainer, run(crew)


def test_probe_takes_the_best_for_every_round(banded: tuple[Crew, Trainer, Probed]) -> None:
    """The policy whose rows teach most is taken in all rounds, and probed for once."""
    crew, trainer, made = banded
    assert made.policy == "band"
    pools = [crew.folder.record(f"round-0{r}/pool.json", Pool).policy for r in (1, 2)]
    assert pools == ["band", "band"]
    assert sum("/probe/" in job.out for job in trainer.jobs) == 3


def test_what_a_probe_takes_is_its_own(banded: tuple[Crew, Trainer, Probed]) -> None:
    """Its lessons, trainings and tests count to the probe, not to the rounds' stages beside which the plan stands."""
    crew = banded[0]
    calls = {row.stage: row.calls for row in summarise(crew.folder, crew.ledger).cost.by_stage}
    assert calls["probe"] >= 2 * 100  # two of the three candidates make the same student
    trained = crew.ledger._file.read("SELECT count(*) FROM spans WHERE name LIKE 'train %'")
    assert trained == [(2,)]


def test_equal_policies_leave_the_default(make_crew: Any) -> None:
    """Where all teach alike the first candidate is taken, and it is said that nothing was shown."""
    made = run(probing_crew(make_crew)[0])
    assert made.policy == "failures"
    assert "equal within noise" in made.sentence


def test_probe_problems_are_held_out_and_rows_few(banded: tuple[Crew, Trainer, Probed]) -> None:
    """No candidate is trained on a probe problem; these are training problems; one row in twenty at most is spent."""
    crew, trainer, made = banded
    held = {a.problem for a in crew.folder.rows("round-01/probe/band/predictions.jsonl", Attempt)}
    splits = {name: {p.id for p in crew.problems(name)} for name in ("train", "dev", "test")}
    assert len(held) == made.problems == 100
    assert held <= splits["train"]
    assert not held & (splits["dev"] | splits["test"])
    jobs = [job for job in trainer.jobs if "/probe/" in job.out]
    rows = [[TrackRow.model_validate_json(x) for x in Path(job.rows).read_text().splitlines()] for job in jobs]
    assert not held & {row.problem for some in rows for row in some}
    assert sum(map(len, rows)) == made.rows <= 0.05 * 2 * 400
    assert made.budget_rows == 800
    assert {c.trained_tokens for c in made.candidates} == {made.candidates[0].trained_tokens}


class Grouped(Arithmetic):
    """Arithmetic whose problems belong together by fives."""

    def problems(self, split: Any) -> Any:
        for at, problem in enumerate(super().problems(split)):
            yield problem.model_copy(update={"group": f"{split} {at // 5}"})


def test_variants_of_probe_problems_are_trained_on_by_no_candidate(make_crew: Any) -> None:
    """Groups are set aside whole, which leaves the candidates what the probe does not need."""
    crew, trainer = probing_crew(make_crew, "band")
    made = run(Crew(**{**crew.__dict__, "task": Grouped(sizes={"train": 300, "dev": 120, "test": 100})}))
    assert (made.policy, made.problems) == ("band", 100)
    assert made.candidates[2].comparison is not None
    assert made.candidates[2].comparison.groups == 20
    group = {p.id: p.group for p in crew.problems("train")}
    held = {group[a.problem] for a in crew.folder.rows("round-01/probe/band/predictions.jsonl", Attempt)}
    jobs = [Path(job.rows).read_text().splitlines() for job in trainer.jobs if "/probe/" in job.out]
    taught = {group[TrackRow.model_validate_json(line).problem] for lines in jobs for line in lines}
    assert taught
    assert not held & taught


def test_probe_calls_are_found_again(banded: tuple[Crew, Trainer, Probed], make_crew: Any, tmp_path: Path) -> None:
    """The same campaign walked again makes no call and trains nothing anew, the probe's included."""
    crew = banded[0]
    before, calls = crew.folder.hashes, crew.ledger.totals().calls
    shutil.copytree(crew.folder.path, tmp_path / "run", ignore=shutil.ignore_patterns("graph.sqlite*", "run.lock"))
    again, _ = probing_crew(lambda **s: make_crew(tmp_path / "run", **s), "band")
    run(again)
    assert (again.folder.hashes, again.ledger.totals().calls) == (before, calls)


def test_probe_that_was_begun_stands_where_rounds_are_added(make_crew: Any, tmp_path: Path) -> None:
    """Ended in its second candidate and gone on with for more rounds, it tries what it began with, in all candidates."""

    class Ended(Trainer):
        def train(self, job: TrainingJob) -> Adapter:
            if self.jobs:
                raise TrainingError("ended")
            return super().train(job)

    begun, first = probing_crew(make_crew)[0], Ended("band")
    with pytest.raises(TrainingError):
        run(Crew(**{**begun.__dict__, "trainer": first}))
    shutil.copytree(begun.folder.path, tmp_path / "more", ignore=shutil.ignore_patterns("graph.sqlite*", "run.lock"))
    crew, _ = probing_crew(lambda **s: make_crew(tmp_path / "more", **s), "band")
    settings = crew.config.campaign.model_copy(update={"rounds": 4})
    made = run(Crew(**{**crew.__dict__, "config": crew.config.model_copy(update={"campaign": settings})}))
    assert (made.policy, made.budget_rows) == ("band", 2 * 400)
    assert {candidate.rows for candidate in made.candidates} == {len(Path(first.jobs[0].rows).read_text().splitlines())}


def test_small_budget_is_not_probed(make_crew: Any) -> None:
    """Too few rows to try anything on: nothing is trained for it, and the default is taken with the reason."""
    crew, trainer = probing_crew(make_crew, "band", lessons=20)
    made = run(crew)
    assert (made.policy, made.candidates) == ("failures", ())
    assert "too few to try 3 policies on" in made.sentence
    assert not any("/probe/" in job.out for job in trainer.jobs)


def test_pool_without_room_is_not_probed(make_crew: Any) -> None:
    """Where no problems can be set aside the default is taken with the reason, and the campaign goes on."""
    crew, _ = probing_crew(make_crew, "band", probe=290)
    made = run(crew)
    assert made.policy == "failures"
    assert "too small to set 290 probe problems aside" in made.sentence
    assert crew.folder.rows("round-01/track_b.jsonl", TrackRow)
    assert len(crew.folder.rows("data/train.jsonl", Problem)) == 300


def test_report_tells_of_the_probe(banded: tuple[Crew, Trainer, Probed]) -> None:
    """The summary holds the candidates with what each was worth, and the page shows the sentence."""
    crew = banded[0]
    summary = summarise(crew.folder, crew.ledger)
    assert summary.probe is not None
    assert [c.policy for c in summary.probe.candidates] == SELECT["candidates"]
    assert summary.probe.candidates[0].points is None
    assert (summary.probe.candidates[2].points or 0) > 20
    page = render_page(summary)
    assert "band is taken" in page
    assert "lessons by band" in page

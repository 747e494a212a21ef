"""Which rounds a report tells of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from selfimprove.formats import percent
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.graphs.studio import studio_crew
from selfimprove.records import Adapter, Completion, Request, TrainingJob
from selfimprove.report.figures import accuracy_chart, best_tone, is_best
from selfimprove.report.page import render_page
from selfimprove.report.schema import Summary
from selfimprove.report.summary import summarise
from selfimprove.testing import NullTrainer, ScriptedStudent


class EndedInRoundTwo:
    """A trainer during which the process ends."""

    def train(self, job: TrainingJob) -> Adapter:
        if "round-02/" in job.out:
            raise KeyboardInterrupt
        return NullTrainer().train(job)


def test_all_decided_rounds_are_told_and_no_other(make_crew: Callable[..., Crew]) -> None:
    """A round under way is told; where fewer rounds are set, which leaves it, it is not, and more make it."""
    crew = make_crew(campaign={"rounds": 3, "arms": ["track_b"]})
    with pytest.raises(KeyboardInterrupt):
        run_campaign(replace(crew, trainer=EndedInRoundTwo()), crew.folder.at("graph.sqlite"))
    assert [made.round for made in summarise(crew.folder, crew.ledger).levels] == [1, 2]  # the second is under way
    crew.ledger.close()
    crew.folder.close()
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b"]})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    made = summarise(crew.folder, crew.ledger)
    assert [row.round for row in made.rounds] == [level.round for level in made.levels] == [1]
    assert made.best.path == str(crew.folder.at(crew.folder.json("final/tested.json")["best"]))
    assert made.sentence.startswith("Round 1 answers")
    more = replace(
        crew, config=crew.config.model_copy(update={"campaign": crew.config.campaign.model_copy(update={"rounds": 2})})
    )
    run_campaign(more, crew.folder.at("graph.sqlite"))
    assert [row.round for row in summarise(crew.folder, crew.ledger).rounds] == [1, 2]


class Shifting(ScriptedStudent):
    """Track B is better at greedy answers, track A at samples."""

    arm = ""

    @property
    def identity(self) -> str:
        return f"{super().identity}/{self.arm}"

    def with_adapter(self, path: Path | None) -> Shifting:
        made = super().with_adapter(path)
        assert isinstance(made, Shifting)
        made.arm = path.parent.name if path else ""
        return made

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        found, skill = list[Completion](), self.skill
        for request in requests:
            gains = self.arm and (self.arm == "track_b") == (request.sample == 0)
            self.skill = skill + (0.15 if gains else 0.0)
            found += super().complete([request])
        self.skill = skill
        return found


@pytest.fixture(scope="module")
def sampled(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    """Sum up a campaign whose samples decide for another arm than its greedy answers would."""
    settings = {
        "campaign": {"rounds": 1, "arms": ["track_b", "track_a"]},
        "evaluate": {"samples": 4, "shots": 0},
        "gate": {"panel": 0},
    }
    crew = studio_crew("sampled", tmp_path_factory.mktemp("sampled") / "run", settings)
    crew = replace(crew, student=Shifting(crew.task))
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    made = summarise(crew.folder, crew.ledger)
    assert [row.decision for row in made.rounds] == ["promote", "promote"]
    assert made.rounds[0].dev.accuracy > made.rounds[1].dev.accuracy
    return made


def test_the_best_is_the_one_that_was_taken(sampled: Summary) -> None:
    """Of two promoted arms the samples took the second; the greedy answers of the first are better."""
    assert [row.arm for row in sampled.rounds if is_best(sampled, row)] == ["track_a"]
    assert best_tone(sampled) == "tone-1"


def test_chart_and_table_show_what_decides(sampled: Summary) -> None:
    """Samples where they decide, the baseline's too: its difference to an arm is the one that is told."""
    (base,), (_, best) = sampled.baselines, sampled.rounds
    assert base.sampled is not None
    assert best.sampled is not None
    assert 100 * (best.sampled.accuracy - base.sampled.accuracy) == pytest.approx(best.difference.points, abs=1e-3)
    chart = accuracy_chart(sampled)
    assert chart is not None
    written = [p.value for series in (*chart.series, chart.baselines) for p in series.points if p.value]
    shares = [percent(one.sampled.accuracy) for one in (best, base) if one.sampled]
    assert written == shares
    page = render_page(sampled)
    assert "On the dev split, which decides, by the share of right answers among 4 samples a problem." in page
    assert f'data-label="Dev accuracy">{percent(best.sampled.accuracy)}<' in page


def test_what_dev_decides_on_is_claimed_on_test(sampled: Summary) -> None:
    """The comparison that was settled beforehand is of the samples too, clustered by problem, and says so."""
    test = sampled.test
    assert test is not None
    assert test.base is not None
    assert test.best is not None
    assert test.difference is not None
    assert set(test.sampled) == {"base", "best", "track_b"}
    base, best = (test.sampled[name].accuracy for name in ("base", "best"))
    assert test.difference.points == pytest.approx(100 * (best - base), abs=1e-3)
    assert test.difference.points != pytest.approx(100 * (test.best.accuracy - test.base.accuracy), abs=5)
    assert test.difference.test == "paired sign flips"
    assert sampled.sentence.startswith(
        f"Round 1 answers {percent(best)} of 4 samples of each of {test.n} held-out problems, {percent(base)} "
        "before: better by "
    )
    page = render_page(sampled)
    assert "(one-sided paired sign flips, clustered by problem)." in page
    assert f'<span class="from">{percent(base)} &rarr;</span> {percent(best)}</dd>' in page

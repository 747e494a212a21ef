"""Why a campaign stopped, and that its hours end it between two trainings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from selfimprove.campaign import _finished
from selfimprove.errors import BudgetExceededError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.ledger import CapReachedError, Caps
from selfimprove.progress import Nobody, watched_by
from selfimprove.records import Adapter, TrainingJob
from selfimprove.report.page import render_page
from selfimprove.report.summary import summarise
from selfimprove.testing import NullTrainer


class Late:
    """A trainer behind whose first training the campaign's hours are over."""

    def __init__(self, crew: Any) -> None:
        self.crew, self.jobs = crew, list[TrainingJob]()

    def train(self, job: TrainingJob) -> Adapter:
        self.jobs.append(job)
        self.crew.ledger.cap("", Caps(hours=1e-9))
        made: Adapter = self.crew.trainer.train(job)
        return made


@pytest.mark.parametrize(
    ("campaign", "gain", "stopped", "said"),
    [
        ({"rounds": 1}, 0.2, "rounds", "all its rounds were made"),
        ({"rounds": 5, "patience": 1}, 0.0, "patience", "too many rounds in a row were not promoted"),
        ({"rounds": 5, "target": 0.01}, 0.2, "target", "its target was reached"),
    ],
)
def test_why_it_stopped_is_told(
    make_crew: Any, campaign: dict[str, object], gain: float, stopped: str, said: str
) -> None:
    """In finished.json, in the summary, and on the page."""
    crew = replace(make_crew(campaign=campaign), trainer=NullTrainer(gain))
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    assert crew.folder.json("finished.json")["stopped"] == stopped
    made = summarise(crew.folder, crew.ledger)
    assert (made.state, made.stopped) == ("finished", stopped)
    assert f"stopped because {said}" in render_page(made)


def test_hours_end_a_campaign_before_its_next_training(make_crew: Any) -> None:
    """One training at most goes over; the folder says that the budget stopped it, until it is gone on with."""
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b", "track_a"]})
    late = Late(crew)
    with pytest.raises(BudgetExceededError, match="max_hours"):
        run_campaign(replace(crew, trainer=late), crew.folder.at("graph.sqlite"))
    assert len(late.jobs) == 1
    made = summarise(crew.folder, crew.ledger)
    assert (made.state, made.stopped, made.provenance.finished) == ("stopped at the budget", "budget", "")
    assert not _finished(crew.folder, crew.config)
    crew.ledger.cap("", Caps())
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    made = summarise(crew.folder, crew.ledger)
    assert (made.state, made.stopped) == ("finished", "rounds")
    assert _finished(crew.folder, crew.config)


class Ends:
    """A trainer whose campaign comes to its cap before it trains in a round."""

    def __init__(self, crew: Crew, place: str) -> None:
        self.crew, self.place = crew, place

    def train(self, job: TrainingJob) -> Adapter:
        if self.place in job.out:
            raise CapReachedError("", "hours", 1.0, 1.0, 0.0)
        return self.crew.trainer.train(job)


def with_campaign(crew: Crew, **changes: object) -> Crew:
    campaign = crew.config.campaign.model_copy(update=changes)
    return replace(crew, config=crew.config.model_copy(update={"campaign": campaign}))


def of_rounds(crew: Crew, rounds: int) -> Crew:
    return with_campaign(crew, rounds=rounds)


def with_hours(crew: Crew, hours: float | None) -> Crew:
    return with_campaign(crew, max_hours=hours)


def test_what_a_cap_stopped_inside_a_round_ends_with_the_rounds_before(make_crew: Any) -> None:
    """With as many rounds as are decided test is opened at once, past the hours; without them the same cap is met."""
    crew = make_crew(campaign={"rounds": 3, "arms": ["track_b", "control"]})
    graph, stopped = crew.folder.at("graph.sqlite"), replace(crew, trainer=Ends(crew, "round-02"))
    for _ in range(2):
        with pytest.raises(BudgetExceededError):
            run_campaign(stopped, graph)
    made = summarise(crew.folder, crew.ledger)
    assert (made.test, made.state) == (None, "stopped at the budget")
    assert made.next_step.endswith("go on, or end with what is decided: --set campaign.rounds=1.")
    crew.ledger.cap("", Caps(hours=1e-9))
    ended, heard = of_rounds(stopped, 1), list[str]()

    class Hearing(Nobody):
        def say(self, text: str) -> None:
            heard.append(text)

    with watched_by(Hearing()):
        assert run_campaign(ended, graph)["round"] == 1
    made = summarise(crew.folder, crew.ledger)
    assert (made.state, made.stopped, made.best.round) == ("finished", "rounds", 1)
    assert made.test is not None
    assert made.test.control is None
    assert any(text.startswith("the best has no control: campaign.max_hours = 1e-09 is reached") for text in heard)
    assert not crew.folder.has("round-02/decision.json")


def test_a_control_that_a_cap_left_no_room_for_is_had_with_a_higher_cap(make_crew: Any) -> None:
    """The campaign is finished as long as the cap stands; with a higher one the same command trains and tests it."""
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b", "control"], "max_hours": 1.0})
    graph = crew.folder.at("graph.sqlite")
    run_campaign(replace(crew, trainer=Ends(crew, "/final/")), graph)
    made = summarise(crew.folder, crew.ledger)
    assert (made.state, made.test and made.test.control) == ("finished", None)
    assert _finished(crew.folder, crew.config)
    for hours in (2.0, None):
        assert not _finished(crew.folder, with_hours(crew, hours).config)
    run_campaign(with_hours(crew, 2.0), graph)
    made = summarise(crew.folder, crew.ledger)
    assert made.test is not None
    assert made.test.control is not None
    assert _finished(crew.folder, with_hours(crew, None).config)


def test_a_control_without_rows_keeps_no_campaign_open(make_crew: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a cap once held back and could not be had with a higher one is not tried for ever."""
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b", "control"], "max_hours": 1.0})
    graph = crew.folder.at("graph.sqlite")
    run_campaign(replace(crew, trainer=Ends(crew, "/final/")), graph)
    monkeypatch.setattr("selfimprove.graphs.control.guarded", lambda *_: [])
    run_campaign(with_hours(crew, 2.0), graph)
    assert _finished(crew.folder, with_hours(crew, 2.0).config)


def test_test_is_not_told_of_a_best_that_has_not_met_it(make_crew: Any) -> None:
    """A finished campaign was given more rounds, has a new best, and came to a cap: the figures are the old best's."""
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b"]})
    graph = crew.folder.at("graph.sqlite")
    run_campaign(crew, graph)
    assert summarise(crew.folder, crew.ledger).test is not None
    with pytest.raises(BudgetExceededError):
        run_campaign(replace(of_rounds(crew, 5), trainer=Ends(crew, "round-03")), graph)
    made = summarise(crew.folder, crew.ledger)
    assert (made.best.round, made.test, made.state) == (2, None, "stopped at the budget")
    assert made.sentence == "The best student has not met the test problems yet; 2 round(s) are finished."
    run_campaign(of_rounds(crew, 2), graph)
    made = summarise(crew.folder, crew.ledger)
    assert made.test is not None
    assert (made.test.opened, made.state) == (2, "finished")

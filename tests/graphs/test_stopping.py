"""Why a campaign stopped, and that its hours end it between two trainings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from selfimprove.campaign import _finished
from selfimprove.errors import BudgetExceededError
from selfimprove.graphs.run import run_campaign
from selfimprove.ledger import Caps
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

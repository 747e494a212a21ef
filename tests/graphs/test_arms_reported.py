"""What a report tells of a round's arms: how they were trained, and from what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from selfimprove.graphs.run import run_campaign
from selfimprove.records import Adapter, TrainingJob
from selfimprove.report.page import render_page
from selfimprove.report.summary import summarise
from selfimprove.testing import NullTrainer


def test_what_practice_came_to_is_reported(make_crew: Any) -> None:
    """The share of informative groups and what went wrong in training stand in the summary and on the page."""
    alarm = "the reward form rises while verified accuracy falls"

    class Practises:
        def train(self, job: TrainingJob) -> Adapter:
            made = NullTrainer().train(job)
            if job.method == "grpo":
                file = Path(job.out) / "metrics.json"
                told = {"informative_groups": 0.83, "alarms": [alarm]}
                file.write_text(json.dumps({**json.loads(file.read_text()), **told}))
            return made

    crew = make_crew(mine={"samples": 4}, campaign={"rounds": 1, "arms": ["track_b", "grpo"]})
    made = replace(crew, trainer=Practises())
    run_campaign(made, made.folder.at("graph.sqlite"))
    summary = summarise(made.folder, made.ledger)
    assert {row.arm: row.informative_groups for row in summary.rounds} == {"track_b": None, "grpo": 0.83}
    assert {row.arm: row.alarms for row in summary.rounds} == {"track_b": (), "grpo": (alarm,)}
    page = render_page(summary)
    assert "83\N{NO-BREAK SPACE}% of its groups of tries held both right and wrong ones." in page
    assert page.count(f"In training: {alarm}.") == 1


def test_arms_that_went_on_from_different_students_are_told_apart(make_crew: Any) -> None:
    """Of those what they differ by is not the way of training alone, and the page says so."""
    crew = make_crew(campaign={"rounds": 2, "arms": ["track_b", "track_a"]})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    summary = summarise(crew.folder, crew.ledger)
    assert [(pair.round, pair.same_start) for pair in summary.pairs] == [(1, True), (2, False)]
    assert [row.start for row in summary.rounds if row.arm == "track_b"] == ["", "round-01/arms/track_b/adapter"]
    assert render_page(summary).count("(went on from another student)") == 1

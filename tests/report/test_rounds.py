"""Which rounds a report tells of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.records import Adapter, TrainingJob
from selfimprove.report.summary import summarise
from selfimprove.testing import NullTrainer


class EndedInRoundTwo:
    """A trainer during which the process ends."""

    def train(self, job: TrainingJob) -> Adapter:
        if "round-02/" in job.out:
            raise KeyboardInterrupt
        return NullTrainer().train(job)


def test_all_decided_rounds_are_told_though_fewer_are_asked_for(
    make_crew: Callable[..., Crew], tmp_path: Path
) -> None:
    """Fewer rounds set while a round is under way: that round is made, and the adapter that was tested is the best."""
    crew = make_crew(campaign={"rounds": 3, "arms": ["track_b"]})
    with pytest.raises(KeyboardInterrupt):
        run_campaign(replace(crew, trainer=EndedInRoundTwo()), crew.folder.at("graph.sqlite"))
    assert [made.round for made in summarise(crew.folder, crew.ledger).levels] == [1, 2]  # the second is under way
    crew.ledger.close()
    crew.folder.close()
    crew = make_crew(campaign={"rounds": 1, "arms": ["track_b"]})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    made = summarise(crew.folder, crew.ledger)
    assert [row.round for row in made.rounds] == [1, 2]
    assert made.best.path == str(crew.folder.at(crew.folder.json("final/tested.json")["best"]))
    assert made.sentence.startswith("Round 2 answers")

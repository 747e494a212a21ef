from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfimprove.config import changed, load_config, make_config, write_config
from selfimprove.errors import InputError, WaitingError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.phases import begin_phase, phase_of
from selfimprove.graphs.places import Pool
from selfimprove.graphs.run import run_campaign
from selfimprove.ledger import CapReachedError, Reservation
from selfimprove.records import Request


def phased_crew(make_crew: Any, phases: list[dict[str, object]], out: Path | None = None, **sections: Any) -> Crew:
    """Give a scripted campaign with phases."""
    crew = make_crew(out, **sections)
    config = make_config({**crew.config.model_dump(mode="json"), "phases": phases})
    return Crew(**{**crew.__dict__, "config": config})


def pools(crew: Crew, rounds: int) -> list[tuple[int, int, int]]:
    """Give phase, problems tried and lessons of each round."""
    found = [crew.folder.record(f"round-{r:02d}/pool.json", Pool) for r in range(1, rounds + 1)]
    return [(pool.phase, pool.problems, pool.lessons) for pool in found]


def test_pool_grows_once_the_condition_holds(make_crew: Any) -> None:
    """Rounds are small until the student's accuracy passes the bound, and large behind it."""
    phases = [{"pool": 20, "lessons": 15}, {"when": "accuracy >= 0.5", "pool": 60, "lessons": 50}]
    crew = phased_crew(make_crew, phases, campaign={"rounds": 4})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    found = pools(crew, 4)
    assert [phase for phase, _, _ in found] == [0, 0, 1, 1]  # a skill of 0.2, 0.4, 0.6, 0.8 before each round
    assert [tried for _, tried, _ in found] == [20, 20, 60, 60]
    assert max(lessons for _, _, lessons in found[:2]) <= 15


def test_condition_that_never_holds_keeps_the_campaign_small(make_crew: Any) -> None:
    """What does not prove itself is not expanded; a further condition joined by and has to hold too."""
    phases = [{"pool": 20}, {"when": "accuracy >= 0.3 and consistency >= 0.99", "pool": 60}]
    crew = phased_crew(make_crew, phases, campaign={"rounds": 3}, evaluate={"samples": 2})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    assert [tried for _, tried, _ in pools(crew, 3)] == [20, 20, 20]


def test_phases_are_entered_one_a_round(make_crew: Any) -> None:
    """Though two conditions hold at once, each phase has its round."""
    phases = [{"pool": 10}, {"when": "round >= 1", "pool": 20}, {"when": "accuracy > 0", "pool": 30}]
    crew = phased_crew(make_crew, phases, campaign={"rounds": 3})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    assert [tried for _, tried, _ in pools(crew, 3)] == [10, 20, 30]
    assert phase_of(crew, 4) == 2


def test_phase_has_its_own_budget(make_crew: Any) -> None:
    """What a phase may have spent stops it under the phase's name, within the campaign's own budget."""
    crew = phased_crew(make_crew, [{"budget_usd": 1.0}], campaign={"budget_usd": 5.0})
    begin_phase(crew, 1)
    call = Reservation("key", Request(role="reason", messages=()), "dear", "reason", worst_usd=2.0)
    with pytest.raises(CapReachedError, match=r"phases.0.budget_usd = 1 is reached"):
        crew.ledger.reserve([call])
    wide = phased_crew(make_crew, [{"budget_usd": 9.0}], crew.folder.path.parent / "wide", campaign={"budget_usd": 5.0})
    begin_phase(wide, 1)
    assert wide.ledger.budget_usd == 5.0


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        ([{"when": "accuracy >= 0.5"}], "the first phase has no condition"),
        ([{}, {"pool": 5}], "every later one has"),
        ([{}, {"when": "luck >= 0.5"}], "write comparisons of accuracy, consistency"),
        ([{}, {"when": "consistency >= 0.5"}], "asks for consistency, which is only known with evaluate.samples"),
        ([{"pol": 5}], 'there is no key "phases.0.pol"; .*pool'),
    ],
)
def test_phases_that_cannot_be_are_refused(phases: list[dict[str, object]], said: str) -> None:
    """One sentence each."""
    with pytest.raises(InputError, match=said):
        make_config({"phases": phases})


def test_phases_are_written_and_only_their_budgets_may_change(tmp_path: Path) -> None:
    """A run folder's settings hold the phases; a pool that differs is another campaign, a raised budget is not."""
    phases: list[dict[str, object]] = [{"pool": 20, "budget_usd": 1.0}, {"when": "accuracy >= 0.5", "pool": 60}]
    config = make_config({"phases": phases})
    (tmp_path / "campaign.toml").write_text(write_config(config))
    assert load_config(tmp_path / "campaign.toml").phases == config.phases
    assert changed(config, make_config({"phases": [{"pool": 20, "budget_usd": 2.0}, phases[1]]})) == []
    assert changed(config, make_config({"phases": [{"pool": 30, "budget_usd": 1.0}, phases[1]]})) == [
        "phases.0.pool: 20 -> 30"
    ]


def test_budget_of_a_phase_holds_when_the_campaign_goes_on(make_crew: Any) -> None:
    """The cap of a round's phase is set again by a process that goes on in the middle of that round."""
    crew = phased_crew(make_crew, [{"budget_usd": 1.0}], campaign={"budget_usd": 5.0, "pause": ["train"]})
    seen: list[float | None] = []
    for _ in range(2):
        with pytest.raises(WaitingError):
            run_campaign(crew, crew.folder.at("graph.sqlite"))
        seen.append(crew.ledger.budget_usd)
        crew.ledger.cap_dollars(5.0, "")  # as a new process opens it
    assert seen == [1.0, 1.0]

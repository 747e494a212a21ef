from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from selfimprove.config import make_config
from selfimprove.errors import InputError
from selfimprove.graphs.choosing import choose_by
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.places import Pool
from selfimprove.graphs.run import run_campaign
from selfimprove.mining.library import Graded
from selfimprove.records import Attempt, Completion, Verdict
from selfimprove.report.page import render_page
from selfimprove.report.summary import summarise
from selfimprove.testing import ScriptedStudent

WRONG, CUT, RIGHT = Verdict.WRONG, Verdict.TRUNCATED, Verdict.CORRECT
VERDICTS = [WRONG] * 100 + [CUT] * 80 + [RIGHT] * 420


def tried() -> list[list[Attempt]]:
    return [
        [Attempt(problem=f"p{at:03d}", completion=Completion(text=""), verdict=verdict, strict=verdict)]
        for at, verdict in enumerate(VERDICTS)
    ]


def graded() -> list[Graded]:
    """Grade what has a verdict: what is right at level 0, what is wrong at levels 1 to 5."""
    return [
        Graded(
            problem=f"p{at:03d}", difficulty=0 if verdict is RIGHT else 1 + at % 5, pass_rate=float(verdict is RIGHT),
            samples=1, by="pass_rate", student="s", verdict=verdict,
        )
        for at, verdict in enumerate(VERDICTS)
        if verdict.decided
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("count", "chosen"),
    [
        (None, {WRONG: 100, CUT: 80}),
        (90, {WRONG: 90}),
        (560, {WRONG: 100, RIGHT: 420, CUT: 40}),
    ],
)
def test_all_that_did_not_come_out_right_are_lessons(count: int | None, chosen: dict[Verdict, int]) -> None:
    """Without a number the curriculum takes all failures, those without a verdict among them, and nothing solved."""
    made = choose_by(make_config({}), "curriculum", graded(), tried(), count, 0)
    assert Counter(VERDICTS[int(each[1:])] for each in made.ids) == chosen
    assert len(set(made.ids)) == len(made.ids)


def test_levels_that_cannot_be_had_apart_end_nothing() -> None:
    """Of one graded problem none is to spare for `p_eval`, of none at all there is nothing to choose."""
    how = make_config({"select": {"policy": "p_eval"}})
    assert choose_by(how, "p_eval", graded()[:1], tried()[:1], 1, 0).ids == ("p000",)
    cut = [some for some in tried() if some[0].verdict is CUT][:3]
    assert len(choose_by(how, "p_eval", [], cut, None, 0).ids) == 3


@pytest.mark.parametrize("policy", ["failures", "ladder", "curriculum"])
def test_a_round_without_failures_teaches_nothing_and_the_campaign_goes_on(
    make_crew: Callable[..., Crew], policy: str
) -> None:
    """A student that solves all it tries has nothing to learn: no lessons, nothing trained, the next round begins."""
    crew = make_crew(campaign={"rounds": 2, "patience": 2}, mine={"samples": 0}, select={"policy": policy})
    crew = replace(crew, student=ScriptedStudent(crew.task, skill=1.0))
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    pools = [crew.folder.record(f"round-0{round_}/pool.json", Pool) for round_ in (1, 2)]
    assert [(pool.failures, pool.lessons) for pool in pools] == [(0, 0), (0, 0)]
    assert crew.folder.json("finished.json")["rounds"] == 2
    assert [row.outcome for row in summarise(crew.folder, crew.ledger).rounds] == []


def test_a_probe_is_no_way_to_choose() -> None:
    """It only finds another policy."""
    with pytest.raises(InputError, match="chooses nothing by itself"):
        choose_by(make_config({}), "probe", graded(), tried(), 10, 0)


def test_nothing_is_chosen_for_arms_that_only_practise(make_crew: Callable[..., Crew]) -> None:
    """They learn from their own tries at the pool, so no lesson is said to have been given."""
    crew = make_crew(campaign={"rounds": 1, "arms": ["grpo"]}, mine={"samples": 4})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    pool = crew.folder.record("round-01/pool.json", Pool)
    assert (pool.problems, pool.lessons, pool.policy, pool.quotas) == (50, 0, "", ())
    summary = summarise(crew.folder, crew.ledger)
    assert [(row.arm, row.selection) for row in summary.rounds] == [("grpo", None)]
    assert "lessons by" not in render_page(summary)


def test_no_probe_for_arms_that_only_practise() -> None:
    """Its candidates would be trained for nothing."""
    with pytest.raises(InputError, match=r'none of campaign.arms = \["grpo", "control"\] learns from lessons'):
        make_config({"select": {"policy": "probe"}, "campaign": {"arms": ["grpo", "control"]}})
    make_config({"select": {"policy": "probe"}, "campaign": {"arms": ["grpo", "track_a"]}})

"""The plan beside what a campaign then does."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from statistics import fmean

import pytest
from planned_campaigns import PROBE, line, planned

from selfimprove import Campaign
from selfimprove.errors import InputError
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.planning import plan
from selfimprove.planning.finding import samples_each
from selfimprove.records import Attempt, Completion, Decision, Problem, Split, Verdict
from selfimprove.report.summary import summarise
from selfimprove.stats import compare_paired
from selfimprove.steps.decide import decide
from selfimprove.steps.mine import MiningRule, Trial
from selfimprove.tasks.arithmetic import Arithmetic


def test_planned_calls_are_those_made(make_crew: Callable[..., Crew]) -> None:
    """Counts that follow from the settings alone are exact, and the report puts both side by side."""
    crew = make_crew()
    crew.folder.write_json("plan.json", plan(crew.config, crew.task, PROBE))
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    rows = {row.stage: row for row in summarise(crew.folder, crew.ledger).cost.planned}
    assert list(rows) == ["mine", "lessons", "train", "evaluate", "control"]
    assert rows["mine"].calls == rows["mine"].planned_calls > 0
    assert rows["evaluate"].calls == rows["evaluate"].planned_calls > 0
    assert rows["train"].planned_s is not None
    assert rows["lessons"].wall_s > 0


def test_problems_that_do_not_exist_are_not_planned(tmp_path: Path) -> None:
    """A file of fewer problems than the settings allow: calls, pools and the smallest gain are of those it has."""
    rows = [{"question": f"What is {n} and {n * n}?", "answer": f"{n + n * n}", "rationale": "Add."} for n in range(90)]
    (tmp_path / "own.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    sections: dict[str, dict[str, object]] = {"mine": {"samples": 0, "longer": 1.0}, "evaluate": {"shots": 4}}
    campaign = Campaign(task=str(tmp_path / "own.jsonl"), rounds=2, arms=["track_b"], sections=sections)
    train, dev, test = (len(list(campaign.load_task().problems(split))) for split in ("train", "dev", "test"))
    assert train + dev + test == 90
    made = campaign.plan(probe=False)
    assert made.dev == dev
    assert f"Smallest true gain that {dev} dev problems show" in str(made)
    told = f"Problems: train {train} of 2000, dev {dev} of 400, test {test} of 400: there are no more"
    assert str(made).count(told) == 1
    assert not planned().shortage
    assert made.smallest_gains[0] > 15
    assert line(made, "mine").student_calls == 2 * train
    assert line(made, "evaluate").student_calls == 4 * dev + 2 * test  # two baselines and two rounds; base and best


def test_no_more_problems_are_read_than_are_counted() -> None:
    """A task that never ends is read up to its limits."""
    read = Counter[str]()

    class Endless(Arithmetic):
        def problems(self, split: Split) -> Iterator[Problem]:
            for number in count():
                read[split] += 1
                yield Problem.of(f"What is {number}?", f"{number}")

    config = Campaign(task="arithmetic", sections={"data": {"train": 300, "dev": 50, "test": 60}}).config
    assert plan(config, Endless(), PROBE).dev == 50
    assert (read["dev"], read["test"]) == (50, 60)
    assert read["train"] <= 300 + 200


def test_an_empty_split_is_refused() -> None:
    """One sentence, where nothing could be decided on."""
    config = Campaign(task="arithmetic").config
    with pytest.raises(InputError, match='task "arithmetic" has no dev problems; give it some'):
        plan(config, Arithmetic(sizes={"train": 60, "dev": 0, "test": 50}), PROBE)


def test_sequential_stopping_is_planned_between_its_bounds() -> None:
    """Mining until kinds are settled is expected to take more than the fewest samples, and says the most it can take."""
    fixed = planned(mine={"pool": 100, "samples": 16, "longer": 1.0})
    made = planned(mine={"pool": 100, "samples": 4, "most": 16, "longer": 1.0})
    assert line(fixed, "mine").student_calls == 3 * 100 * 17
    assert 3 * 100 * 5 < line(made, "mine").student_calls < 3 * 100 * 13
    assert (fixed.tries_at_most, made.tries_at_most) == (None, 3 * 100 * 17)
    assert "at most 5,100" in str(made)


def test_expected_samples_are_those_that_mining_draws() -> None:
    """Students whose pass rates spread as assumed are mined; what they took on average is what was expected."""
    rule, rng, drawn = MiningRule(samples=4, most=16), Random(0), list[int]()
    for number in range(4000):
        rate = rng.betavariate(0.3, 0.7)
        trial = Trial(Problem.of(f"{number}", "1"))
        while pulls := trial.wanted(rule):
            for pull in pulls:
                verdict = Verdict.CORRECT if rng.random() < rate else Verdict.WRONG
                said = Completion(text="1", sample=pull.sample)
                trial.add(Attempt(problem=trial.problem.id, completion=said, verdict=verdict, strict=verdict))
        drawn.append(len(trial.attempts) - 1)
    assert samples_each(rule, 0.3) == pytest.approx(fmean(drawn), rel=0.03)


def test_second_chances_are_planned() -> None:
    """A longer limit draws what was cut off again: as often as the probe saw it at first, each attempt once at most."""
    cut = PROBE.model_copy(update={"cut_off": 0.25})
    made = planned(cut, mine={"pool": 100, "samples": 0, "longer": 2.0}, campaign={"rounds": 1})
    assert line(made, "mine").student_calls == 125
    assert made.tries_at_most == 200
    assert (
        line(
            planned(cut, mine={"pool": 100, "samples": 0, "longer": 1.0}, campaign={"rounds": 1}), "mine"
        ).student_calls
        == 100
    )


def test_a_student_that_is_cut_off_is_warned_of() -> None:
    """Where the probe saw a good part of the tries cut off, the plan says what to set; below that it says nothing."""
    said = str(planned(PROBE.model_copy(update={"cut_off": 0.875})))
    assert "cut off 88\N{NO-BREAK SPACE}% of the student's tries: raise student.max_tokens" in said
    assert "student.max_tokens" not in str(planned(PROBE.model_copy(update={"cut_off": 0.2})))


def test_a_ladder_is_planned_by_the_rungs_it_comes_to() -> None:
    """Two of the five levels in the first round and one more in each next; all of them at most, which dollars go by."""
    task = {"levels": [2, 3, 4, 5, 6]}
    how: dict[str, object] = {"policy": "ladder", "label": "level", "first": 2, "width": 1}
    mine = {"pool": 100, "samples": 3, "longer": 1.0}
    low = PROBE.model_copy(update={"passed": 0.0})
    made = planned(low, task=task, mine=mine, select=how, teacher={"model": "openai/gpt-4o"})
    assert line(made, "mine").student_calls == (40 + 60 + 80) * 4
    assert made.tries_at_most == 300 * 4
    assert "Mining: about 720 calls, at most 1,200 calls" in str(made)
    whole = planned(low, task=task, mine=mine, teacher={"model": "openai/gpt-4o"})
    assert made.usd_at_most == whole.usd_at_most
    able = planned(PROBE.model_copy(update={"passed": 0.6}), task=task, mine=mine, select=how)
    assert line(able, "mine").student_calls == 300 * 4
    phases = [{"pool": 50}, {"when": "round >= 1", "pool": 100}]
    assert "Mining: at most 1,200 calls" in str(planned(mine=mine, phases=phases))


def test_a_student_that_teaches_itself_is_planned() -> None:
    """Its rationales are its calls, but for those that mining has drawn of the same samples; so are its replies."""
    mine: dict[str, object] = {"pool": 100, "samples": 3, "longer": 1.0}
    plain: dict[str, object] = {"questions": 0, "rationales": 4}
    campaign: dict[str, object] = {"rounds": 1, "arms": ["track_b"]}
    low = PROBE.model_copy(update={"passed": 0.0})
    own: dict[str, object] = {"model": "self"}
    made = planned(low, mine=mine, lesson=plain, campaign=campaign, teacher=own)
    assert (line(made, "lessons").student_calls, line(made, "lessons").teacher_calls) == (100, 0)
    drawn = planned(low, mine=mine, lesson={**plain, "rationales": 3}, campaign=campaign, teacher=own)
    assert line(drawn, "lessons").student_calls == 0
    told = [planned(low, mine=mine, campaign=campaign, teacher={"model": model}) for model in ("self", "reference")]
    assert line(told[0], "lessons").student_calls >= line(told[1], "lessons").student_calls + 100


def test_a_library_stands_for_the_first_rounds_mining(tmp_path: Path) -> None:
    """Round 1 neither mines nor grades, and chooses from as many problems as the library holds."""
    (tmp_path / "grades.jsonl").write_text("{}\n" * 30)
    how: dict[str, object] = {"pool": 100, "samples": 0, "longer": 1.0, "library": str(tmp_path)}
    grade = {"scorer": "judge:openai/gpt-4o-mini"}
    made = planned(mine=how, grade=grade, campaign={"rounds": 2})
    assert line(made, "mine").student_calls == 100
    assert line(made, "grade").teacher_calls == 32
    only = planned(mine=how, grade=grade, campaign={"rounds": 1})
    assert line(only, "mine").student_calls == line(only, "grade").teacher_calls == 0
    assert (
        line(only, "lessons").student_calls
        < line(planned(mine={"pool": 100}, campaign={"rounds": 1}), "lessons").student_calls
    )


def test_a_fork_does_not_pay_for_the_rounds_that_it_took_over() -> None:
    """Mining, lessons, trainings and evaluations of rounds taken over are not counted, nor is the baseline."""
    settings: dict[str, dict[str, object]] = {
        "mine": {"pool": 100, "samples": 0, "longer": 1.0},
        "campaign": {"rounds": 3},
    }
    whole, third = planned(**settings), planned(taken=2, **settings)
    assert (line(whole, "mine").student_calls, line(third, "mine").student_calls) == (300, 100)
    assert line(third, "train").tokens < line(whole, "train").tokens / 2
    looks = line(whole, "evaluate").student_calls - line(third, "evaluate").student_calls
    assert looks == 2 * 50 + 2 * 50  # the baseline, zero-shot and few-shot, and two rounds of one arm
    assert "points in round 3 (" in str(third)
    baseline = planned(taken=0, **settings)
    assert line(baseline, "mine").student_calls == 300
    assert line(whole, "evaluate").student_calls - line(baseline, "evaluate").student_calls == 2 * 50


@pytest.mark.parametrize(("outcome", "rounds"), [("promote", 0), ("hold", 2)])
def test_what_a_fork_took_over_says_what_alpha_is_left(outcome: str, rounds: int) -> None:
    """Behind rounds that promoted a gain shows as in the first one; behind rounds that did not, as in the third."""
    better, same = compare_paired([True] * 20, [False] * 20), compare_paired([True], [True])
    alphas, before = (0.025, 0.0125 if rounds else 0.025), list[Decision]()
    for round_, alpha in enumerate(alphas, 1):
        how = {"round_": round_, "arm": "track_b", "min_gain": 0.0, "adapter": "n", "best": "o"}
        before.append(decide(same if rounds else better, alpha=alpha, **how))  # type: ignore[arg-type]
    assert {each.outcome for each in before} == {outcome}
    whole = planned(campaign={"rounds": rounds + 1, "arms": ["track_b"]})
    third = planned(taken=2, before=before, campaign={"rounds": 3, "arms": ["track_b"]})
    assert third.smallest_gains == pytest.approx((whole.smallest_gains[1],) * 2)


def test_full_fine_tuning_needs_room_for_whole_models() -> None:
    """Each arm of each round, and the control, leaves a model of the student's size; unknown, that is said."""
    sized = PROBE.model_copy(update={"weights_mb": 1000.0})
    settings: dict[str, dict[str, object]] = {"campaign": {"rounds": 2, "arms": ["track_b", "control"]}}
    lora, full = planned(sized, **settings), planned(sized, **settings, train={"full": True})
    assert full.disk_mb - lora.disk_mb == pytest.approx(3 * (1000 - 25))
    assert "and 3 whole models of the student's size" in str(planned(**settings, train={"full": True}))

"""The plan beside what a campaign then does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from selfimprove import Campaign
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.planning import Plan, Probe, plan, probe
from selfimprove.programs import SIGNATURES, program_for
from selfimprove.report.summary import summarise
from selfimprove.students import load_student
from selfimprove.tasks.arithmetic import Arithmetic

PROBE = Probe(
    problems=40, passed=0.2, questions=1.0, prompt_tokens=50, completion_tokens=60, characters_a_token=3.0,
    reading=5000, writing=600, training=500,
)  # fmt: skip


def planned(**sections: dict[str, object]) -> Plan:
    """Plan a small campaign for a student like PROBE."""
    campaign = Campaign(task="arithmetic", sections={"data": {"train": 200, "dev": 50, "test": 50}, **sections})
    return plan(campaign.config, campaign.load_task(), PROBE)


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


def test_dollars_follow_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is expected is below what is possible at most; a free teacher costs nothing; a dearer one costs more."""
    cheap = planned(teacher={"model": "openai/gpt-4o-mini"})
    dear = planned(teacher={"model": "openai/gpt-4o"})
    assert 0 < cheap.lines[1].usd < cheap.usd_at_most < dear.usd_at_most
    assert planned().usd_at_most == 0
    assert planned(teacher={"model": "openai/gpt-4o"}, lesson={"questions": 0}).usd_at_most < dear.usd_at_most


def test_a_judge_is_paid_for_what_fails() -> None:
    """Grading has a line where it costs something: a judge's calls, or the rollouts that score steps."""
    names = [line.stage for line in planned().lines]
    assert "grade" not in names
    free = planned(grade={"scorer": "monte-carlo:4"})
    rollouts = next(line for line in free.lines if line.stage == "grade")
    more = next(line for line in planned(grade={"scorer": "monte-carlo:8"}).lines if line.stage == "grade")
    assert more.student_calls == pytest.approx(2 * rollouts.student_calls, abs=1)
    assert rollouts.student_calls > 0
    assert (rollouts.teacher_calls, rollouts.usd, free.usd_at_most) == (0, 0.0, 0.0)
    paid = planned(grade={"scorer": "judge:openai/gpt-4o-mini"}, mine={"pool": 100}, campaign={"rounds": 2})
    judged = next(line for line in paid.lines if line.stage == "grade")
    assert judged.teacher_calls == 80 + 40
    assert 0 < judged.usd < paid.usd_at_most
    by_role = planned(grade={"scorer": "judge"}, teacher={"judge": {"model": "openai/gpt-4o"}}, mine={"pool": 100})
    dearer = next(line for line in by_role.lines if line.stage == "grade")
    assert dearer.usd / dearer.teacher_calls > judged.usd / judged.teacher_calls


def test_a_probe_of_policies_is_planned() -> None:
    """What is tried before the first round has its line: at most a twentieth of the rows, and a test of each."""
    select: dict[str, object] = {"policy": "probe", "lessons": 400, "candidates": ["failures", "random"], "probe": 100}
    made = planned(select=select, teacher={"model": "openai/gpt-4o-mini"})
    line = next(line for line in made.lines if line.stage == "probe")
    assert line.student_calls == 200
    assert line.teacher_calls == 2 * (3 * 400 // 20 // 2)
    assert line.usd > 0
    few = planned(select={**select, "lessons": 20})
    assert next(line for line in few.lines if line.stage == "probe").tokens == 0


def test_a_paid_first_teacher_is_paid_once() -> None:
    """A teacher of the first round alone is paid for that round."""
    every = planned(teacher={"model": "openai/gpt-4o"}, campaign={"rounds": 3, "arms": ["track_b"]})
    first = planned(
        teacher={"model": "reference", "first": "openai/gpt-4o"}, campaign={"rounds": 3, "arms": ["track_b"]}
    )
    assert first.usd_at_most == pytest.approx(every.usd_at_most / 3)


def test_track_a_is_walked_often() -> None:
    """Answers alone carry little loss, so as many trained tokens take many more passes."""
    both = planned(campaign={"arms": ["track_b", "track_a"]})
    one = planned(campaign={"arms": ["track_b"]})
    assert both.lines[2].tokens > 4 * one.lines[2].tokens


def test_hours_are_unknown_without_a_probe() -> None:
    """Without a look at the student the text says so, and every other number is there."""
    campaign = Campaign(task="arithmetic")
    text = str(campaign.plan(probe=False))
    assert "Hours: unknown" in text
    assert "Hours: 0." in str(planned())


def test_a_real_student_is_probed(family: Callable[[str], Path]) -> None:
    """A tiny real model is tried on forty problems: lengths, speeds, and what it solves."""
    task = Arithmetic(sizes={"train": 60})
    config = Campaign(task="arithmetic", sections={"student": {"max_tokens": 12}}).config
    programs = {name: program_for(name, task) for name in SIGNATURES}
    found = probe(load_student(family("llama")), programs, task, list(task.problems("train")), config)
    assert found.problems in {8, 40}
    assert 0 < found.completion_tokens <= 12 < found.prompt_tokens
    assert min(found.reading, found.writing, found.training) > 0
    assert found.passed <= 0.1


def test_programs_that_are_optimised_have_their_line() -> None:
    """From the second round on: the student's and the teacher's calls, within what is possible at most."""
    free = next(x for x in planned(campaign={"compile": ["ask"], "rounds": 2}).lines if x.stage == "compile")
    assert (free.teacher_calls, free.usd) == (0, 0.0)
    assert free.student_calls > 0
    paid = planned(campaign={"compile": ["ask", "reason"], "rounds": 2}, teacher={"model": "openai/gpt-4o"})
    line = next(x for x in paid.lines if x.stage == "compile")
    assert line.teacher_calls > 400
    assert 0 < line.usd < paid.usd_at_most
    once = planned(campaign={"compile": ["ask"], "rounds": 1}).lines
    assert next(x for x in once if x.stage == "compile").student_calls == 0

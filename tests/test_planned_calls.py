"""What a plan counts of teachers, judges and trainings: calls, tokens, dollars, hours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from planned_campaigns import line, planned

from selfimprove import Campaign
from selfimprove.planning import probe
from selfimprove.programs import SIGNATURES, program_for
from selfimprove.students import load_student
from selfimprove.tasks import load_task
from selfimprove.tasks.arithmetic import Arithmetic


def test_dollars_follow_the_price(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is expected is below what is possible at most; a free teacher costs nothing; a dearer one costs more."""
    cheap = planned(teacher={"model": "openai/gpt-4o-mini"})
    dear = planned(teacher={"model": "openai/gpt-4o"})
    assert 0 < cheap.lines[1].usd < cheap.usd_at_most < dear.usd_at_most
    assert planned().usd_at_most == 0
    assert planned(teacher={"model": "openai/gpt-4o"}, lesson={"questions": 0}).usd_at_most < dear.usd_at_most


@pytest.mark.parametrize("arms", [["track_b"], ["track_b", "no_questions"]])
def test_showing_the_answer_is_paid_for(arms: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With `lesson.rationalise` a problem whose rationales all miss is asked about once more."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def paid(**lesson: object) -> tuple[int, float]:
        sections = {"campaign": {"arms": arms}, "teacher": {"model": "openai/gpt-4o"}, "lesson": lesson}
        made = planned(**sections)  # type: ignore[arg-type]
        return made.teaching.calls, made.teaching.usd

    assert paid(rationalise=True) == paid(rationales=2) > paid()


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
    assert judged.teacher_calls == 0.8 * (80 + 40)  # the rest is screened
    assert 0 < judged.usd < paid.usd_at_most
    by_role = planned(grade={"scorer": "judge"}, teacher={"judge": {"model": "openai/gpt-4o"}}, mine={"pool": 100})
    dearer = next(line for line in by_role.lines if line.stage == "grade")
    assert dearer.usd / dearer.teacher_calls > judged.usd / judged.teacher_calls


def test_a_probe_of_policies_is_planned() -> None:
    """What is tried before the first round has its line: at most a twentieth of the rows, and a test of each."""
    select: dict[str, object] = {"policy": "probe", "lessons": 400, "candidates": ["failures", "random"], "probe": 100}
    data: dict[str, object] = {"train": 600, "dev": 50, "test": 50}
    made = planned(data=data, select=select, teacher={"model": "openai/gpt-4o-mini"})
    tried = line(made, "probe")
    taught = 2 * (3 * 400 // 20 // 2)
    tests = 2 * 100
    lessons = 3 * taught  # a draft that may ask, an ask, a rewrite
    assert tried.student_calls == tests + lessons
    assert tried.teacher_calls == 2 * taught  # a reply and a rationale
    assert tried.usd > 0
    named = planned(data=data, select={**select, "policy": "failures"}, teacher={"model": "openai/gpt-4o-mini"})
    assert made.usd_at_most > named.usd_at_most
    assert made.disk_mb > named.disk_mb + 2 * 25
    few = planned(data=data, select={**select, "lessons": 20})
    assert line(few, "probe").tokens == 0
    full = planned(data={**data, "train": 499}, select=select)  # the pool leaves no hundred to test on
    assert "probe" not in [each.stage for each in full.lines]


def test_a_paid_first_teacher_is_paid_once() -> None:
    """A teacher of the first round alone is paid for that round."""
    every = planned(teacher={"model": "openai/gpt-4o"}, campaign={"rounds": 3, "arms": ["track_b"]})
    first = planned(
        teacher={"model": "reference", "first": "openai/gpt-4o"}, campaign={"rounds": 3, "arms": ["track_b"]}
    )
    assert first.usd_at_most == pytest.approx(every.usd_at_most / 3)


def test_an_own_teachers_calls_are_counted_in_every_stage() -> None:
    """What it costs nobody knows, but the control and the optimising of programs ask it as the lessons do."""
    how: dict[str, object] = {"rounds": 2, "arms": ["track_b", "control"], "compile": ["ask"]}
    own, paid = (planned(campaign=how, teacher={"model": model}) for model in ("mine:Teacher", "openai/gpt-4o"))
    for stage in ("lessons", "control"):
        assert line(own, stage).teacher_calls == line(paid, stage).teacher_calls > 0
    assert line(own, "compile").teacher_calls > 0
    assert line(own, "compile").student_calls > line(paid, "compile").student_calls  # who writes its instructions
    assert {each.usd for each in own.lines} == {0.0}
    assert line(planned(campaign=how), "control").teacher_calls == 0


def test_the_controls_teacher_is_the_first_rounds() -> None:
    """A paid teacher of the first round gives the control's rationales for the rows of all rounds: once each row."""
    teacher: dict[str, object] = {"model": "reference", "first": "openai/gpt-4o"}

    def control(rounds: int, train: int = 2000, **more: dict[str, object]) -> float:
        most = [
            planned(
                data={"train": train, "dev": 50, "test": 50}, teacher=teacher,
                campaign={"rounds": rounds, "arms": arms}, select={"lessons": 100, "replay": 0.0}, **more,
            ).usd_at_most
            for arms in (["track_b", "control"], ["track_b"])
        ]  # fmt: skip
        return most[0] - most[1]

    assert 0 < control(4) == pytest.approx(4 * control(1))
    assert control(4, train=200) == pytest.approx(2 * control(1))  # it has no more problems than there are
    assert control(1, lesson={"rationales": 3}) == pytest.approx(control(1))


def test_track_a_is_walked_often() -> None:
    """Answers alone carry little loss, so as many trained tokens take many more passes."""
    both = planned(campaign={"arms": ["track_b", "track_a"]})
    one = planned(campaign={"arms": ["track_b"]})
    assert both.lines[2].tokens > 4 * one.lines[2].tokens


def test_lessons_that_are_given_once_more_are_planned() -> None:
    """An arm of problems at random has lessons of its own, drafts and replies too, all within the bound."""
    teacher: dict[str, object] = {"model": "openai/gpt-4o"}
    one, again = (planned(teacher=teacher, campaign={"arms": ["track_b", *more]}) for more in ((), ("no_selection",)))
    lessons = [line(made, "lessons") for made in (one, again)]
    assert lessons[0].student_calls < lessons[1].student_calls <= 2 * lessons[0].student_calls
    assert lessons[0].teacher_calls < lessons[1].teacher_calls <= 2 * lessons[0].teacher_calls
    assert again.usd_at_most == pytest.approx(2 * one.usd_at_most)
    bare = planned(teacher=teacher, campaign={"arms": ["track_b", "no_questions"]})
    assert line(bare, "lessons").student_calls == lessons[0].student_calls
    shown = [
        planned(teacher=teacher, campaign={"arms": arms}, lesson={"rationalise": True}).usd_at_most
        for arms in (["track_b"], ["track_b", "no_questions"])
    ]
    assert shown[1] - shown[0] == pytest.approx(2 * (bare.usd_at_most - one.usd_at_most))


def test_starting_anew_walks_all_rows_of_every_round() -> None:
    """With `restart` the second round trains on the first one's rows too, replayed or not."""
    how: dict[str, dict[str, object]] = {"select": {"replay": 0.0}, "mine": {"pool": 50}}
    on, anew = (planned(**how, train={"restart": restart}, campaign={"rounds": 2}) for restart in (False, True))
    first = planned(**how, campaign={"rounds": 1})
    walked = [line(made, "train").tokens for made in (on, anew, first)]
    assert walked[1] == pytest.approx(walked[0] + walked[2], abs=2)


def test_trainings_are_planned_by_their_own_settings() -> None:
    """Steps instead of epochs, rounds that go on from an adapter by theirs, and tries where the first arm practises."""

    def tokens(arm: str = "track_b", rounds: int = 2, **train: dict[str, object]) -> int:
        campaign = {"arms": [arm], "rounds": rounds}
        return line(planned(campaign=campaign, train=train, mine={"pool": 40}), "train").tokens

    first = tokens(rounds=1)
    later = tokens() - first
    assert tokens(continued={"num_train_epochs": 5}) == pytest.approx(first + 5 * later, abs=2)
    a_row = tokens(sft={"max_steps": 1, "per_device_train_batch_size": 1}, rounds=1)
    assert tokens(sft={"max_steps": 5, "per_device_train_batch_size": 4}) == pytest.approx(2 * 20 * a_row, rel=0.01)
    tries = tokens("grpo", grpo={"num_generations": 4, "num_train_epochs": 2})
    assert tries == pytest.approx(2 * tokens("grpo", grpo={"num_generations": 4}), abs=2)
    assert tokens("grpo", 1) == tokens("grpo", 1, grpo={"max_steps": 5, "per_device_train_batch_size": 64})  # 40 x 8


def test_questions_asked_in_practice_are_paid_for() -> None:
    """The bound holds as many as may be put, each asked twice; what is expected is no more than that."""
    teacher: dict[str, object] = {"model": "openai/gpt-4o-mini"}
    arms: dict[str, object] = {"arms": ["track_b", "grpo"]}
    rewards = {"correct": 1.0, "questions": 0.3}
    plain = planned(teacher=teacher, campaign=arms)
    asks = [
        planned(
            data={"train": 600, "dev": 50, "test": 50},
            teacher=teacher,
            campaign=arms,
            train={"grpo": {"rewards": rewards, "most_questions": most}},
        )
        for most in (10, 1000)
    ]
    assert plain.usd_at_most < asks[0].usd_at_most < asks[1].usd_at_most
    train = [next(line for line in made.lines if line.stage == "train") for made in (plain, *asks)]
    assert train[0].teacher_calls == 0
    assert train[1].teacher_calls == 3 * 10
    assert train[2].teacher_calls > 30
    free = planned(campaign=arms, train={"grpo": {"rewards": rewards}})
    assert free.usd_at_most == 0


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


def test_a_plan_tells_what_grouped_problems_can_show(tmp_path: Path) -> None:
    """A grown file's dev problems are of few seeds: the gain that shows may be that of as many problems."""
    rows = [
        {"question": f"Box {seed}: what is {n} and {seed}?", "answer": str(n + seed), "lineage": {"root": f"s{seed}"}}
        for seed in range(40)
        for n in range(10)
    ]
    file = tmp_path / "grown.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = Campaign(task=str(file), teacher="reference", rounds=1).plan(probe=False)
    groups = {problem.group for problem in load_task(str(file)).problems("dev")}
    assert made.dev_groups == len(groups) == made.dev // 10
    assert made.grouped_gain == pytest.approx(made.smallest_gains[1] * 10**0.5)
    assert f"They are of {len(groups)} groups" in str(made)
    assert str(made).count("points in round 1") == 2

"""Arms of a round: the same start, as many trained tokens, and pairs behind a track."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from selfimprove.arms import ARMS as TABLE
from selfimprove.config import CampaignConfig
from selfimprove.graphs import training
from selfimprove.graphs.control import lineage
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.deciding import RoundDecision
from selfimprove.graphs.places import attempts_of
from selfimprove.graphs.run import run_campaign
from selfimprove.progress import Nobody, watched_by
from selfimprove.records import (
    Adapter,
    PracticeRow,
    PreferenceRow,
    TrackRow,
    TrainingJob,
    VerdictRow,
)
from selfimprove.report.page import render_page
from selfimprove.report.summary import summarise
from selfimprove.testing import NullTrainer

ARMS = ["track_a", "track_b", "track_b+dpo", "grpo"]


class Trainer:
    """Keeps the jobs."""

    def __init__(self) -> None:
        self.jobs: list[TrainingJob] = []

    def train(self, job: TrainingJob) -> Adapter:
        if not (Path(job.out) / "metrics.json").is_file():
            self.jobs.append(job)
        return NullTrainer().train(job)


def run(make_crew: Any, **sections: Any) -> tuple[Crew, Trainer]:
    campaign = {"rounds": 2, "arms": ARMS, "patience": 5, **sections.pop("campaign", {})}
    crew, trainer = make_crew(**{"mine": {"samples": 4}, **sections, "campaign": campaign}), Trainer()
    made = Crew(**{**crew.__dict__, "trainer": trainer})
    run_campaign(made, made.folder.at("graph.sqlite"))
    return made, trainer


def name_of(job: TrainingJob) -> str:
    return job.out.partition("/arms/")[2]


def test_pairs_are_trained_on_behind_their_track_with_the_tokens_of_the_others(make_crew: Any) -> None:
    """The first arm sets the tokens; the one with pairs spends three tenths of them on pairs, from its own adapter."""
    crew, trainer = run(make_crew)
    first = {name_of(job): job for job in trainer.jobs if "/round-01/" in job.out}
    order = ["track_b/adapter", "track_b+dpo/sft/adapter", "track_b+dpo/adapter", "track_a/adapter", "grpo/adapter"]
    assert list(first) == order
    tokens = json.loads((Path(first["track_b/adapter"].out) / "metrics.json").read_text())["trained_tokens"]
    own, pairs = first["track_b+dpo/sft/adapter"], first["track_b+dpo/adapter"]
    assert own.trained_tokens == round(0.7 * tokens)
    assert own.trained_tokens + pairs.trained_tokens == first["track_a/adapter"].trained_tokens == tokens
    assert (own.method, pairs.method, pairs.start) == ("sft", "dpo", own.out)
    assert all(PreferenceRow.model_validate_json(line) for line in Path(pairs.rows).read_text().splitlines())
    later = {name_of(job): job for job in trainer.jobs if "/round-02/" in job.out}
    starts = {later[f"{arm}/adapter"].start for arm in ("track_b",)} | {later["track_b+dpo/sft/adapter"].start}
    assert len(starts) == 1
    adapter = "round-02/arms/track_b+dpo/adapter"
    assert lineage(crew, adapter)[:2] == [adapter, "round-02/arms/track_b+dpo/sft/adapter"]


def test_few_pairs_leave_their_tokens_to_the_track(make_crew: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One pair is gone over three times, not a hundred; the arm has as many tokens as the others, and says so."""
    monkeypatch.setattr(training, "length_balanced", lambda rows: rows[:1])
    said = list[str]()

    class Listening(Nobody):
        def say(self, text: str) -> None:
            said.append(text)

    with watched_by(Listening()):
        crew, trainer = run(make_crew, campaign={"rounds": 1, "arms": ["track_b", "track_b+dpo"]})
    jobs = {name_of(job): job for job in trainer.jobs}
    (row,) = crew.folder.rows("round-01/preferences.jsonl", PreferenceRow)
    own, pairs = jobs["track_b+dpo/sft/adapter"].trained_tokens, jobs["track_b+dpo/adapter"].trained_tokens
    words = len(row.chosen.split()) + len(row.rejected.split())  # a token each, to a student that is scripted
    assert words < pairs < 6 * words
    total = json.loads((crew.folder.at("round-01/arms/track_b/adapter/metrics.json")).read_text())["trained_tokens"]
    assert own + pairs == total
    assert pairs < round(0.3 * total)
    assert any(s.startswith("track_b+dpo: 1 pairs carry some ") and s.endswith("and its track the rest") for s in said)


@pytest.mark.parametrize(
    ("cut", "train", "why"),
    [
        ("track_a", {"sft": {"max_steps": 1}}, "train.sft.max_steps = 1 ended it: raise it, or leave it out"),
        ("track_a", {"sft": {"max_steps": 3}}, "see round-01/arms/track_a/adapter/training.log"),
        ("track_a", {}, "see round-01/arms/track_a/adapter/training.log"),
        (
            "track_a",
            {"continued": {"max_steps": 1}},
            "train.continued.max_steps = 1 ended it: raise it, or leave it out",
        ),
        ("track_b+dpo/sft", {}, "see round-01/arms/track_b+dpo/sft/adapter/training.log"),
        ("track_b+dpo", {"dpo": {"max_steps": 1}}, "train.dpo.max_steps = 1 ended it: raise it, or leave it out"),
    ],
)
def test_a_training_that_got_fewer_tokens_than_it_asked_for_is_told(
    make_crew: Any, cut: str, train: dict[str, object], why: str
) -> None:
    """One that ended early is set beside arms with more tokens: a person should know which part, and why."""
    said, asked, here = list[str](), dict[str, int](), "round-02" if "continued" in train else "round-01"

    class Listening(Nobody):
        def say(self, text: str) -> None:
            said.append(text)

    class Short(Trainer):
        def train(self, job: TrainingJob) -> Adapter:
            made = super().train(job)
            asked[name_of(job)] = job.trained_tokens
            short = f"{here}/arms/{cut}/adapter" in job.out
            return made.model_copy(update={"trained_tokens": job.trained_tokens // 4}) if short else made

    crew = make_crew(campaign={"rounds": int(here[-1]), "arms": ["track_b", "track_b+dpo", "track_a"]}, train=train)
    made = Crew(**{**crew.__dict__, "trainer": Short()})
    with watched_by(Listening()):
        run_campaign(made, made.folder.at("graph.sqlite"))
    (sentence,) = [text for text in said if "tokens asked for" in text]
    tokens = asked[f"{cut}/adapter"]
    assert sentence == f"{here}/arms/{cut}: trained on {tokens // 4} of the {tokens} tokens asked for; {why}"


@pytest.mark.parametrize("method", ["grpo", "rloo", "distill"])
def test_the_student_practises_what_it_was_mined_on(make_crew: Any, method: str) -> None:
    """Its rows are the round's tried problems with their counts; it goes on from the best, with the same tokens."""
    crew, trainer = run(make_crew, campaign={"rounds": 1, "arms": ["track_b", method]})
    job = next(job for job in trainer.jobs if job.method == method)
    rows = [PracticeRow.model_validate_json(line) for line in Path(job.rows).read_text().splitlines()]
    attempts = {some[0].problem: some for some in attempts_of(crew, 1)}
    assert {row.problem.id for row in rows} == set(attempts)
    for row in rows:
        assert row.passed == sum(a.verdict == "correct" for a in attempts[row.problem.id])
        assert row.passed + row.failed == 5
    assert job.trained_tokens > 0
    assert job.settings["task"] == {"name": crew.config.campaign.task, "options": {}, "data_dir": None}


def test_a_student_that_is_rewarded_for_questions_practises_asking_them(make_crew: Any) -> None:
    """Each problem is practised twice: solved as it is tested, and drafted with questions as in a lesson."""
    rewards = {"correct": 1.0, "questions": 0.3}
    crew, trainer = run(make_crew, campaign={"rounds": 1}, train={"grpo": {"rewards": rewards}})
    job = next(job for job in trainer.jobs if job.method == "grpo")
    rows = [PracticeRow.model_validate_json(line) for line in Path(job.rows).read_text().splitlines()]
    by_program = {name: {row.problem.id for row in rows if row.program == name} for name in ("solve", "draft_and_ask")}
    assert by_program["solve"] == by_program["draft_and_ask"] == {some[0].problem for some in attempts_of(crew, 1)}
    assert len({row.id for row in rows}) == len(rows)
    assert list(job.program_state) == ["solve", "draft_and_ask", "rewrite"]
    assert job.render_hash == crew.programs["solve"].hash(crew.chat_template)


@pytest.mark.parametrize(("gains", "start"), [((0.2, 0.1), 2), ((0.2, -0.1), 1)])
def test_an_arm_whose_prompt_is_not_the_bests_goes_on_from_its_own_best(
    make_crew: Any, gains: tuple[float, float], start: int
) -> None:
    """Rolled back it is beside the best, which it cannot start from; its own rounds build on each other if they help."""
    crew = make_crew(campaign={"rounds": 3, "patience": 3, "arms": ["track_b", "track_a"]}, data={"dev": 200})
    by_round = dict(zip(("round-01", "round-02", "round-03"), (*gains, 0.0), strict=True))

    class Slower(Trainer):
        def train(self, job: TrainingJob) -> Adapter:
            self.jobs.append(job)
            slow = next(gain for round_, gain in by_round.items() if round_ in job.out)
            quick = 0.5 if "round-01" in job.out else 0.02
            return NullTrainer(gain=slow if "track_a" in job.out else quick).train(job)

    made = Crew(**{**crew.__dict__, "trainer": Slower()})
    run_campaign(made, made.folder.at("graph.sqlite"))
    second = made.folder.record("round-02/decision.json", RoundDecision)
    assert {d.arm: d.outcome for d in second.decisions}["track_a"] == "roll back"
    assert made.folder.json("round-03/arms/track_a/origin.json")["start"] == f"round-0{start}/arms/track_a/adapter"


def test_a_student_that_solves_nothing_does_not_practise(make_crew: Any) -> None:
    """Without one right try there is nothing to reinforce; the other arms go on."""
    crew = make_crew(mine={"samples": 2}, campaign={"rounds": 1, "arms": ["track_b", "grpo"]})
    student, trainer = replace(crew.student, skill=0.0), Trainer()
    made = Crew(**{**crew.__dict__, "student": student, "trainer": trainer})
    run_campaign(made, made.folder.at("graph.sqlite"))
    assert [job.method for job in trainer.jobs] == ["sft"]


def test_all_arms_are_decided_on_and_reported(make_crew: Any) -> None:
    """Each arm has its evaluation and its decision, and the page opens."""
    crew, _ = run(make_crew)
    summary = summarise(crew.folder, crew.ledger)
    assert {(row.round, row.arm) for row in summary.rounds} == {(r, arm) for r in (1, 2) for arm in ARMS}
    assert "track_b+dpo" in render_page(summary)


@pytest.mark.parametrize(("kinds", "lessons"), [("lessons", {True}), ("samples", {False}), ("both", {True, False})])
def test_pairs_come_from_where_the_settings_say(make_crew: Any, kinds: str, lessons: set[bool]) -> None:
    """From lessons, from the student's own samples, or both; chosen and rejected are as long in the mean."""
    crew, _ = run(make_crew, train={"pairs": kinds}, campaign={"rounds": 1})
    rows = crew.folder.rows("round-01/preferences.jsonl", PreferenceRow)
    assert {bool(row.lesson) for row in rows} == lessons


def test_without_pairs_all_is_trained_on_the_track(make_crew: Any) -> None:
    """A student that is never right at times has no own pairs; the arm is still trained, on as many tokens."""
    crew, trainer = run(make_crew, train={"pairs": "samples"}, campaign={"rounds": 1}, mine={"samples": 0})
    made = {name_of(job): job for job in trainer.jobs}
    assert "track_b+dpo/sft/adapter" not in made
    assert made["track_b+dpo/adapter"].method == "sft"
    assert made["track_b+dpo/adapter"].trained_tokens == made["track_a/adapter"].trained_tokens > 0
    assert crew.folder.rows("round-01/preferences.jsonl", PreferenceRow) == []


def test_verdicts_are_trained_on_behind_their_track(make_crew: Any) -> None:
    """The arm with verdicts has the student's own decided completions, right and wrong, each once."""
    crew, trainer = run(make_crew, campaign={"rounds": 1, "arms": ["track_b", "track_b+kto"]})
    jobs = {name_of(job): job for job in trainer.jobs}
    own, judged = jobs["track_b+kto/sft/adapter"], jobs["track_b+kto/adapter"]
    assert (judged.method, judged.start) == ("kto", own.out)
    rows = [VerdictRow.model_validate_json(line) for line in Path(judged.rows).read_text().splitlines()]
    assert {row.right for row in rows} == {True, False}
    assert len({(row.problem, row.text) for row in rows}) == len(rows)
    problems = {p.id: p for p in crew.problems("train")}
    for row in rows:
        right = crew.task.compare(crew.task.parse(row.text).answer or "", problems[row.problem]) == "correct"
        assert right is row.right


def test_parts_of_the_loop_are_left_out_one_at_a_time(make_crew: Any) -> None:
    """Each such arm has rows of its own, from the same start and with as many tokens, and says what it lacks."""
    arms = ["track_b", "no_questions", "no_selection", "no_verification"]
    crew, trainer = run(make_crew, campaign={"rounds": 1, "arms": arms}, select={"lessons": 20})
    jobs = {name_of(job).partition("/")[0]: job for job in trainer.jobs}
    assert list(jobs) == arms
    assert len({job.start for job in jobs.values()}) == 1
    tokens = {job.trained_tokens for arm, job in jobs.items() if arm != "track_b"}
    assert len(tokens) == 1
    rows = {arm: crew.folder.rows(f"round-01/{arm}.jsonl", TrackRow) for arm in arms}
    assert not any("rewrite" in row.source for row in rows["no_questions"])
    assert {row.problem for row in rows["no_selection"]} != {row.problem for row in rows["track_b"]}
    task, problems = crew.task, {p.id: p for p in crew.problems("train")}
    wrong = {
        arm: sum(task.compare(row.answer, problems[row.problem]) != "correct" for row in some)
        for arm, some in rows.items()
    }
    assert wrong["track_b"] == wrong["no_questions"] == wrong["no_selection"] == 0


def test_the_arm_that_is_told_is_never_promoted(make_crew: Any) -> None:
    """Its prompt holds the rationale in training and in testing; it is held whatever it reaches, and says why."""
    crew, _ = run(make_crew, campaign={"rounds": 1, "arms": ["track_b", "track_b_given"]})
    rows = crew.folder.rows("round-01/track_b_given.jsonl", TrackRow)
    assert rows
    assert all(row.inputs["rationale"] and len(row.target.split()) < 5 for row in rows)
    made = crew.folder.record("round-01/decision.json", RoundDecision)
    told = next(decision for decision in made.decisions if decision.arm == "track_b_given")
    assert (told.outcome, made.promoted) == ("hold", "track_b")
    assert "no other figure compares with it" in told.sentence
    assert next(d for d in made.decisions if d.arm == "track_b").alpha == 0.025
    summary = summarise(crew.folder, crew.ledger)
    assert summary.pairs == ()  # it is set beside no other
    assert "which tells the answer, so no other figure compares with it" in render_page(summary)


def test_a_round_may_start_from_the_base_with_all_rows_so_far(make_crew: Any) -> None:
    """With `restart` nothing is gone on from, and every row of the earlier rounds is trained on again."""
    crew, trainer = run(make_crew, campaign={"rounds": 2, "arms": ["track_b"]}, train={"restart": True})
    assert [job.start for job in trainer.jobs] == ["", ""]
    made = [crew.folder.rows(f"round-0{r}/track_b.jsonl", TrackRow) for r in (1, 2)]
    trained = crew.folder.rows("round-02/arms/track_b/rows.jsonl", TrackRow)
    assert {row.id for row in trained} == {row.id for some in made for row in some}
    assert len(made[0]) > 0


def test_every_arm_that_restarts_learns_from_all_rounds_so_far(make_crew: Any) -> None:
    """From the base with pairs, verdicts and tried problems of both rounds; a problem tried twice as it fared first."""
    arms = ["track_b", "track_b+dpo", "track_b+kto", "grpo"]
    crew, trainer = run(
        make_crew,
        campaign={"arms": arms},
        mine={"samples": 4, "pool": 200},  # of 300, so that some are tried in both rounds
        train={"restart": True, "pairs": "samples"},
    )
    later = {name_of(job): job for job in trainer.jobs if "/round-02/" in job.out}
    starts = {name: job.start for name, job in later.items()}
    behind = {f"{arm}/adapter": later[f"{arm}/sft/adapter"].out for arm in arms[1:3]}
    assert starts == {**dict.fromkeys(later, ""), **behind}
    for arm, file, kind in (
        ("track_b+dpo", "preferences", PreferenceRow), ("track_b+kto", "verdicts", VerdictRow),
    ):  # fmt: skip
        made = [crew.folder.rows(f"round-0{r}/{file}.jsonl", kind) for r in (1, 2)]
        trained = crew.folder.rows(f"round-02/arms/{arm}/rows.jsonl", kind)
        assert {row.round for row in trained} == {1, 2}
        assert {row.problem for row in trained} == {row.problem for some in made for row in some}
    first, second = ({some[0].problem: some for some in attempts_of(crew, r)} for r in (1, 2))
    rows = crew.folder.rows("round-02/arms/grpo/rows.jsonl", PracticeRow)
    assert len(rows) == len({row.id for row in rows}) == len({*first, *second})
    assert {*first} & {*second}
    for row in rows:
        assert row.round == (1 if row.problem.id in first else 2)


def test_a_share_of_earlier_rows_is_replayed(make_crew: Any) -> None:
    """A round that goes on from the best adds `select.replay` of its own rows from the rounds before."""
    crew, trainer = run(make_crew, campaign={"rounds": 2, "arms": ["track_b"]}, select={"replay": 0.25})
    assert trainer.jobs[1].start == trainer.jobs[0].out
    new = crew.folder.rows("round-02/track_b.jsonl", TrackRow)
    trained = crew.folder.rows("round-02/arms/track_b/rows.jsonl", TrackRow)
    old = [row for row in trained if row.round == 1]
    assert len(old) == round(0.25 * len(new)) > 0
    assert len(trained) == len(new) + len(old)


def test_every_arm_of_the_settings_is_one_of_the_table() -> None:
    """The names that a config takes are those of the table, and control."""
    known = get_args(get_args(CampaignConfig.model_fields["arms"].annotation)[0])
    assert set(known) == {*TABLE, "control"}

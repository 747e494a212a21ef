"""Grading by scorers that a config names: rollouts of the student, and a judge behind a server."""

from __future__ import annotations

import re
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from fake_server import Reply, serving

from selfimprove import Campaign
from selfimprove.config import TeacherConfig
from selfimprove.errors import InputError
from selfimprove.fork import fork
from selfimprove.graphs import finding
from selfimprove.graphs.places import round_folder
from selfimprove.graphs.run import run_campaign
from selfimprove.ledger import Ledger
from selfimprove.mining.library import Graded
from selfimprove.programs import plain
from selfimprove.progress import Nobody, watched_by
from selfimprove.records import Problem, Verdict
from selfimprove.scorers.figures import Figures, Measured, ScorerCard, step_figures
from selfimprove.scorers.judge import StepJudge
from selfimprove.scorers.names import check_scorer, full_name, judging, scorer_named
from selfimprove.scorers.scoring import card_name
from selfimprove.scorers.trust import Gated, card_place, check_card, write_card
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.testing import ScriptedStudent

SMALL: dict[str, Any] = {"campaign": {"rounds": 1, "arms": ["track_b"]}, "mine": {"pool": 40}}


def grades(crew: Any) -> list[Graded]:
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    return list(crew.folder.rows(f"{round_folder(1)}/grades.jsonl", Graded))


def judged(body: dict[str, Any]) -> Reply:
    """Doubt every step that ends in nought."""
    steps = [line for line in body["messages"][-1]["content"].splitlines() if line[:1].isdigit() and ". " in line]
    doubted = [at for at, line in enumerate(steps, 1) if line.rstrip().endswith(" 0")]
    lines = [f"{at}: {0.1 if at in doubted else 0.9}" for at in range(1, len(steps) + 1)]
    return Reply("\n".join([*lines, f"First wrong: {doubted[0] if doubted else 'none'}"]))


@pytest.mark.parametrize("bare", [True, False])
def test_a_judge_grades_within_the_campaigns_ledger(make_crew: Any, monkeypatch: Any, bare: bool) -> None:  # noqa: FBT001
    """`judge` is the teacher's role of that name, `judge:MODEL@URL` another model; each call is made and paid once."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-provider")
    with serving(judged) as server:
        named = "judge" if bare else f"judge:openai/m@{server.url}"
        judge = {"judge": {"model": "openai/m"}, "base_url": server.url} if bare else {}
        teacher = {**judge, "input_price": 1.0, "output_price": 1.0}
        crew = make_crew(grade={"scorer": named, "trust": True, "aggregate": "min"}, teacher=teacher, **SMALL)
        rows = grades(crew)
        wrong = [row for row in rows if row.verdict is Verdict.WRONG]
        assert len(wrong) > 10
        assert {row.by.partition("/")[0] for row in wrong} == {"judge"}
        assert {row.score for row in wrong} == {0.1}
        assert len(server.bodies) == len(wrong)
        assert (crew.ledger.spent_usd > 0) == bare  # a server on this machine is free, whatever the teacher costs


def test_rollouts_grade_by_the_students_own_chances(make_crew: Any) -> None:
    """`monte-carlo:2` scores steps by two rollouts of the student as it is in that round."""
    crew = make_crew(grade={"scorer": "monte-carlo:2", "trust": True}, **SMALL)
    wrong = [row for row in grades(crew) if row.verdict is Verdict.WRONG]
    assert {row.by.partition("/")[0] for row in wrong if row.scores} == {"monte-carlo-2"}
    assert any(row.scores for row in wrong)


class Listening(Nobody):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def say(self, text: str) -> None:
        self.heard.append(text)


def test_rollouts_that_were_measured_go_on_with_the_next_adapter(make_crew: Any) -> None:
    """What the base's rollouts were trusted by in round 1 holds in round 2, whose student has an adapter."""
    listening = Listening()
    crew = make_crew(grade={"scorer": "monte-carlo:2"}, campaign={"rounds": 2, "arms": ["track_b"]}, mine={"pool": 60})
    with watched_by(listening):
        run_campaign(crew, crew.folder.at("graph.sqlite"))
    told = [said for said in listening.heard if said.startswith("step scorer monte-carlo:2: AUC")]
    assert len(told) == 2
    assert told[0] == told[1]
    assert not [said for said in listening.heard if "another model" in said]
    rows = list(crew.folder.rows(f"{round_folder(2)}/grades.jsonl", Graded))
    assert {row.by for row in rows if row.scores} != {f"monte-carlo-2/{crew.model('').identity}"}
    assert any(row.scores for row in rows)


class Proofs:
    """Runs campaigns of two rounds, and keeps what each round's grading was given to trust the scorer by."""

    def __init__(self, make_crew: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        self.make_crew, self.given, self.real = make_crew, list[ScorerCard | None](), finding.scorer_of
        monkeypatch.setattr(finding, "scorer_of", self)

    def __call__(self, crew: Any, best: str, card: ScorerCard | None) -> Any:
        self.given.append(card)
        return self.real(crew, best, card)

    def run(self, out: Path) -> dict[str, str]:
        """Run it, or what is left of it, and give the hashes of what it wrote."""
        campaign = {"rounds": 2, "arms": ["track_b"]}
        crew = self.make_crew(out, grade={"scorer": "monte-carlo:2"}, campaign=campaign, mine={"pool": 60})
        run_campaign(crew, crew.folder.at("graph.sqlite"))
        crew.ledger.close()
        crew.folder.close()
        return dict(crew.folder.hashes)


def test_a_scorer_is_trusted_by_the_rounds_before_alone(
    make_crew: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Walked again, each round grades as the first time, and a fork as its parent; a damaged proof is made again."""
    proofs, run = Proofs(make_crew, monkeypatch), tmp_path / "run"
    made = proofs.run(run)
    first, second = proofs.given
    assert first is None
    assert second is not None
    (run / "graph.sqlite").unlink()
    assert proofs.run(run) == made
    (run / "round-01" / "scorer.json").write_text("{}")
    assert proofs.run(run) == made
    fork(run, tmp_path / "fork", round_=1)
    proofs.run(tmp_path / "fork")
    assert proofs.given == [first, second, first, second, first, second, second]


@pytest.mark.parametrize("named", ["judge", "monte-carlo:2", "exact"])
def test_what_cannot_be_measured_is_refused_at_the_start(named: str, tmp_path: Path, monkeypatch: Any) -> None:
    """Where steps cannot be checked a scorer without a card stops nothing midway: nothing is mined, and a command is told."""
    monkeypatch.setenv("MY_KEY", "sk-mine")
    monkeypatch.setenv("SELFIMPROVE_CACHE", str(tmp_path / "cache"))
    out, rows = tmp_path / "run", tmp_path / "problems.jsonl"
    rows.write_text("".join(f'{{"question": "How many is {n}?", "answer": "{n}"}}\n' for n in range(300)))
    with serving(judged) as server:
        teacher = {"model": "openai/m", "base_url": server.url, "input_price": 1.0, "output_price": 1.0}
        campaign = Campaign(
            task=str(rows),
            student="openai-server:m@http://127.0.0.1:9/v1",
            out=out,
            sections={"grade": {"scorer": named}, "teacher": {**teacher, "api_key_env": "MY_KEY"}},
        )
        full = f"judge:openai/m@{server.url}" if named == "judge" else named
        with pytest.raises(InputError, match=rf"has no card .* `selfimprove prm evaluate {re.escape(full)} --task"):
            campaign.run()
        assert server.bodies == []
    assert not out.exists()


def test_the_card_of_a_judge_that_is_named_is_the_teachers_judges(tmp_path: Path, monkeypatch: Any) -> None:
    """`judge` is measured under the full name of the teacher's model, which is the same scorer."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-provider")
    ledger = Ledger(tmp_path / "ledger.sqlite")
    student = ScriptedStudent(Arithmetic(sizes={"train": 5, "dev": 5, "test": 5}))
    with serving(judged) as server:
        for model in ("openai/m", "hosted_vllm/m"):
            teacher = TeacherConfig(model=model, base_url=server.url, input_price=1.0, output_price=1.0)
            full = full_name("judge", teacher)
            assert full == f"judge:{model}@{server.url}"
            measured = scorer_named(full, ledger)
            assert check_scorer("judge", ledger, teacher, student) == card_name(measured) == measured.identity
            more = teacher.model_copy(update={"fallbacks": ("openai/n",), "parameters": {"reasoning_effort": "low"}})
            assert check_scorer("judge", ledger, more, student) == card_name(measured)
    assert check_scorer("monte-carlo:3", ledger, teacher, student) == f"monte-carlo-3/{student.identity}"
    ledger.close()


@pytest.mark.parametrize("measured_with", ["plain", "compiled"])
@pytest.mark.parametrize("in_force", ["plain", "compiled"])
def test_a_card_is_of_a_judge_with_its_prompt(
    measured_with: str, in_force: str, tmp_path: Path, monkeypatch: Any
) -> None:
    """The same model under a prompt that was optimised since is another scorer, and the other way round."""
    monkeypatch.setenv("SELFIMPROVE_CACHE", str(tmp_path / "cache"))
    prompts = {"plain": None, "compiled": plain("judge_steps").with_instructions("Doubt every step.")}
    unknown = [Problem.of("Why?", "So")]
    ledger = Ledger(tmp_path / "ledger.sqlite")
    student = ScriptedStudent(Arithmetic(sizes={"train": 5, "dev": 5, "test": 5}))
    with serving(judged) as server:
        name = f"judge:m@{server.url}"
        measured = scorer_named(name, ledger, judging_by=prompts[measured_with])
        steps = step_figures([[0.9, 0.1], [0.8, 0.7]] * 30, [[True, False], [True, True]] * 30, resamples=50)
        proof = Measured(on="f", data="d", solutions=60, own=Figures(scorer=measured.identity, steps=steps))
        card = ScorerCard(scorer=card_name(measured), measured=(proof,))
        write_card(card, card_place(name))
        known_as = check_scorer(name, ledger, TeacherConfig(), student, prompts[in_force])
        found = scorer_named(name, ledger, judging_by=prompts[in_force])
    ledger.close()
    assert known_as == card_name(found)
    assert (known_as == card.scorer) == (measured_with == in_force)
    if measured_with == in_force:
        check_card(name, unknown, known_as)
    else:
        with pytest.raises(InputError, match=r"another model or prompt .* --program plain\|FILE"):
            check_card(name, unknown, known_as)
        assert Gated(found, name).card is None


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("judge", "there is none; write judge:MODEL"),
        ("judge:@http://127.0.0.1:1/v1", "names none"),
        ("judge:nowhere/m", "nowhere"),
        ("monte-carlo:none", "monte-carlo:none will not do"),
        ("monte-carol", 'did you mean "monte-carlo"'),
        ("math-sheperd:some/model", "math-sheperd"),
        ("no_such_module:Scorer", "no_such_module"),
        ("somewhere", "neither a folder"),
    ],
)
def test_a_scorer_that_cannot_be_had_is_refused_at_the_start(named: str, said: str, tmp_path: Path) -> None:
    """Before anything is mined, with one sentence, and nothing stays behind."""
    out = tmp_path / "run"
    student = "openai-server:m@http://127.0.0.1:9/v1"
    campaign = Campaign(task="arithmetic", student=student, out=out, sections={"grade": {"scorer": named}})
    with pytest.raises(InputError) as error:
        campaign.run()
    assert said in str(error.value)
    assert not out.exists()


def test_the_teachers_key_is_not_sent_to_another_judge(tmp_path: Path) -> None:
    """A judge with an address of its own has no key of the teacher's, and keeps the role's caps."""
    teacher = TeacherConfig.model_validate(
        {"model": "openai/gpt-4o", "api_key_env": "MY_KEY", "judge": {"model": "openai/x", "max_calls": 7}}
    )
    own = judging("m@http://127.0.0.1:9/v1", teacher.model_copy(update={"parameters": {"extra_headers": {"a": "b"}}}))
    assert own.parameters == {}
    priced = teacher.model_copy(update={"input_price": 0.0, "output_price": 0.0})
    assert judging("openai/gpt-4o", priced).input_price is None
    assert judging("openai/nobody-lists-this", priced).input_price == 0.0
    assert (own.model, own.base_url, own.api_key_env) == ("openai/m", "http://127.0.0.1:9/v1", None)
    assert (own.judge.model, own.judge.max_calls) == (None, 7)
    assert judging("", teacher) == teacher
    vertex = judging("vertex_ai/claude-3-5-sonnet@20240620", teacher)
    assert (vertex.model, vertex.base_url) == ("vertex_ai/claude-3-5-sonnet@20240620", None)
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with pytest.raises(InputError, match="MY_KEY"):
        check_scorer("judge", ledger, teacher, ScriptedStudent(Arithmetic(sizes={"train": 5, "dev": 5, "test": 5})))
    ledger.close()


def test_a_judge_may_write_as_long_as_the_teacher(tmp_path: Path) -> None:
    """One that thinks before it speaks has to have the room that the settings give."""
    teacher = TeacherConfig.model_validate({"max_tokens": 4000})
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger, serving(lambda _: Reply("OK")) as server:
        judge = scorer_named(f"judge:m@{server.url}", ledger, teacher=teacher)
    assert isinstance(judge, StepJudge)
    assert judge.sampling.max_tokens == 4000

"""Grading by scorers that a config names: rollouts of the student, and a judge behind a server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from fake_server import Reply, serving

from selfimprove import Campaign
from selfimprove.config import TeacherConfig
from selfimprove.errors import InputError
from selfimprove.graphs.places import round_folder
from selfimprove.graphs.run import run_campaign
from selfimprove.ledger import Ledger
from selfimprove.mining.library import Graded
from selfimprove.records import Verdict
from selfimprove.scorers.names import judging, see_scorer

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


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("judge", "there is none; write judge:MODEL"),
        ("judge:@http://127.0.0.1:1/v1", "names no model"),
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
    ledger = Ledger(tmp_path / "ledger.sqlite")
    with pytest.raises(InputError, match="MY_KEY"):
        see_scorer("judge", ledger, teacher)
    ledger.close()

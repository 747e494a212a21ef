"""A campaign that meets a cap: it ends cleanly, says what finishing takes, and goes on when the cap is raised."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_server import FakeServer, Reply, serving

from selfimprove.campaign import Campaign
from selfimprove.cli import main
from selfimprove.config import TeacherConfig
from selfimprove.errors import BudgetExceededError
from selfimprove.ledger import Ledger
from selfimprove.records import Problem
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.tasks.gsm8k import Gsm8k
from selfimprove.teachers import load_teacher
from selfimprove.testing import NullTrainer, ScriptedStudent

SIZES = {"train": 60, "dev": 30, "test": 30}
PRICE = {"input_price": 0.0, "output_price": 1e6}
"""A dollar a token: a call of the server's costs $3, and could cost $10 with 10 tokens allowed."""
PROBLEMS = [Problem.of(f"What is {i} + {i}?", str(2 * i)) for i in range(20)]


def teacher_of(server: FakeServer, **more: Any) -> dict[str, Any]:
    """Give a section that names the server."""
    return {"model": "openai/m", "base_url": server.url, "concurrency": 2, "max_tokens": 10, **PRICE, **more}


def campaign(server: FakeServer, out: Path, usd: float) -> Campaign:
    """Give a scripted campaign with a teacher behind that server."""
    task = Arithmetic(levels=(3, 4, 5, 6), sizes=SIZES)  # type: ignore[arg-type]
    return Campaign(
        task=task,
        student=ScriptedStudent(task),
        trainer=NullTrainer(),
        out=out,
        rounds=1,
        budget_usd=usd,
        sections={"data": SIZES, "mine": {"pool": 20}, "teacher": teacher_of(server)},
    )


def test_a_campaign_stops_at_the_budget_and_goes_on(tmp_path: Path) -> None:
    """The stop keeps the cap and says what is left; with more money the same folder is finished, nothing paid twice."""
    with serving(Reply("Look closely.\n#### 4")) as server:
        with pytest.raises(BudgetExceededError, match=r"calls? left in this stage would take about \$\d+") as stopped:
            campaign(server, tmp_path / "run", 20.0).run()
        sent, needed = (
            server.calls,
            re.search(r"set it to ([\d.]+) or more and run the same command", str(stopped.value)),
        )
        assert 0 < 3 * sent <= 20
        assert needed
        assert float(needed[1]) > 20.0
        summary = campaign(server, tmp_path / "run", 2_000.0).run()
        assert server.calls > sent
        assert set(server.answered.values()) == {1}
    assert summary.cost.usd == pytest.approx(3.0 * server.calls)
    assert summary.state == "finished"


def test_the_command_line_ends_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, family: Callable[[str], Path]
) -> None:
    """At the cap the exit code is 3 and one sentence says how to go on."""
    with serving(Reply("Who? When?\n#### 4")) as server:
        lines = [
            f'[campaign]\nstudent = "{family("llama")}"\nrounds = 1\nbudget_usd = 15.0\n[student]\nmax_tokens = 12'
        ]
        lines += ["[data]\ntrain = 60\ndev = 20\ntest = 20"]
        lines += ["[mine]\npool = 20\n[teacher]"]
        lines += [f"{key} = {value!r}".replace("'", '"') for key, value in teacher_of(server).items()]
        (tmp_path / "c.toml").write_text("\n".join(lines))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["selfimprove", "run", "c.toml", "--quiet"])
        with pytest.raises(SystemExit) as end:
            main()
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert end.value.code == 3, said
    assert re.fullmatch(r"selfimprove: campaign.budget_usd = 15 is reached: .* and run the same command", said)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"budget_usd": 20.0}, "teacher.reason.budget_usd = 20 is reached"),
        ({"max_calls": 5}, r"teacher.reason.max_calls = 5 is reached.*15 calls left .* set it to 20 or more"),
        ({"max_tokens": 300}, "teacher.reason.max_tokens = 300 is reached"),
    ],
)
def test_a_role_stops_at_its_own_cap(own: dict[str, Any], said: str) -> None:
    """A role's cap stops that role; a raised one goes on with the rest."""
    ledger = Ledger(":memory:")
    with serving(Reply("#### 4")) as server:
        config = TeacherConfig.model_validate(teacher_of(server, reason=own, concurrency=1))
        made = load_teacher(config, Gsm8k(), {}, ledger)
        with pytest.raises(BudgetExceededError, match=said):
            made.reason(PROBLEMS, 1)
        assert server.calls < 20
        raised = TeacherConfig.model_validate(teacher_of(server, reason=dict.fromkeys(own, 10_000)))
        assert len(load_teacher(raised, Gsm8k(), {}, ledger).reason(PROBLEMS, 1)) == 20
        assert server.calls == 20

"""Somebody's own teacher behind the ledger: counted, capped, remembered."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from selfimprove import Campaign
from selfimprove.config import TeacherConfig
from selfimprove.errors import BudgetExceededError, TeacherError
from selfimprove.ledger import Caps, Ledger, Reservation
from selfimprove.protocols import Rationaliser
from selfimprove.records import Answer, Problem, Question, Rationale, Request
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.teachers import own as own_module
from selfimprove.teachers.load import own_teacher
from selfimprove.teachers.own import OwnTeacher
from selfimprove.testing import NullTrainer, ScriptedStudent

MARKER = "marker-key-5d1f0c2a"
PROBLEMS = [Problem.of(f"What is {i} + {i}?", str(2 * i)) for i in range(20)]
ASKED = [Question(problem=problem, text="Which first?") for problem in PROBLEMS]


class Mine:
    """A teacher that counts what it is asked, and takes what it is told to."""

    def __init__(self, usd: float = 0.0, error: str = "") -> None:
        self.asked, self.usd, self.error = 0, usd, error

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Answer with the number of the call."""
        made = [Answer(text=f"Call {self.asked + i}", usd=self.usd, error=self.error) for i in range(len(asked))]
        self.asked += len(asked)
        return made

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Write the answer down as often as asked."""
        self.asked += len(problems)
        return [[Rationale(text=p.answer, answer=p.answer, usd=self.usd)] * samples for p in problems]


class Explaining(Mine):
    """One that can also explain."""

    def rationalise(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Do as when it reasons."""
        return [[r.model_copy(update={"rationalised": True}) for r in some] for some in self.reason(problems, samples)]


def test_its_calls_stop_at_a_cap_and_go_on() -> None:
    """As many are made as fit; with a higher cap the rest only, in order."""
    mine, ledger = Mine(), Ledger(":memory:", caps=Caps(calls=8))
    own = OwnTeacher(mine, "m:Mine", ledger)
    with pytest.raises(
        BudgetExceededError, match=r"max_calls = 8 is reached.*the 12 calls left .* set it to 20 or more"
    ):
        own.answer(ASKED)
    assert (mine.asked, ledger.totals().teacher_calls) == (8, 8)
    ledger = Ledger(":memory:", caps=Caps(calls=25))
    own = OwnTeacher(mine, "m:Mine", ledger)
    assert [a.text for a in own.answer(ASKED)] == [f"Call {i}" for i in range(8, 28)]
    with pytest.raises(BudgetExceededError):
        own.reason(PROBLEMS, 2)
    assert ledger.totals().teacher_calls == mine.asked - 8 == 25


def test_a_roles_cap_holds() -> None:
    """`[teacher.reason]` caps it as it caps a model."""
    config = TeacherConfig.model_validate({"model": "m:Mine", "reason": {"max_calls": 5}})
    mine = Mine()
    own = own_teacher(mine, "m:Mine", config, Ledger(":memory:"))
    with pytest.raises(BudgetExceededError, match=r"teacher.reason.max_calls = 5 is reached"):
        own.reason(PROBLEMS, 1)
    assert mine.asked == 5
    assert len(own.answer(ASKED)) == 20


def test_what_it_says_is_remembered(tmp_path: Path) -> None:
    """Another process asks it nothing again, and reads the very same; other samples are another call."""
    first, again = Explaining(), Explaining()
    one = OwnTeacher(first, "m:Mine", Ledger(tmp_path / "l.sqlite"))
    made = [one.answer(ASKED), one.reason(PROBLEMS, 2), one.rationalise(PROBLEMS, 2)]
    two = OwnTeacher(again, "m:Mine", Ledger(tmp_path / "l.sqlite"))
    assert [two.answer(ASKED), two.reason(PROBLEMS, 2), two.rationalise(PROBLEMS, 2)] == made
    assert (first.asked, again.asked) == (60, 0)
    two.reason(PROBLEMS[:1], 3)
    assert again.asked == 1


def test_what_is_asked_twice_in_a_batch_is_asked_once() -> None:
    """Two places that want the same read one answer."""
    mine = Mine()
    assert len(OwnTeacher(mine, "m", Ledger(":memory:")).answer([*ASKED[:2], *ASKED[:2]])) == 4
    assert mine.asked == 2


def test_an_answer_with_an_error_is_asked_for_again() -> None:
    """It is given as it came, counted as failed, and not remembered."""
    mine, ledger = Mine(error="too busy"), Ledger(":memory:")
    own = OwnTeacher(mine, "m", ledger)
    assert own.answer(ASKED[:1])[0].error == "too busy"
    mine.error = ""
    assert own.answer(ASKED[:1])[0].error == ""
    assert (ledger.totals().retries, ledger.totals().answered, mine.asked) == (1, 1, 2)


def test_dollars_it_tells_count() -> None:
    """What its answers say they cost is in the ledger; the next batch is held at that."""
    mine, ledger = Mine(usd=0.5), Ledger(":memory:", budget_usd=12.0)
    own = OwnTeacher(mine, "m", ledger)
    own.answer(ASKED)
    assert ledger.totals().usd == 10.0
    with pytest.raises(BudgetExceededError, match="budget_usd = 12 is reached"):
        own.answer([q.model_copy(update={"attempt": 1}) for q in ASKED])
    assert (ledger.totals().usd, mine.asked) == (12.0, 24)


@pytest.mark.parametrize("error", ["", "cut off"])
def test_dollars_stop_it_after_the_batch_that_went_over(error: str) -> None:
    """Failed answers are paid for too: once the cap is reached nothing goes out, a fresh role's first batch neither."""
    mine, ledger = Mine(usd=1.0, error=error), Ledger(":memory:", budget_usd=2.0)
    own = OwnTeacher(mine, "m", ledger)
    own.answer(ASKED[:3])
    with pytest.raises(BudgetExceededError, match=r"budget_usd = 2 is reached: \$3.0000 .* next could take \$1.0000"):
        own.answer(ASKED[3:6])
    with pytest.raises(BudgetExceededError, match="budget_usd = 2 is reached"):
        own.reason(PROBLEMS, 1)
    assert mine.asked == 3


def test_a_cap_that_is_reached_stops_one_of_unknown_price() -> None:
    """Somebody else's spending counts before its own first call; one that was free so far goes on."""
    mine, ledger = Mine(), Ledger(":memory:", budget_usd=2.0)
    own = OwnTeacher(mine, "m", ledger)
    own.answer(ASKED[:1])
    ledger.reserve([Reservation("k", Request(role="judge", messages=()), "other", "judge", 2.0)])
    own.answer(ASKED[1:2])
    with pytest.raises(BudgetExceededError, match="budget_usd = 2 is reached"):
        OwnTeacher(mine, "another", ledger).answer(ASKED)
    assert mine.asked == 2


def test_one_that_a_process_died_with_is_in_doubt(tmp_path: Path) -> None:
    """Nobody knows what its first batch cost, so with `stop` it is not asked again."""
    request = own_module._request("answer", ASKED[0], PROBLEMS[0], 0)
    killed = Ledger(tmp_path / "l.sqlite")
    own = OwnTeacher(Mine(), "m", killed)
    own._hold("answer", {request.key("m"): (request, ASKED[0])}, own._each_usd("answer"), [])
    killed.close()
    mine = Mine()
    with pytest.raises(BudgetExceededError, match=r"1 call\(s\) were under way when a process died"):
        OwnTeacher(mine, "m", Ledger(tmp_path / "l.sqlite", in_doubt="stop")).answer(ASKED[:1])
    assert mine.asked == 0


@pytest.mark.parametrize("given", [["Add."], [7], None, [["Add."]] * 20, [[Answer(text="Add.")]] * 20])
def test_what_is_no_answer_is_one_sentence(given: Any) -> None:
    """Its calls are settled, so that the next run finds none under way."""

    class Odd(Mine):
        def answer(self, asked: Sequence[Question]) -> Any:
            return given

        def reason(self, problems: Sequence[Problem], samples: int) -> Any:
            return given

    ledger = Ledger(":memory:")
    own = OwnTeacher(Odd(), "m", ledger)
    with pytest.raises(TeacherError, match=r'^teacher "m" gives what is not an Answer each .*; mend it'):
        own.answer(ASKED)
    with pytest.raises(TeacherError, match=r'^teacher "m" gives what is not a list of Rationale each .*; mend it'):
        own.reason(PROBLEMS, 1)
    assert (ledger.totals().failed, ledger.totals().held_usd) == (40, 0.0)
    assert [row["state"] for row in ledger.calls()] == ["failed"] * 40


def test_half_a_character_is_kept_as_a_question_mark(tmp_path: Path) -> None:
    """A cut emoji can be written and is found again."""

    class Cut(Mine):
        def answer(self, asked: Sequence[Question]) -> list[Answer]:
            return [a.model_copy(update={"text": "nice \ud83d"}) for a in super().answer(asked)]

    own = OwnTeacher(Cut(), "m", Ledger(tmp_path / "l.sqlite"))
    assert [own.answer(ASKED[:1])[0].text for _ in range(2)] == ["nice ?"] * 2


@pytest.mark.parametrize("how", ["raised", "told"])
def test_its_error_is_written_without_a_key(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that repeats its key in what it raises, or in an answer's error, puts it into no row."""
    monkeypatch.setenv("MY_TEACHERS_KEY", MARKER)

    class Telling(Mine):
        def answer(self, asked: Sequence[Question]) -> list[Answer]:
            if how == "raised":
                raise OSError(f"refused {MARKER}")
            return super().answer(asked)

    ledger = Ledger(tmp_path / "l.sqlite")
    own = OwnTeacher(Telling(error=f"refused {MARKER}"), "m", ledger)
    with contextlib.suppress(OSError):
        assert own.answer(ASKED[:1])[0].error == "refused ***"
    ledger.close()
    written = (tmp_path / "l.sqlite").read_bytes()
    assert b"refused ***" in written
    assert MARKER.encode() not in written


def test_it_explains_only_where_it_can() -> None:
    """A method that its object lacks is not made up."""
    ledger = Ledger(":memory:")
    assert not isinstance(OwnTeacher(Mine(), "m", ledger), Rationaliser)
    assert isinstance(OwnTeacher(Explaining(), "m", ledger), Rationaliser)


def test_one_that_breaks_off_holds_nothing() -> None:
    """Its own error comes through, as does a wrong number of answers; the calls are counted and can be made again."""

    class Broken(Mine):
        def answer(self, asked: Sequence[Question]) -> list[Answer]:
            raise OSError("no line")

        def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
            return super().reason(problems, samples)[1:]

    ledger = Ledger(":memory:")
    own = OwnTeacher(Broken(), "m", ledger)
    with pytest.raises(OSError, match="no line"):
        own.answer(ASKED)
    with pytest.raises(TeacherError, match="gives 19 answers where it is asked 20 times"):
        own.reason(PROBLEMS, 1)
    assert (ledger.totals().failed, ledger.totals().held_usd) == (40, 0.0)


def test_a_campaign_counts_an_object(tmp_path: Path) -> None:
    """A teacher given as an object is planned, capped and remembered by the campaign."""
    sizes = {"train": 60, "dev": 30, "test": 30}
    task, mine = Arithmetic(levels=(3, 4, 5, 6), sizes=sizes), Mine()  # type: ignore[arg-type]

    def campaign(calls: int) -> Campaign:
        sections = {"data": sizes, "mine": {"pool": 20}}
        given = {"task": task, "student": ScriptedStudent(task), "teacher": mine, "trainer": NullTrainer()}
        return Campaign(**given, out=tmp_path / "run", rounds=1, max_calls=calls, sections=sections)  # type: ignore[arg-type]

    plan = campaign(4).plan(probe=False)
    assert plan.teaching.calls > 4
    assert "its dollars are unknown" in str(plan)
    assert "no paid calls" not in str(plan)
    with pytest.raises(BudgetExceededError, match=r"campaign.max_calls = 4 is reached"):
        campaign(4).run()
    assert mine.asked == 4
    summary = campaign(1000).run()
    assert summary.cost.teacher_calls == mine.asked > 4

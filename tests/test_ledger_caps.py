"""Caps on dollars, calls, tokens and hours, in all and by role."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from typing import Any

import pytest

from selfimprove.config import CampaignConfig, changed, make_config
from selfimprove.errors import BudgetExceededError
from selfimprove.ledger import CapReachedError, Caps, Ledger, Reservation, Settlement, StoppedError, Used
from selfimprove.ledger.inherited import inherit
from selfimprove.records import Completion, Request

PRICED = {"answer": {"budget_usd": 1}, "input_price": 1.0, "output_price": 2.0}
ASKED = Request(role="reason", messages=())
EACH = Reservation("", ASKED, "m", "reason", 0.25, 100)


def reserve(ledger: Ledger, *keys: str, role: str = "reason", stop: threading.Event | None = None) -> None:
    ledger.reserve([EACH._replace(key=key, role=role) for key in keys], stop)


def settle(ledger: Ledger, *keys: str, **said: Any) -> None:
    ledger.settle([Settlement(key, Completion(text="x", **said)) for key in keys])


@pytest.mark.parametrize(
    ("caps", "fit", "said"),
    [
        (
            Caps(usd=1.0),
            4,
            r"campaign.budget_usd = 1 is reached: \$1.0000 spent or held and the next could take \$0.2500",
        ),
        (Caps(calls=3), 3, "campaign.max_calls = 3 is reached: 3 calls used or held and the next could take 1 call"),
        (Caps(tokens=250), 2, "campaign.max_tokens = 250 is reached: 200 tokens"),
        (Caps(hours=0.0), 0, "campaign.max_hours = 0 is reached"),
    ],
)
def test_each_cap_holds(caps: Caps, fit: int, said: str) -> None:
    """As many calls are reserved as fit; the next is refused with the key, the cap and what is used."""
    ledger = Ledger(":memory:", caps.usd, caps=caps)
    for at in range(fit):
        reserve(ledger, str(at))
    with pytest.raises(BudgetExceededError, match=said):
        reserve(ledger, "more")
    assert ledger.totals().calls == fit


def test_a_role_has_its_own_cap() -> None:
    """A role stops at its cap while others go on under the campaign's."""
    ledger = Ledger(":memory:", budget_usd=10.0)
    ledger.cap("reason", Caps(usd=0.5, calls=9))
    reserve(ledger, "a", "b")
    with pytest.raises(BudgetExceededError, match=r"teacher.reason.budget_usd = 0.5 is reached"):
        reserve(ledger, "c")
    reserve(ledger, "c", role="answer")


def test_caps_count_what_earlier_processes_used(tmp_path: Any) -> None:
    """Calls and tokens of an earlier process count, each try of a call by itself."""
    first = Ledger(tmp_path / "l.sqlite")
    for _ in range(3):
        reserve(first, "a")
        settle(first, "a", finish_reason="error", prompt_tokens=10)
    first.close()
    with pytest.raises(BudgetExceededError, match="3 calls used"):
        reserve(Ledger(tmp_path / "l.sqlite", caps=Caps(calls=3)), "b")
    reserve(Ledger(tmp_path / "l.sqlite", caps=Caps(calls=4, tokens=130)), "b")
    with pytest.raises(BudgetExceededError, match="max_tokens"):
        reserve(Ledger(tmp_path / "l.sqlite", caps=Caps(tokens=129)), "c")


def test_tokens_of_calls_without_an_answer_count(tmp_path: Any) -> None:
    """What broke off and what a killed process had under way may have been read and written: as for dollars."""
    first = Ledger(tmp_path / "l.sqlite", caps=Caps(tokens=300))
    reserve(first, "a", "b")
    failed = Completion(text="", finish_reason="error")
    first.settle([Settlement("a", failed, doubt_usd=0.25, doubt_tokens=100), Settlement("b", failed)])
    reserve(first, "c", "d")
    with pytest.raises(BudgetExceededError, match="max_tokens = 300 is reached: 300 tokens used"):
        reserve(first, "e")
    settle(first, "d")
    first.close()  # as after a kill: "c" is in doubt
    again = Ledger(tmp_path / "l.sqlite", caps=Caps(tokens=350))
    reserve(again, "c")
    with pytest.raises(BudgetExceededError, match="max_tokens = 350 is reached: 300 tokens used"):
        reserve(again, "e")
    settle(again, "c", prompt_tokens=5)
    with pytest.raises(BudgetExceededError, match="max_tokens = 204 is reached: 205 tokens used"):
        reserve(Ledger(tmp_path / "l.sqlite", caps=Caps(tokens=204)), "e")


def test_a_ledger_begun_without_tokens_in_doubt_goes_on(tmp_path: Any) -> None:
    """It is read as it is, and forked; whoever writes there adds what it lacks."""
    (tmp_path / "fork").mkdir()
    begun = Ledger(tmp_path / "ledger.sqlite")
    reserve(begun, "a")
    settle(begun, "a")
    begun.close()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        for name in ("reserved_tokens", "doubt_tokens"):
            db.execute(f"ALTER TABLE calls DROP COLUMN {name}")
    with closing(Ledger(tmp_path / "ledger.sqlite", reader=True)) as reader:
        assert reader.totals().answered == 1
        assert len(list(reader.calls())) == 1
    inherit(tmp_path, tmp_path / "fork")
    assert list(Ledger(tmp_path / "fork/ledger.sqlite").lookup(["a"])) == ["a"]
    with closing(Ledger(tmp_path / "ledger.sqlite", caps=Caps(tokens=100))) as again:
        assert list(again.lookup(["a"])) == ["a"]
        reserve(again, "b")
        with pytest.raises(BudgetExceededError, match="100 tokens used"):
            reserve(again, "c")


def test_what_does_not_fit_waits_for_what_is_under_way() -> None:
    """A patient call gets the room that another gives back; with nothing under way it is refused."""
    ledger, stop = Ledger(":memory:", budget_usd=0.3), threading.Event()
    reserve(ledger, "a")
    waiting = threading.Thread(target=reserve, args=(ledger, "b"), kwargs={"stop": stop}, daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    settle(ledger, "a", usd=0.01)
    waiting.join(5)
    assert not waiting.is_alive()
    settle(ledger, "b", usd=0.1)
    with pytest.raises(BudgetExceededError):
        reserve(ledger, "c", stop=stop)


def test_a_call_that_waited_is_not_sent_after_the_stop() -> None:
    """Room that comes when the batch has ended is not taken: nothing is held, nothing is paid."""
    ledger, stop, met = Ledger(":memory:", budget_usd=0.3), threading.Event(), list[str]()
    reserve(ledger, "a")

    def patient() -> None:
        try:
            reserve(ledger, "b", stop=stop)
            met.append("sent")
        except StoppedError:
            met.append("stopped")

    waiting = threading.Thread(target=patient, daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert waiting.is_alive()
    stop.set()
    settle(ledger, "a", usd=0.01)
    waiting.join(5)
    assert met == ["stopped"]
    assert (ledger.totals().calls, ledger.spent_usd) == (1, pytest.approx(0.01))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (
            "usd",
            r"the 14 calls left in this stage would take about \$42.0000, so set it to 60 or more and run the same",
        ),
        ("calls", "would take about 28 calls, so set it to 46 or more"),
        ("tokens", "would take about 140 tokens, so set it to 158 or more"),
        ("hours", r"would take about 7.00 hours, so set it to 28 or more"),
    ],
)
def test_what_it_takes_to_finish_is_said(kind: str, said: str) -> None:
    """The sentence tells what is left at the mean so far, and the cap that it takes."""
    error = CapReachedError("", kind, 25, 18.0, 10.0).to_finish(14, Used(usd=3.0, calls=2, tokens=10, hours=0.5))
    assert isinstance(error, BudgetExceededError)
    with pytest.raises(BudgetExceededError, match=said):
        raise error


@pytest.mark.parametrize(
    ("planned", "said"),
    [
        (Used(usd=99.5), r"take about \$42.0000, and the plan has .* at about \$99.5000, so set it to 99.5 or more"),
        (Used(usd=59), r"take about \$42.0000, so set it to 60 or more"),
    ],
)
def test_the_plan_says_what_the_whole_campaign_takes(planned: Used, said: str) -> None:
    """Where the plan has more than the stage needs, the cap to set is the plan's."""
    error = CapReachedError("", "usd", 25, 18.0, 10.0).to_finish(14, Used(usd=3.0)).as_planned(planned)
    with pytest.raises(BudgetExceededError, match=said):
        raise error


def test_how_to_end_with_what_is_there_is_said() -> None:
    """Where rounds are decided; it stands behind what the plan says."""
    error = CapReachedError("", "usd", 25, 18.0, 10.0).as_planned(Used(usd=60))
    assert str(error.or_ended(2)) == f"{error}, or end with what is decided by campaign.rounds = 2"
    assert error.or_ended(0) is error


def test_the_hours_of_a_plan_are_said_where_no_call_was_about_to_be_made() -> None:
    """The student's own work stops at a cap on hours; a role's cap is not the campaign's."""
    with pytest.raises(
        CapReachedError, match=r"the plan has the whole campaign at about 3.25 hours, so set it to 3.25"
    ):
        raise CapReachedError("", "hours", 1, 1.0, 0.0).as_planned(Used(hours=3.25))
    of_role = CapReachedError("judge", "usd", 1, 1.0, 0.5)
    assert of_role.as_planned(Used(usd=9)) is of_role


def test_the_settings_reach_the_ledger() -> None:
    """Caps of `[campaign]` are the ledger's; they and prices may change on the same folder, the rest of a role may not."""
    ledger = Ledger.of(":memory:", CampaignConfig(budget_usd=5, max_calls=1, max_tokens=500, max_hours=2))
    reserve(ledger, "a")
    with pytest.raises(BudgetExceededError, match=r"campaign.max_calls = 1"):
        reserve(ledger, "b")
    old = make_config({"campaign": {"max_calls": 1}, "teacher": {"answer": {"budget_usd": 1}}})
    new = make_config({"campaign": {"max_calls": 9, "in_doubt": "stop"}, "teacher": {"answer": {"budget_usd": 2}}})
    other = make_config({"campaign": {"max_calls": 9}, "teacher": {"answer": {"model": "openai/x"}}})
    assert changed(old, new) == []
    assert changed(old, make_config({**old.model_dump(), "teacher": PRICED})) == []
    assert changed(old, other) == ["teacher.answer.model: None -> 'openai/x'"]

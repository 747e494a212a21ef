from __future__ import annotations

import threading
from pathlib import Path

import pytest

from selfimprove.errors import BudgetExceededError, RunFolderError
from selfimprove.ledger import Journaled, Ledger, Reservation, Settlement
from selfimprove.records import Completion, Message, Request, Sampling


def request(text: str = "hello", **rest: object) -> Request:
    return Request.model_validate({"role": "solve", "messages": (Message(role="user", content=text),), **rest})


class Counting:
    """A model that answers with the prompt and counts."""

    identity = "counting"

    def __init__(self) -> None:
        self.asked = 0

    def complete(self, requests: list[Request]) -> list[Completion]:
        self.asked += len(requests)
        return [Completion(text=r.messages[-1].content.upper(), completion_tokens=1) for r in requests]


def reserve(ledger: Ledger, key: str, usd: float) -> None:
    ledger.reserve([Reservation(key, request(), "m", "teacher", usd)])


def test_answered_request_is_not_made_again(tmp_path: Path) -> None:
    """A second process finds the answer of the first."""
    first = Counting()
    Journaled(first, Ledger(tmp_path / "l.sqlite")).complete([request("a"), request("b")])
    second = Counting()
    found = Journaled(second, Ledger(tmp_path / "l.sqlite")).complete([request("b"), request("a"), request("c")])
    assert [c.text for c in found] == ["B", "A", "C"]
    assert (first.asked, second.asked) == (2, 1)


def test_same_prompt_with_another_sample_is_another_call(tmp_path: Path) -> None:
    """Samples of one prompt are not collapsed into one."""
    model = Counting()
    Journaled(model, Ledger(tmp_path / "l.sqlite")).complete([request(sample=i) for i in range(4)])
    assert model.asked == 4


@pytest.mark.parametrize(
    "other",
    [
        {"role": "ask"},
        {"sampling": Sampling(temperature=0.5)},
        {"sampling": Sampling(max_tokens=3)},
        {"sampling": Sampling(stop=("\n",))},
        {"sample": 1},
        {"attempt": 1},
        {"seed": 1},
        {"messages": (Message(role="system", content="hello"),)},
    ],
)
def test_key_names_all_that_decides_an_answer(other: dict[str, object]) -> None:
    """Any change of what is asked, or of who is asked, is another key; the problem's id is not asked."""
    assert request(**other).key("m") != request().key("m")
    assert request().key("m") != request().key("n")
    assert request(problem="x").key("m") == request().key("m")


def test_nothing_is_sent_over_the_budget(tmp_path: Path) -> None:
    """A reservation that could go over the cap is refused whole, and leaves no row."""
    ledger = Ledger(tmp_path / "l.sqlite", budget_usd=1.0)
    reserve(ledger, "a", 0.6)
    with pytest.raises(BudgetExceededError, match=r"\$0.4000 of \$1.00"):
        reserve(ledger, "b", 0.5)
    assert ledger.totals().calls == 1


def test_settling_gives_back_what_was_not_used(tmp_path: Path) -> None:
    """After a cheap answer, what was reserved beyond its cost can be spent."""
    ledger = Ledger(tmp_path / "l.sqlite", budget_usd=1.0)
    reserve(ledger, "a", 0.9)
    ledger.settle([Settlement("a", Completion(text="x", usd=0.1))])
    reserve(ledger, "b", 0.9)
    assert ledger.spent_usd == pytest.approx(1.0)


def test_call_in_flight_at_a_crash_stays_counted(tmp_path: Path) -> None:
    """What was reserved and never settled is in doubt after a restart, and counts against the budget."""
    reserve(Ledger(tmp_path / "l.sqlite", budget_usd=1.0), "a", 0.7)
    again = Ledger(tmp_path / "l.sqlite", budget_usd=1.0)
    assert (again.totals().in_doubt, again.totals().held_usd) == (1, 0.7)
    with pytest.raises(BudgetExceededError):
        reserve(again, "b", 0.4)


def test_reader_changes_nothing(tmp_path: Path) -> None:
    """Looking at a running campaign's ledger leaves its reservations alone."""
    writer = Ledger(tmp_path / "l.sqlite")
    reserve(writer, "a", 0.7)
    assert Ledger(tmp_path / "l.sqlite", reader=True).totals().in_doubt == 0
    assert writer.totals().held_usd == 0.7


def test_failed_call_is_asked_again(tmp_path: Path) -> None:
    """A failure is kept for the record, and never found as an answer."""
    ledger = Ledger(tmp_path / "l.sqlite")
    reserve(ledger, "a", 0.1)
    ledger.settle([Settlement("a", Completion(text="", finish_reason="error", error="no answer"))])
    assert ledger.lookup(["a"]) == {}
    assert ledger.totals().failed == 1


def test_spending_under_concurrency_keeps_to_the_cap(tmp_path: Path) -> None:
    """Many threads reserving and settling at once never go over."""
    ledger = Ledger(tmp_path / "l.sqlite", budget_usd=1.0)
    refused = []

    def spend(name: str) -> None:
        for i in range(20):
            try:
                reserve(ledger, f"{name}-{i}", 0.05)
            except BudgetExceededError:
                refused.append(name)
                continue
            ledger.settle([Settlement(f"{name}-{i}", Completion(text="x", usd=0.03))])

    threads = [threading.Thread(target=spend, args=(str(t),)) for t in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused
    assert ledger.totals().usd <= 1.0
    assert ledger.totals().usd > 0.9


def test_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    """A damaged ledger is one sentence."""
    (tmp_path / "l.sqlite").write_bytes(b"not a database at all, " * 100)
    with pytest.raises(RunFolderError, match="not a readable ledger"):
        Ledger(tmp_path / "l.sqlite")

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_calls import Counting, request, reserve

from selfimprove.errors import BudgetExceededError
from selfimprove.ledger import Journaled, Ledger, Reservation, Settlement, stage_of_calls
from selfimprove.records import Completion, Message, Request, Sampling


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
    with pytest.raises(BudgetExceededError, match=r"budget_usd = 1 is reached: \$0.6000"):
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
    assert (again.totals().in_doubt, again.totals().unresolved, again.totals().held_usd) == (1, 1, 0.7)
    with pytest.raises(BudgetExceededError):
        reserve(again, "b", 0.4)


def test_doubtful_call_asked_again_is_resolved_and_may_have_cost_twice(tmp_path: Path) -> None:
    """By the policy `retry` the call is made again; what the first one may have cost stays counted."""
    reserve(Ledger(tmp_path / "l.sqlite", budget_usd=1.0), "a", 0.3)
    again = Ledger(tmp_path / "l.sqlite", budget_usd=1.0)
    reserve(again, "a", 0.3)
    assert again.spent_usd == pytest.approx(0.6)
    again.settle([Settlement("a", Completion(text="x", usd=0.1))])
    totals = again.totals()
    assert (totals.in_doubt, totals.unresolved, totals.answered, totals.retries) == (1, 0, 1, 1)
    assert again.spent_usd == pytest.approx(0.4)


def test_doubtful_call_is_not_asked_again_when_told_to_stop(tmp_path: Path) -> None:
    """By the policy `stop` it is refused with what it may have cost; one that was free is not."""
    first = Ledger(tmp_path / "l.sqlite")
    reserve(first, "paid", 0.3)
    reserve(first, "free", 0.0)
    again = Ledger(tmp_path / "l.sqlite", in_doubt="stop")
    reserve(again, "free", 0.0)
    with pytest.raises(BudgetExceededError, match=r"1 call\(s\) .* billed \$0.3000.*campaign.in_doubt"):
        reserve(again, "paid", 0.3)
    assert again.totals().unresolved == 1


def test_a_student_killed_in_a_batch_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    """A student's calls are free: a batch that was not finished leaves no rows, and is made again whole."""

    class Dying(Counting):
        def complete(self, requests: list[Request]) -> list[Completion]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Journaled(Dying(), Ledger(tmp_path / "l.sqlite")).complete([request("a"), request("b")])
    again = Ledger(tmp_path / "l.sqlite")
    assert (again.totals().calls, again.totals().in_doubt) == (0, 0)


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


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("rsfdc"), st.integers(0, 5), st.floats(0, 0.5)), max_size=40))
def test_whatever_happens_the_cap_is_kept(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, float]]
) -> None:
    """Reserving, settling, failing, doubting and crashing in any order: never over the cap, and memory equals file."""
    path = tmp_path_factory.mktemp("property") / "l.sqlite"
    ledger, held = Ledger(path, budget_usd=1.0), {}
    for what, number, usd in steps:
        key = str(number)
        if what == "r" and key not in held:
            try:
                reserve(ledger, key, usd)
                held[key] = usd
            except BudgetExceededError:
                pass
        elif what == "c":
            ledger.close()
            ledger, held = Ledger(path, budget_usd=1.0), {}
        elif key in held:
            worst = held.pop(key)
            real = min(usd, worst)
            made = Completion(
                text="", usd=real if what == "s" else 0.0, finish_reason="stop" if what == "s" else "error"
            )
            ledger.settle([Settlement(key, made, doubt_usd=worst if what == "d" else 0.0)])
        assert ledger.spent_usd <= 1.0 + 1e-9
        assert ledger.spent_usd == pytest.approx(ledger.totals().usd + ledger.totals().held_usd, abs=1e-5)
    ledger.close()


def test_hits_are_counted_where_they_are_used(tmp_path: Path) -> None:
    """A request answered from the ledger is a hit of the round and stage that asked, in a later process too."""
    ledger = Ledger(tmp_path / "l.sqlite")
    Journaled(Counting(), ledger).complete([request("a"), request("b")])
    ledger.close()
    ledger = Ledger(tmp_path / "l.sqlite")
    with ledger.span("round-02"):
        token = stage_of_calls.set("mine")
        Journaled(Counting(), ledger).complete([request("a"), request("b"), request("a")])
        stage_of_calls.reset(token)
    ledger.close()
    rows = Ledger(tmp_path / "l.sqlite", reader=True).groups(["round", "stage"])
    assert [(row["round"], row["stage"], row["calls"], row["hits"]) for row in rows] == [
        (0, "", 2, 0),
        (2, "mine", 0, 3),
    ]


def test_groups_add_up_by_any_name() -> None:
    """Calls, tokens, dollars, retries and latencies are totalled by role, model, round and stage."""
    ledger = Ledger(":memory:")
    for at in range(20):
        role = "answer" if at < 10 else "reason"
        ledger.reserve([Reservation(str(at), request(), "m", role, 0.1)])
        said = Completion(text="x", usd=0.01, prompt_tokens=5, completion_tokens=2, model="one" if at % 2 else "two")
        ledger.settle([Settlement(str(at), said, float(at + 1))])
    rows = ledger.groups(["role"])
    assert [(r["role"], r["calls"], r["prompt_tokens"], r["completion_tokens"]) for r in rows] == [
        ("answer", 10, 50, 20),
        ("reason", 10, 50, 20),
    ]
    assert [(r["p50_s"], r["p95_s"]) for r in rows] == [(5.0, 10.0), (15.0, 20.0)]
    assert {r["model"]: r["calls"] for r in ledger.groups(["model"])} == {"one": 10, "two": 10}
    (whole,) = ledger.groups([])
    assert (whole["calls"], whole["usd"], whole["p95_s"]) == (20, pytest.approx(0.2), 19.0)


def test_failures_are_listed_with_their_reasons() -> None:
    """Failed calls are counted by reason, the most frequent first."""
    ledger = Ledger(":memory:")
    for key, why in (("a", "no answer"), ("b", "too slow"), ("c", "too slow")):
        reserve(ledger, key, 0.0)
        ledger.settle([Settlement(key, Completion(text="", finish_reason="error", error=why, model="m"))])
    assert [(f["reason"], f["calls"]) for f in ledger.failures()] == [("too slow", 2), ("no answer", 1)]

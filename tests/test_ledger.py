from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfimprove.errors import BudgetExceededError, InputError, RunFolderError
from selfimprove.ledger import Caps, Journaled, Ledger, Reservation, Settlement, stage_of_calls
from selfimprove.ledger.refused import gone_if_empty
from selfimprove.records import Completion, Message, Request, Sampling
from selfimprove.store import RunFolder


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
    ledger.reserve([Reservation(key, request(), "m", "reason", usd)])


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


def test_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    """A damaged ledger is one sentence."""
    (tmp_path / "l.sqlite").write_bytes(b"not a database at all, " * 100)
    with pytest.raises(RunFolderError, match="not a readable ledger"):
        Ledger(tmp_path / "l.sqlite")


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


def test_writes_that_arrive_together_share_a_transaction(tmp_path: Path) -> None:
    """While one thread writes, the others' rows gather, and the next one to come takes them all along."""
    ledger = Ledger(tmp_path / "l.sqlite")
    file, begun = ledger._file, []
    file._db.set_trace_callback(lambda sql: begun.append(sql) if sql.startswith("BEGIN") else None)
    with file._turn:
        threads = [threading.Thread(target=reserve, args=(ledger, str(t), 0.1)) for t in range(16)]
        for thread in threads:
            thread.start()
        while len(file._waiting) < 16:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert len(begun) == 1
    assert ledger.totals().calls == 16


def test_interrupted_write_is_taken_along_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer whose writing is broken off by Ctrl-C is written with the next."""
    ledger = Ledger(tmp_path / "l.sqlite")
    reserve(ledger, "a", 0.1)

    class Breaking:
        def __init__(self, db: object) -> None:
            self.db = db

        def execute(self, sql: str) -> object:
            if sql == "COMMIT":
                monkeypatch.setattr(ledger._file, "_db", self.db)
                raise KeyboardInterrupt
            return self.db.execute(sql)  # type: ignore[attr-defined]

        def executemany(self, sql: str, rows: object) -> object:
            return self.db.executemany(sql, rows)  # type: ignore[attr-defined]

    monkeypatch.setattr(ledger._file, "_db", Breaking(ledger._file._db))
    with pytest.raises(KeyboardInterrupt):
        ledger.settle([Settlement("a", Completion(text="paid for", usd=0.05))])
    reserve(ledger, "b", 0.1)
    assert ledger.lookup(["a"])["a"].text == "paid for"


def test_full_disk_is_one_sentence_and_holds_nothing(tmp_path: Path) -> None:
    """Where the file cannot grow, the call is not sent and its reservation is given back."""
    ledger = Ledger(tmp_path / "l.sqlite")
    pages = ledger._file._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._file._db.execute(f"PRAGMA max_page_count={pages}")
    many = [Reservation(str(at), request(), "m" * 999, "reason", 0.01) for at in range(200)]
    with pytest.raises(RunFolderError, match=r"cannot be written .*full"):
        ledger.reserve(many)
    assert (ledger.spent_usd, ledger.totals().calls) == (pytest.approx(0.0), 0)


def test_ledger_of_another_version_is_refused(tmp_path: Path) -> None:
    """A file that another version wrote is refused with both numbers, by writers and readers."""
    ledger = Ledger(tmp_path / "l.sqlite")
    ledger._file._db.execute("PRAGMA user_version=1")
    ledger.close()
    for reader in (False, True):
        with pytest.raises(RunFolderError, match="another version"):
            Ledger(tmp_path / "l.sqlite", reader=reader)


def test_damaged_ledger_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    """Pages that are overwritten are found before anything is built on them."""
    ledger = Ledger(tmp_path / "l.sqlite")
    Journaled(Counting(), ledger).complete([request(str(i) * 50) for i in range(400)])
    ledger.close()
    data = bytearray((tmp_path / "l.sqlite").read_bytes())
    data[8192 : len(data) - 4096] = b"\xa5" * (len(data) - 12288)
    (tmp_path / "l.sqlite").write_bytes(data)
    with pytest.raises(RunFolderError, match="not a readable ledger"):
        Ledger(tmp_path / "l.sqlite")


def test_a_campaigns_ledger_has_one_writer(tmp_path: Path) -> None:
    """A command that is given the ledger of a running campaign is refused, and the campaign while that runs."""
    folder, path = RunFolder(tmp_path), tmp_path / "ledger.sqlite"
    with pytest.raises(RunFolderError, match=f"ledger.sqlite is in use by process {os.getpid()}"):
        Ledger(path, alone=True)
    folder.close()
    ledger = Ledger(path, alone=True)
    with pytest.raises(RunFolderError, match="in use by process"):
        RunFolder(tmp_path)
    ledger.close()
    RunFolder(tmp_path).close()


def test_a_clock_that_is_set_back_takes_no_time_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A span is as long as it lasted."""
    ledger, clock = Ledger(":memory:"), iter([5000.0, 1000.0, 1000.0])
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: next(clock))
        with ledger.span("campaign"):
            pass
    assert 0 <= ledger.spans()["campaign"] < 60


def test_hours_count_over_all_processes(tmp_path: Path) -> None:
    """Time that earlier processes ran counts, up to the last sign of life where one was killed."""
    ledger = Ledger(tmp_path / "l.sqlite")
    spans = [
        ("campaign", 1000.0, 2800.0),
        ("campaign", 5000.0, None),
        ("mine", 5000.0, 6800.0),
        ("campaign", 9000.0, 9000.0),
    ]
    ledger._file.write("INSERT INTO spans VALUES (?,?,?)", spans)
    ledger.close()
    Ledger(tmp_path / "l.sqlite", caps=Caps(hours=1.01)).check_hours()
    over = Ledger(tmp_path / "l.sqlite", caps=Caps(hours=0.99))
    with pytest.raises(BudgetExceededError, match=r"campaign.max_hours = 0.99 is reached: 1.00 hours gone; raise it"):
        Journaled(Counting(), over).complete([request()])


def test_what_a_killed_process_had_open_counts_up_to_its_last_deed() -> None:
    """A round and a stage that were begun again took both their times; what runs now took its time so far."""
    ledger = Ledger(":memory:")
    spans = [
        ("campaign", 1000.0, None),
        ("round-01", 1010.0, None),
        ("mine", 1020.0, 1100.0),
        ("train track_b", 1110.0, None),
        ("campaign", 5000.0, None),
        ("round-01", 5000.0, 5300.0),
        ("train track_b", 5000.0, 5200.0),
        ("round-02", 5300.0, None),
        ("mine", 5310.0, 5350.0),
    ]
    ledger._file.write("INSERT INTO spans VALUES (?,?,?)", spans)
    assert ledger.seconds("campaign") == 110 + 350
    assert ledger.seconds("round-01") == 100 + 300
    assert ledger.seconds("train track_b") == 200
    assert ledger.seconds("round-02") == 50
    assert ledger.seconds("mine") == 80 + 40


def test_a_ledger_without_calls_goes_with_a_refusal_unless_it_was_there(tmp_path: Path) -> None:
    """So does its lock, and the folder that was made for it; an older ledger stays as it is."""
    path = tmp_path / "runs" / "compile" / "ledger.sqlite"
    with pytest.raises(InputError, match="no"), gone_if_empty(path), closing(Ledger(path, alone=True)):
        raise InputError("no")
    assert not any(tmp_path.iterdir())
    path.parent.mkdir(parents=True)
    Ledger(path).close()
    with pytest.raises(InputError, match="no"), gone_if_empty(path), closing(Ledger(path, alone=True)):
        raise InputError("no")
    assert path.is_file()

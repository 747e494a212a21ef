"""A server that misbehaves in every known way, one at a time and then all at once by a seed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from fake_server import MISBEHAVIOURS, FakeServer, Reply, serving
from fault_run import fault_run

from selfimprove.errors import TeacherError
from selfimprove.ledger import Ledger
from selfimprove.records import Message, Request, Sampling
from selfimprove.teachers import asking, replies
from selfimprove.teachers.breaker import Breaker
from selfimprove.teachers.gate import Gates, Limits
from selfimprove.teachers.litellm import LiteLLMModel

SAID = (Message(role="user", content="What is 2 + 2?"),)
REQUESTS = [
    Request(role="reason", messages=SAID, sampling=Sampling(temperature=0.5, max_tokens=10), sample=i)
    for i in range(40)
]
PAIR = ("openai/first", "openai/second")


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_FIRST_WAIT_S", 0.01)


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """Let LiteLLM import what it imports at its first call, so that no test's short timeout meets it."""
    with serving() as server:
        build(server, Ledger(":memory:"), timeout_s=300.0).complete(REQUESTS[:1])


def build(
    server: FakeServer, ledger: Ledger, models: tuple[str, ...] = PAIR, limits: Limits | None = None, **how: Any
) -> LiteLLMModel:
    """Give a model of that server at a dollar a token."""
    settings = {"retries": 1, "timeout_s": 20.0, "input_price": 0.0, "output_price": 1e6, **how}
    return LiteLLMModel("reason", models, ledger, base_url=server.url, gates=Gates(limits or Limits(4)), **settings)


@pytest.mark.parametrize("name", list(MISBEHAVIOURS))
def test_each_has_its_outcome(name: str) -> None:
    """What is written beside a misbehaviour is what becomes of it, in tries, answer and money."""
    expected = MISBEHAVIOURS[name]
    replies = iter([expected.reply, *[Reply()] * 5])
    ledger = Ledger(":memory:", budget_usd=100.0)
    waits = name in {"hang", "drip"}
    with serving(lambda _: next(replies)) as server:
        asked = build(server, ledger, timeout_s=2.0 if waits else 20.0)
        (found,) = asked.complete(REQUESTS[:1])
        models = {"again": ["first", "first"], "fallback": ["first", "second"]}.get(expected.outcome, ["first"])
        assert server.models() == models
        asked.complete(REQUESTS[:2])
        assert server.models() == [*models, "second" if expected.outcome == "fallback" else "first"]
        assert set(server.answered.values()) == {2} or set(server.answered.values()) == {1}
    assert (found.text, found.error) == ("Answer: 4", "")
    assert found.finish_reason == ("length" if expected.outcome == "cut off" else "stop")
    assert ledger.totals().held_usd == (10.0 if expected.doubtful else 0.0)
    assert ledger.spent_usd >= 3.0 * len(server.answered)


@pytest.mark.parametrize(
    "reply", [Reply("nice \ud83d"), Reply("4", reasoning="nice \ud83d"), Reply("<think>\ud83d</think>")]
)
def test_half_a_character_is_an_answer(reply: Reply, tmp_path: Path) -> None:
    """An emoji cut in its JSON escape is read, kept, and found again."""
    with serving(reply) as server:
        for _ in range(2):
            (found,) = build(server, Ledger(tmp_path / "ledger.sqlite")).complete(REQUESTS[:1])
            assert "?" in found.text + found.reasoning
        assert server.calls == 1


def test_a_reply_that_cannot_be_read_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reading one raises fails that call alone, and its worst cost stays counted."""
    ledger = Ledger(":memory:", budget_usd=100.0)
    monkeypatch.setattr(replies, "split_thinking", lambda content: content.no_such_thing)
    with serving() as server:
        (found,) = build(server, ledger, ("openai/first",), retries=0).complete(REQUESTS[:1])
    assert (found.finish_reason, ledger.totals().failed, ledger.totals().held_usd) == ("error", 1, 10.0)
    assert "no_such_thing" in found.error


def test_every_call_ends_in_a_row_and_none_is_paid_twice(tmp_path: Path) -> None:
    """Three in ten calls go wrong: all end, none answered is asked again, and the budget is kept through a stop."""
    made = fault_run(200, tmp_path / "ledger.sqlite", timeout_s=6.0)
    assert sum(made.faults.values()) > 40
    assert made.answered + made.failed == made.calls
    assert (made.lost, made.repeated) == (0, 0)
    assert all(made.reasons)
    assert 0 < made.stopped_usd <= made.first_cap_usd
    assert made.billed_usd <= made.spent_usd <= made.cap_usd


def test_requests_keep_to_the_rate() -> None:
    """No more requests a minute leave than are allowed, beyond one burst."""
    with serving() as server:
        limits = Limits(8, requests_per_minute=120)
        build(server, Ledger(":memory:"), limits=limits).complete(REQUESTS[:15])
        assert server.at[14] - server.at[0] >= 2.0


def test_concurrency_falls_on_429() -> None:
    """Calls under way are fewer after refusals, and every call is answered in the end."""
    turn = iter(range(10_000))
    with serving(lambda _: Reply(status=429) if next(turn) < 8 else Reply(delay_s=0.02)) as server:
        asked = build(server, Ledger(":memory:"), limits=Limits(8), retries=5)
        found = asked.complete(REQUESTS[:12])
        (gate,) = {asked._asking.gates[d.identity] for d in asked.deployments[:1]}
        assert [c.text for c in found] == ["Answer: 4"] * 12
        assert gate.throttle.limit < 8


def test_an_open_circuit_sends_calls_to_the_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment that only fails is asked a few times; the rest of the batch goes elsewhere at once."""
    with serving(lambda body: Reply(status=500) if body["model"] == "first" else Reply()) as server:
        asked = build(server, Ledger(":memory:"), retries=0)
        asked._asking.gates["openai/first" + f"@{server.url}"].breaker = Breaker(faults=3, pause_s=60.0)
        assert [c.text for c in asked.complete(REQUESTS)] == ["Answer: 4"] * 40
        assert server.models().count("first") <= 3 + 4


def test_an_outage_stops_the_batch_and_ends_with_a_probe() -> None:
    """When all circuits are open the work stops with the reason; a later call is a probe, and all goes on."""
    ledger = Ledger(":memory:")
    with serving(Reply(status=503, error="closed for repairs")) as server:
        asked = build(server, ledger, ("openai/first",))
        (gate,) = asked._asking.gates.values()
        gate.breaker = Breaker(faults=3, pause_s=0.05)
        with pytest.raises(TeacherError, match="closed for repairs"):
            asked.complete(REQUESTS)
        assert server.calls < 40
        server.script = lambda _: Reply("open again")
        assert [c.text for c in asked.complete(REQUESTS[:3])] == ["open again"] * 3


def test_too_much_is_tried_beyond_the_retries() -> None:
    """A rate limit is no fault of the call: with no fallback it is asked again until it passes, with one it goes there."""
    replies = iter([*[Reply(status=429)] * 6, *[Reply("at last")] * 9])
    with serving(lambda _: next(replies)) as server:
        (found,) = build(server, Ledger(":memory:"), ("openai/first",), retries=1).complete(REQUESTS[:1])
        assert (found.text, server.calls) == ("at last", 7)
    with serving(lambda body: Reply(status=429) if body["model"] == "first" else Reply()) as server:
        build(server, Ledger(":memory:"), retries=1).complete(REQUESTS[:1])
        assert server.models() == ["first", "first", "second"]


def test_a_call_has_a_deadline_over_all_its_tries() -> None:
    """However many tries are left, the call ends when its time is over: a failure where others were answered."""
    slow = REQUESTS[0].model_copy(update={"messages": (Message(role="user", content="slow"),)})
    ledger = Ledger(":memory:")
    too_much = Reply(status=429, headers={"Retry-After": "0.3"}, error="too much")
    with serving(lambda body: too_much if body["messages"][0]["content"] == "slow" else Reply()) as server:
        asked = build(server, ledger, retries=100, deadline_s=6.0)
        started = time.monotonic()
        found = asked.complete([slow, *REQUESTS[:3]])
        assert time.monotonic() - started < 60
    assert [c.finish_reason for c in found] == ["error", "stop", "stop", "stop"]
    assert "too much" in found[0].error
    assert ledger.totals().failed == 1


def test_a_teacher_that_only_refuses_stops_the_batch() -> None:
    """Where nothing at all is answered in a call's whole time, or it is told to come back in an hour, the work stops."""
    ledger = Ledger(":memory:")
    for wait in ("0.2", "3600"):
        with serving(Reply(status=429, headers={"Retry-After": wait}, error="quota of today")) as server:
            asked = build(server, ledger, deadline_s=1.5)
            with pytest.raises(TeacherError, match=r"cannot be asked for now.*quota of today.*run the same command"):
                asked.complete(REQUESTS)
            assert ledger.totals().calls < 20


def test_a_wait_that_is_too_long_is_a_fallback() -> None:
    """A provider that asks for an hour is left for the next one, and not asked again meanwhile."""
    with serving(
        lambda body: Reply(status=429, headers={"Retry-After": "3600"}) if body["model"] == "first" else Reply()
    ) as server:
        asked = build(server, Ledger(":memory:"), limits=Limits(1), retries=5)
        assert [c.text for c in asked.complete(REQUESTS[:5])] == ["Answer: 4"] * 5
        assert server.models().count("first") == 1

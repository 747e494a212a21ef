"""LiteLLM models whose server fails, on this machine: fallbacks, retries, quotas, deaths, and what they cost."""

from __future__ import annotations

import time

import pytest
from fake_server import Reply, serving
from served_model import DOLLAR_A_TOKEN, by_model, model, requests, texts

from selfimprove.errors import BudgetExceededError, TeacherError
from selfimprove.ledger import Caps, Ledger
from selfimprove.teachers import asking
from selfimprove.teachers.faults import fault_of


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_FIRST_WAIT_S", 0.01)


def test_spend_stays_under_the_cap_with_faults() -> None:
    """Whatever fails, is retried or falls back, what was billed never exceeds the cap."""
    turn = iter(range(10_000))
    script = [Reply(), Reply(status=500), Reply(completion_tokens=10), Reply(status=429), Reply(completion_tokens=1)]
    ledger = Ledger(":memory:", budget_usd=60.0)
    with serving(lambda _: script[next(turn) % len(script)]) as server:
        asked = model(server, ledger, ["openai/first", "openai/second"], concurrency=8, **DOLLAR_A_TOKEN)
        with pytest.raises(BudgetExceededError):
            asked.complete(requests(200))
    assert 40.0 < ledger.totals().usd <= 60.0
    assert ledger.totals().held_usd == 0.0


def test_a_fallback_answers_and_is_found_again() -> None:
    """After the first model's tries the next one answers; later its answer is found under the same key."""
    ledger = Ledger(":memory:")
    with serving(by_model(first=Reply(status=500), second=Reply("from the second"))) as server:
        pair = ["openai/first", "openai/second"]
        (found,) = model(server, ledger, pair).complete(requests())
        assert server.models() == ["first", "first", "second"]
        assert texts(model(server, ledger, pair).complete(requests())) == ["from the second"]
        assert server.calls == 3
    assert found.model == f"openai/second@{server.url}"


@pytest.mark.parametrize(("status", "sent"), [(500, 3), (503, 3), (400, 1), (422, 1)])
def test_retries_are_bounded(status: int, sent: int) -> None:
    """Passing faults are tried `retries` times more, a bad request never; either ends as an error with its reason."""
    ledger = Ledger(":memory:")
    with serving(Reply(status=status, error="out of order")) as server:
        (found,) = model(server, ledger, retries=2).complete(requests())
        assert server.calls == sent
    assert found.finish_reason == "error"
    assert "out of order" in found.error
    assert "\n" not in found.error
    assert (ledger.totals().failed, ledger.totals().answered) == (1, 0)


def test_retry_after_is_obeyed() -> None:
    """The wait that a server asks for is kept."""
    replies = iter([Reply(status=429, headers={"Retry-After": "1"}), Reply()])
    with serving(lambda _: next(replies)) as server:
        assert texts(model(server, Ledger(":memory:")).complete(requests())) == ["Answer: 4"]
        assert server.at[1] - server.at[0] >= 1.0


def test_a_call_that_hangs_counts_at_its_worst() -> None:
    """After `timeout_s` a call is given up; it may have been billed, so its worst cost stays spent."""
    ledger = Ledger(":memory:", budget_usd=100.0)
    with serving(Reply(delay_s=2.0)) as server:
        started = time.monotonic()
        asked = model(server, ledger, timeout_s=0.3, **DOLLAR_A_TOKEN)
        (found,) = asked.complete(requests())
        assert time.monotonic() - started < 2.0
        assert server.calls == 2
    assert found.finish_reason == "error"
    assert (ledger.totals().usd, ledger.spent_usd) == (0.0, 20.0)


@pytest.mark.parametrize("status", [504, 524])
def test_a_gateway_that_waited_too_long_counts_at_its_worst(status: int) -> None:
    """What stands behind it may have done the work, and bill it."""
    ledger = Ledger(":memory:", budget_usd=100.0)
    with serving(Reply(status=status)) as server:
        model(server, ledger, retries=0, **DOLLAR_A_TOKEN).complete(requests())
    assert (ledger.totals().usd, ledger.spent_usd) == (0.0, 10.0)


def test_tokens_of_calls_that_broke_off_reach_their_cap() -> None:
    """Two calls that gave no answer use up what two calls may take."""
    with serving(Reply(status=524)) as server:
        most = model(server, Ledger(":memory:")).deployments[0].worst(requests()[0])[1]
        ledger = Ledger(":memory:", caps=Caps(tokens=2 * most))
        with pytest.raises(BudgetExceededError, match="max_tokens"):
            model(server, ledger, retries=0, concurrency=1).complete(requests(5))
        assert server.calls == 2


@pytest.mark.parametrize(
    "dead",
    [
        Reply(status=401),
        Reply(status=402),
        Reply(status=403),
        Reply(status=404),
        Reply(status=429, error="see your plan and billing details", code="insufficient_quota"),
        Reply(status=429, error="You exceeded your current quota, see your plan"),
        Reply(status=400, error="Your credit balance is too low to access the API"),
        Reply(status=400, error="API key not valid. Please pass a valid API key."),
    ],
)
def test_a_dead_deployment_is_not_asked_twice(dead: Reply) -> None:
    """A wrong key, an empty account or an unknown name is met once; the fallback does the work."""
    with serving(by_model(first=dead, second=Reply("ok"))) as server:
        asked = model(server, Ledger(":memory:"), ["openai/first", "openai/second"], concurrency=1)
        assert texts(asked.complete(requests(5))) == ["ok"] * 5
        assert server.models().count("first") == 1


QUOTA = "You exceeded your current quota, please check your plan and billing details."


def test_a_minutes_quota_passes() -> None:
    """Gemini's limit a minute speaks of quota and billing as an empty account does: it is waited for as it asks."""
    replies = iter([Reply(status=429, error=f"{QUOTA} Please retry in 1.01s."), Reply("ok")])
    with serving(lambda _: next(replies)) as server:
        assert texts(model(server, Ledger(":memory:")).complete(requests())) == ["ok"]
        assert server.at[1] - server.at[0] >= 1.0


@pytest.mark.parametrize(
    ("status", "told", "kind", "wait_s"),
    [
        (429, f'{QUOTA}", "details": [{{"@type": "google.rpc.RetryInfo", "retryDelay": "2s"}}]', "passing", 2.0),
        (429, f"{QUOTA} Please retry in 1m2s.", "passing", None),
        (429, QUOTA, "deployment", None),
        (400, f"{QUOTA} Please retry in 2.01s.", "deployment", 2.01),
    ],
)
def test_a_quota_that_passes_says_when(status: int, told: str, kind: str, wait_s: float | None) -> None:
    """Only a rate limit that names a delay passes, in whichever of Gemini's two forms."""

    class ToldError(Exception):
        status_code = status

    fault = fault_of(ToldError(told), "m", ())
    assert (fault.kind, fault.wait_s, fault.limited) == (kind, wait_s, kind == "passing")


def test_a_moderated_request_is_one_that_failed() -> None:
    """A provider that refuses a text with 403 goes on with the others."""
    moderated = Reply(status=403, error="the input was flagged by moderation")
    with serving(moderated) as server:
        made = model(server, Ledger(":memory:"), concurrency=1).complete(requests(3))
        assert [c.finish_reason for c in made] == ["error"] * 3
        assert server.calls == 3


def test_with_no_deployment_left_the_work_stops() -> None:
    """When nothing can ever answer, the batch stops with the reason, and goes on once that is mended."""
    ledger = Ledger(":memory:")
    with serving(Reply(status=401, error="no such key")) as server:
        with pytest.raises(TeacherError, match="no such key"):
            model(server, ledger, concurrency=1).complete(requests(50))
        assert server.calls == 1
        server.script = lambda _: Reply("mended")
        assert texts(model(server, ledger).complete(requests(2))) == ["mended"] * 2

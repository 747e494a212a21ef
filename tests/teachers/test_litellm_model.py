"""LiteLLM models against a real server on this machine: journal, budget, concurrency, keys."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from fake_server import Reply, serving
from served_model import DOLLAR_A_TOKEN, model, requests, texts

from selfimprove import progress
from selfimprove.config import TeacherConfig
from selfimprove.errors import BudgetExceededError, InputError, TeacherError
from selfimprove.ledger import Ledger, stage_of_calls
from selfimprove.teachers import asking, load_model
from selfimprove.teachers.deployment import at
from selfimprove.teachers.litellm import LiteLLMModel
from selfimprove.teachers.replies import split_thinking

MARKER = "marker-key-5d1f0c2a"
REMOTE = "http://models.example/v1"


@pytest.fixture(autouse=True)
def _quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_FIRST_WAIT_S", 0.01)


def test_answers_and_tokens_are_recorded() -> None:
    """What the server says, with its token counts, is in the completion and in the ledger."""
    ledger = Ledger(":memory:")
    with serving(Reply("four", prompt_tokens=11, completion_tokens=5)) as server:
        (found,) = model(server, ledger).complete(requests())
    assert (found.text, found.finish_reason, found.prompt_tokens, found.completion_tokens) == ("four", "stop", 11, 5)
    assert found.model == f"openai/first@{server.url}"
    totals = ledger.totals()
    assert (totals.answered, totals.prompt_tokens, totals.completion_tokens, totals.teacher_calls) == (1, 11, 5, 1)


def test_the_second_run_sends_nothing(tmp_path: Path) -> None:
    """Answered calls are found in the ledger's file by another process's model."""
    with serving() as server:
        first = model(server, Ledger(tmp_path / "ledger.sqlite")).complete(requests(5))
        again = model(server, Ledger(tmp_path / "ledger.sqlite")).complete(requests(5))
        assert server.calls == 5
    assert again == first


def test_samples_of_one_prompt_are_calls_of_their_own() -> None:
    """The same messages with another sample index are asked again; the very same request is not."""
    with serving() as server:
        found = model(server, Ledger(":memory:")).complete([*requests(4), *requests(4)])
        assert server.calls == 4
        assert [body["seed"] for body in server.bodies] == [0] * 4
    assert [c.sample for c in found] == [0, 1, 2, 3] * 2


def test_truncation_is_told() -> None:
    """An answer cut off by the token limit is one, and its limit was sent."""
    with serving(Reply(finish_reason="length")) as server:
        (found,) = model(server, Ledger(":memory:")).complete(requests())
        assert server.bodies[0]["max_tokens"] == 10
    assert found.finish_reason == "length"


def test_reasoning_beside_the_completion_is_billed() -> None:
    """Tokens that only the total has are counted as written, and paid for."""
    with serving(Reply(prompt_tokens=10, completion_tokens=5, hidden_tokens=1000)) as server:
        (found,) = model(server, Ledger(":memory:"), **DOLLAR_A_TOKEN).complete(requests())
    assert (found.prompt_tokens, found.completion_tokens, found.usd) == (10, 1005, pytest.approx(1005))


def test_missing_usage_is_counted() -> None:
    """A server that says no token counts is still booked with some."""
    with serving(Reply("a few words here", usage=False)) as server:
        (found,) = model(server, Ledger(":memory:"), **DOLLAR_A_TOKEN).complete(requests())
    assert found.prompt_tokens > 0
    assert found.completion_tokens > 0
    assert found.usd == pytest.approx(found.completion_tokens)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_budget_stops_before_sending(concurrency: int) -> None:
    """No call is sent that could go over; a higher cap goes on with the rest only."""
    ledger = Ledger(":memory:", budget_usd=25.0)
    with serving() as server:  # a call may cost $10 and costs $3: six fit, then 18 + 10 > 25
        asked = model(server, ledger, concurrency=concurrency, **DOLLAR_A_TOKEN)
        with pytest.raises(BudgetExceededError, match="budget_usd"):
            asked.complete(requests(20))
        assert server.calls == 6
        assert (ledger.totals().usd, ledger.totals().held_usd) == (18.0, 0.0)
        ledger.cap_dollars(100.0, "campaign.budget_usd")
        assert len(asked.complete(requests(20))) == 20
        assert server.calls == 20


def test_concurrency_is_bounded_over_threads() -> None:
    """Two batches at once share the model's slots, and use them."""
    with serving(Reply(delay_s=0.1)) as server:
        asked = model(server, Ledger(":memory:"), concurrency=3)
        halves = [requests(8)[:4], requests(8)[4:]]
        workers = [threading.Thread(target=asked.complete, args=(half,)) for half in halves]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert server.calls == 8
        assert 2 <= server.most_in_flight <= 3


def test_calls_are_booked_under_the_stage() -> None:
    """The ledger's stage reaches the pool's threads."""
    ledger = Ledger(":memory:")
    token = stage_of_calls.set("answer questions")
    with serving() as server:
        model(server, ledger).complete(requests(2))
    stage_of_calls.reset(token)
    assert [row["stage"] for row in ledger.by_stage()] == ["answer questions"]


def test_a_key_is_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider that echoes the key in its error puts it neither into the ledger nor into a message."""
    monkeypatch.setenv("MY_TEACHER", MARKER)
    with serving(Reply(status=400, error=f"refused {MARKER}, header Bearer {MARKER}")) as server:
        config = TeacherConfig(model="openai/first", base_url=server.url, api_key_env="MY_TEACHER", retries=0)
        asked = load_model(config, "answer", Ledger(tmp_path / "ledger.sqlite"))
        (found,) = asked.complete(requests())
        server.script = lambda _: Reply(status=401, error=f"wrong key {MARKER}")
        with pytest.raises(TeacherError) as raised:
            asked.complete(requests(2))
        assert set(server.keys) == {f"Bearer {MARKER}"}
    said = f"{found!r} {raised.value} {asked.deployments!r} {asked.identity}"
    assert "refused ***" in found.error
    assert MARKER not in said
    assert all(MARKER.encode() not in path.read_bytes() for path in tmp_path.iterdir())


def test_the_usual_key_is_not_sent_to_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on this machine does not get the key meant for the provider whose protocol it speaks."""
    monkeypatch.setenv("OPENAI_API_KEY", MARKER)
    with serving() as server:
        model(server, Ledger(":memory:")).complete(requests())
        assert MARKER not in server.keys[0]


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment does not stand between the library and a server beside it."""
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with serving(Reply("direct")) as server:
        assert texts(model(server, Ledger(":memory:"), retries=0).complete(requests())) == ["direct"]


class Impatient(progress.Nobody):
    """Somebody who presses Ctrl-C when the first call is done."""

    def advance(self, done: int = 1, tokens: int = 0) -> None:
        """Interrupt."""
        raise KeyboardInterrupt


def test_an_interrupt_loses_no_answer() -> None:
    """What is in flight settles, nothing else is sent, and the next run asks only for the rest."""
    ledger = Ledger(":memory:")
    with serving(Reply(delay_s=0.05)) as server:
        asked = model(server, ledger, concurrency=3)
        with progress.watched_by(Impatient()), pytest.raises(KeyboardInterrupt):
            asked.complete(requests(30))
        sent = server.calls
        assert sent < 12
        assert (ledger.totals().answered, ledger.totals().held_usd) == (sent, 0.0)
        asked.complete(requests(30))
        assert server.calls == 30


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key nothing is made, and the sentence names the variable."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("NOT_THERE", raising=False)
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        LiteLLMModel("answer", ["openai/gpt-4o"], Ledger(":memory:"))
    with pytest.raises(InputError, match="NOT_THERE"):
        load_model(TeacherConfig(model="openai/gpt-4o", api_key_env="NOT_THERE"), "reason", Ledger(":memory:"))


def test_an_unknown_price_is_asked_for() -> None:
    """A model with no listed price elsewhere than on this machine needs one, in both parts."""
    how: dict[str, Any] = {"base_url": REMOTE, "api_key": MARKER}
    with pytest.raises(InputError, match=r"input_price.*output_price"):
        LiteLLMModel("answer", ["openai/my-own"], Ledger(":memory:"), **how)
    with pytest.raises(InputError, match="output_price"):
        LiteLLMModel("answer", ["openai/my-own"], Ledger(":memory:"), input_price=1.0, **how)
    made = LiteLLMModel("answer", ["openai/my-own"], Ledger(":memory:"), input_price=0, output_price=0, **how)
    assert made.deployments[0].worst(requests()[0])[0] == 0.0


def test_listed_prices_are_reserved_with_the_whole_limit() -> None:
    """A listed model reserves its prompt and `max_tokens` in full."""
    made = LiteLLMModel("answer", ["openai/gpt-4o"], Ledger(":memory:"), api_key=MARKER)
    worst = made.deployments[0].worst(requests()[0])[0]
    assert 10 * 1e-5 < worst < 10 * 1e-5 + 40 * 2.5e-6


def test_an_unreachable_server_is_told_by_check() -> None:
    """Nothing listening at the address is one sentence before any work."""
    with serving() as server:
        asked = model(server, Ledger(":memory:"))
        asked.check()
    with pytest.raises(InputError, match="cannot be reached"):
        asked.check()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"parameters": {"max_tokens": 9}}, "max_tokens"),
        ({"base_url": "127.0.0.1:8000"}, "http"),
        ({"models": ["nobody/model"]}, "openai/nobody/model"),
    ],
)
def test_what_cannot_work_is_refused(how: dict[str, Any], said: str) -> None:
    """Settings that would break the budget or the call stop at the door."""
    settings: dict[str, Any] = {"models": ["openai/x"], "base_url": "http://127.0.0.1:9/v1", **how}
    with pytest.raises(InputError, match=said):
        LiteLLMModel("answer", settings.pop("models"), Ledger(":memory:"), **settings)


def test_thinking_is_parted_from_the_answer() -> None:
    """Hidden reasoning, in its own field or in tags, is kept apart and its tokens are counted."""
    replies = iter([Reply("Answer: 4", reasoning="two and two"), Reply("<think>two and two</think>\nAnswer: 4")])
    with serving(lambda _: next(replies)) as server:
        found = model(server, Ledger(":memory:"), concurrency=1).complete(requests(2))
    assert texts(found) == ["Answer: 4"] * 2
    assert [c.reasoning for c in found] == ["two and two"] * 2
    assert found[0].completion_tokens == 3


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("plain  ", ("plain  ", "")),
        ("opened before</think>4", ("4", "opened before")),
        ("<think>cut off", ("", "cut off")),
        ("<think>a</think>b<think>c</think>d", ("bd", "a\nc")),
        ("the tag <think> is a word here", ("the tag <think> is a word here", "")),
    ],
)
def test_think_tags(content: str, parts: tuple[str, str]) -> None:
    """Tags may lack their beginning (it stood in the prompt) or their end (it was cut off)."""
    assert split_thinking(content) == parts


def test_address_hides_its_password() -> None:
    """User and password of an address are in no identity."""
    assert at("https://me:secret@host/v1/?k=1") == "@https://host/v1"


def test_mock_response_needs_no_key_and_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """LiteLLM's mock answers, at the listed price."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    ledger = Ledger(":memory:", budget_usd=1.0)
    mocked = LiteLLMModel("answer", ["openai/gpt-4o"], ledger, parameters={"mock_response": "Answer: 4"})
    assert texts(mocked.complete(requests(3))) == ["Answer: 4"] * 3
    assert 0 < ledger.totals().usd < 0.01


def test_a_custom_provider_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler registered with LiteLLM is reached by its name, told its price; what it raises is an error."""
    import litellm

    class Mine(litellm.CustomLLM):  # type: ignore[misc, name-defined]
        def completion(self, *_: Any, **given: Any) -> Any:
            if given["model"] == "broken":
                raise ValueError("broken inside")
            given["model_response"].choices[0].message.content = f"said by {given['model']}"
            return given["model_response"]

    handlers = [{"provider": "mine", "custom_handler": Mine()}]
    monkeypatch.setattr(litellm, "custom_provider_map", handlers)
    free = {"input_price": 0.0, "output_price": 0.0, "retries": 1}
    asked = LiteLLMModel("answer", ["mine/x"], Ledger(":memory:"), **free)
    (found,) = asked.complete(requests())
    assert (found.text, found.completion_tokens > 0) == ("said by x", True)
    (failed,) = LiteLLMModel("answer", ["mine/broken"], Ledger(":memory:"), **free).complete(requests())
    assert "broken inside" in failed.error

"""What a listed model's call costs at most, beside its tokens, and models of which nobody can say it."""

from __future__ import annotations

from typing import Any

import pytest

from selfimprove.config import TeacherConfig
from selfimprove.errors import BudgetExceededError, InputError
from selfimprove.ledger import Ledger
from selfimprove.records import Message, Request, Sampling
from selfimprove.teachers import price_of
from selfimprove.teachers.litellm import LiteLLMModel
from selfimprove.teachers.prices import listed_price

MOCKED: dict[str, Any] = {"api_key": "marker-key", "parameters": {"mock_response": "Answer: 4"}}


def requests(count: int) -> list[Request]:
    """Give samples of one prompt."""
    said, drawn = (Message(role="user", content="What is 2 + 2?"),), Sampling(temperature=0.5, max_tokens=10)
    return [Request(role="answer", messages=said, sampling=drawn, problem="p", sample=i) for i in range(count)]


@pytest.mark.parametrize(
    ("model", "fee"),
    [
        ("openai/gpt-4o-search-preview", 0.025),
        ("openai/gpt-5-search-api", 0.01),
        ("perplexity/sonar-pro", 0.014),
        ("perplexity/sonar-small-online", 0.005),
    ],
)
def test_a_search_is_held_and_billed(model: str, fee: float) -> None:
    """A model that searches costs its dearest search a call, before it is sent and after, so the budget holds."""
    ledger = Ledger(":memory:", budget_usd=3.5 * fee)
    with pytest.raises(BudgetExceededError):
        LiteLLMModel("answer", [model], ledger, **MOCKED).complete(requests(9))
    assert ledger.totals().answered == 3
    assert 3 * fee < ledger.spent_usd <= 3.5 * fee


def test_a_search_that_was_asked_for_is_held() -> None:
    """Other models search only where their parameters say so."""
    plain = listed_price("openai/gpt-5", {})
    asked = listed_price("openai/gpt-5", {"tools": [{"type": "web_search"}]})
    assert plain is not None
    assert asked is not None
    assert (plain.call_usd, asked.call_usd) == (0.0, 0.01)


def test_the_plan_knows_the_dearest_call() -> None:
    """A fallback's fee counts where it is the highest, for each call of a plan."""
    price = price_of(TeacherConfig(model="openai/gpt-4o", fallbacks=("openai/gpt-4o-search-preview",)))
    assert price.call_usd == 0.025
    assert price.of(1000, 100, calls=4) == pytest.approx(0.1 + 1000 * price.input_usd + 100 * price.output_usd)


def test_a_model_that_searches_without_end_has_no_known_price() -> None:
    """Deep research makes as many searches as it likes, each with a fee."""
    with pytest.raises(InputError, match="no known price"):
        LiteLLMModel("answer", ["perplexity/sonar-deep-research"], Ledger(":memory:"), **MOCKED)


@pytest.mark.parametrize("model", ["v0/v0-1.5-md", "morph/morph-v3-fast"])
def test_a_model_whose_reply_has_no_limit_is_refused(model: str) -> None:
    """Where LiteLLM drops `max_tokens`, what was held would be no worst cost."""
    with pytest.raises(InputError, match="takes no limit on the tokens it writes"):
        LiteLLMModel("answer", [model], Ledger(":memory:"), **MOCKED)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            {},
            r"^the model \"openai/my-own\" needs a key: set the environment variable OPENAI_API_KEY \(a configuration",
        ),
        (
            {"api_key": "marker-key"},
            r"^the model \"openai/my-own\" has no known price.*, or --input-price and --output-price",
        ),
        ({"api_key": "marker-key", "input_price": 1.0}, r"^output_price \(--output-price\) is not set"),
    ],
)
def test_what_is_lacking_is_named_for_settings_and_options(
    how: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command has no `[teacher]`: a sentence names the option beside the setting, and no setting as the only way."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InputError, match=said) as refused:
        LiteLLMModel("answer", ["openai/my-own"], Ledger(":memory:"), **how)
    assert "teacher" not in str(refused.value)

"""Models behind a server on this machine, for tests: what is asked, and of whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from fake_server import FakeServer, Reply

from selfimprove.ledger import Ledger
from selfimprove.records import Completion, Message, Request, Sampling
from selfimprove.teachers.gate import Gates, Limits
from selfimprove.teachers.litellm import LiteLLMModel

DOLLAR_A_TOKEN: Final = {"input_price": 0.0, "output_price": 1e6}


def requests(count: int = 1, **changes: Any) -> list[Request]:
    """Give samples of one prompt."""
    said = (Message(role="user", content="What is 2 + 2?"),)
    drawn = Sampling(temperature=0.5, max_tokens=10)
    return [
        Request(role="answer", messages=said, sampling=drawn, problem="p", sample=i, **changes) for i in range(count)
    ]


def model(server: FakeServer, ledger: Ledger, models: Sequence[str] = ("openai/first",), **how: Any) -> LiteLLMModel:
    """Give a model of that server."""
    gates = Gates(Limits(how.pop("concurrency", 4)))
    settings = {"base_url": server.url, "gates": gates, "retries": 1, "timeout_s": 5.0, **how}
    return LiteLLMModel("answer", models, ledger, **settings)


def by_model(**replies: Reply) -> Any:
    """Script a server by the name of the model that is asked."""
    return lambda body: replies[body["model"]]


def texts(completions: Sequence[Completion]) -> list[str]:
    """Give the texts."""
    return [completion.text for completion in completions]

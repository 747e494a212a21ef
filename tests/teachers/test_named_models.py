"""A model that a command names by its address."""

from __future__ import annotations

import pytest
from fake_server import Reply, serving

from selfimprove.ledger import Ledger
from selfimprove.records import Message, Request, Sampling
from selfimprove.teachers import asking, named
from selfimprove.teachers.named import model_named

ASKED = Request(role="label", messages=(Message(role="user", content="2 + 2?"),), sampling=Sampling(max_tokens=10))


@pytest.mark.parametrize(("wait_s", "ends"), [(20.0, "stop"), (0.2, "error")])
def test_a_server_of_ones_own_is_waited_for_longer(monkeypatch: pytest.MonkeyPatch, wait_s: float, ends: str) -> None:
    """It may be slow: its own longest wait holds, not that of a provider."""
    monkeypatch.setattr(named, "_HOSTED_S", 0.2)
    monkeypatch.setattr(named, "SERVED_S", wait_s)
    monkeypatch.setattr(asking, "_FIRST_WAIT_S", 0.01)
    with serving(Reply(delay_s=1.0)) as server:
        (found,) = model_named(f"own@{server.url}", Ledger(":memory:")).complete([ASKED])
    assert found.finish_reason == ends

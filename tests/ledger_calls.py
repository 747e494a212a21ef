"""Calls of a ledger, for tests."""

from __future__ import annotations

from selfimprove.ledger import Ledger, Reservation
from selfimprove.records import Completion, Message, Request


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

"""A language model that says what a test scripts, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from selfimprove.records import Completion, Request


class ScriptedModel:
    """Answers each request by a function of it; a completion is given as it is, a text is wrapped."""

    identity = "scripted"

    def __init__(self, script: Callable[[Request], str | Completion]) -> None:
        self.script = script
        self.asked: list[Request] = []

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order."""
        self.asked += requests
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Completion:
        said = self.script(request)
        made = said if isinstance(said, Completion) else Completion(text=said)
        update = {"sample": request.sample, "sampling": request.sampling, "model": "scripted"}
        return made.model_copy(update={**update, "call": request.key("scripted")})

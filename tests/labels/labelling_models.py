"""A model that knows the right labels, and says them in many ways."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from selfimprove.labels.outline import WORDS
from selfimprove.records import Completion, Problem, Request

Say = Callable[[str, str, Request], str]
"""Dimension, right name and request to the line that is said."""


def asked_of(request: Request) -> list[str]:
    """Give the dimensions that a request asks for."""
    lines = request.messages[-1].content.split("Asked:\n")[1].split("\n\n")[0].splitlines()
    words = [line.partition(":")[0] for line in lines]
    return [name for name, word in WORDS.items() if word in words]


def plainly(dimension: str, name: str, _: Request) -> str:
    return f"{WORDS[dimension]}: {name} | 0.9"


class Knowing:
    """Answers every request about a problem by its right labels. Satisfies `LanguageModel`."""

    def __init__(self, right: Mapping[str, Mapping[str, str]], say: Say = plainly, identity: str = "knowing") -> None:
        self.right, self.say, self.identity = right, say, identity
        self.asked: list[Request] = []

    @classmethod
    def of(cls, problems: Sequence[Problem], say: Say = plainly, identity: str = "knowing") -> Knowing:
        """Know the labels that problems carry."""
        return cls({problem.id: problem.labels for problem in problems}, say, identity)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order."""
        self.asked += requests
        return [self.one(request) for request in requests]

    def one(self, request: Request) -> Completion:
        labels = self.right[request.problem]
        lines = [self.say(name, labels[name], request) for name in asked_of(request)]
        skill = "It takes one step.\nLabels:\n" if request.role == "check_label" else ""
        return Completion(text=skill + "\n".join(lines), call=request.key(self.identity))


def outline_of(request: Request) -> list[str]:
    """Give the names that a request's outline shows."""
    found = re.search(r"Outline:\n(.*?)\n\n", request.messages[-1].content, re.DOTALL)
    return [line.strip(" -") for line in found[1].splitlines()] if found else []

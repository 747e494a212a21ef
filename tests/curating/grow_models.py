"""Scripted models named in a TOML file: they work out sums, and make mistakes that follow from the problem's text alone."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from random import Random
from typing import ClassVar

from selfimprove.records import Completion, Request

_SUM = re.compile(r"What is (\d+) ([+*]) (\d+)\?")
_OPTIONS = re.compile(r"^[A-J]\. (.+)$", re.MULTILINE)


def right(text: str) -> str:
    """Work a question out; with options, give the letter."""
    a, sign, b = _SUM.search(text).groups()  # type: ignore[union-attr]
    value = str(int(a) + int(b) if sign == "+" else int(a) * int(b))
    options = _OPTIONS.findall(text)
    return "ABCDEFGHIJ"[options.index(value)] if options else value


class Base:
    identity = "scripted"

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        pause = float(os.environ.get("SCRIPTED_PAUSE_S", "0"))
        time.sleep(pause)
        return [Completion(text=self.one(r), completion_tokens=9, model=self.identity) for r in requests]

    def one(self, request: Request) -> str:
        raise NotImplementedError


class Writer(Base):
    """Writes new sums of the kind that is asked for; every sixth answer is wrong, every ninth of the other kind."""

    identity = "scripted/writer"

    def one(self, request: Request) -> str:
        told = request.messages[-1].content
        rng = Random(f"{told} {request.sample}")
        wanted = "*" if "products" in told.split("\n\n")[0] else "+"
        count = int(found[1]) if (found := re.search(r"Count:\n(\d+)", told)) else 1
        return "\n\n".join(self.problem(rng, wanted, choices="Multiple choice" in told) for _ in range(count))

    def problem(self, rng: Random, sign: str, *, choices: bool) -> str:
        luck = rng.random()
        sign = {"+": "*", "*": "+"}[sign] if luck > 0.9 else sign
        question = f"What is {rng.randrange(2, 999)} {sign} {rng.randrange(2, 999)}?"
        value = int(right(question))
        options = [value + step for step in rng.sample([0, 1, 2, 10], 4)]
        if choices:
            question += "".join(f"\n{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
        answer = right(question)
        if luck < 0.15:
            answer = {"A": "B"}.get(answer, "A") if choices else str(value + 1)
        return f"Problem: {question}\nAnswer: {answer}"


class Solver(Base):
    """Solves sums, wrong in one of eight; finds their kind, wrong in one of thirty."""

    identity = "scripted/solver"

    def one(self, request: Request) -> str:
        told = request.messages[-1].content
        rng = Random(f"{self.identity} {request.role} {request.problem} {request.sample}")
        if request.role == "check_label":
            kind = "products" if " * " in told else "sums"
            if rng.random() < 1 / 30:
                kind = "products" if kind == "sums" else "sums"
            return f"It takes a sum.\nLabels:\nsub-type: {kind} | 0.9"
        answer = right(told)
        if rng.random() < 1 / 8:
            answer = {"A": "C"}.get(answer, "A") if answer in "ABCD" else str(int(answer) + rng.choice((1, 7)))
        return f"{'Work. ' * rng.randrange(1, 9)}\nAnswer: {answer}"


class Cheap(Solver):
    identity = "scripted/cheap"


class OtherWriter(Writer):
    identity = "scripted/other writer"


class OtherSolver(Solver):
    identity = "scripted/other solver"


class Told(Solver):
    """Keeps what it is told: role, instruction, and what is asked."""

    identity = "scripted/told"
    heard: ClassVar[list[tuple[str, str, str]]] = []

    def one(self, request: Request) -> str:
        self.heard.append((request.role, request.messages[0].content, request.messages[-1].content))
        return super().one(request)


class Silent(Base):
    identity = "scripted/silent"

    def one(self, request: Request) -> str:
        return "I would rather not."


def never(_: object) -> bool:
    """Check that finds every answer wrong."""
    return False


FIRST = ["ann", "bob", "cleo", "dan", "eve", "fay", "gus", "hal", "ida", "jon"]
LAST = [
    "ash",
    "birch",
    "cedar",
    "dill",
    "elm",
    "fir",
    "gorse",
    "holly",
    "iris",
    "kale",
    "lime",
    "maple",
    "nettle",
    "oak",
    "pine",
    "quince",
    "rose",
    "sage",
    "thyme",
    "yew",
]


class Teller(Writer):
    """Puts the same sums into the mouths of people."""

    identity = "scripted/teller"

    def problem(self, rng: Random, sign: str, *, choices: bool) -> str:
        who = f"{rng.choice(FIRST)} {rng.choice(LAST)}".title()
        return super().problem(rng, sign, choices=choices).replace("Problem: ", f"Problem: {who} asks: ")


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Point the same way for one last name, at right angles for others, and nowhere for none."""
    return [[float(name in text.lower().split()) for name in LAST] for text in texts]

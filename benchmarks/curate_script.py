"""A scripted world for bench-curate and its tests, and the truth about every problem that is written in it.

A generator makes mistakes at known rates, solvers and checkers of labels are wrong at known rates.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final, NamedTuple

from curate_families import Draw

from selfimprove.records import Completion, Problem, Request

_KIND: Final = re.compile(r"^Kind:\n(.*)$", re.MULTILINE)
_COUNT: Final = re.compile(r"^Count:\n(\d+|one)", re.MULTILINE)
_EXAMPLE: Final = re.compile(
    r"^Example:\nProblem: (.*?)\nAnswer: (.*?)\n\n(?:More examples|Form):", re.MULTILINE | re.DOTALL
)
_INTEGER: Final = re.compile(r"-?\d+")
_FAR: Final = 10_000_000


class Rates(NamedTuple):
    """Shares of a generator's problems that are bad, by what is bad; one reply in a hundred is empty."""

    wrong: float = 0.12
    copied: float = 0.04
    reworded: float = 0.04
    strayed: float = 0.05
    leaked: float = 0.01
    malformed: float = 0.02


class Truth(NamedTuple):
    """What is so about a problem that was written."""

    family: str
    answer: str
    """The right one."""
    stated: str
    mistake: str
    """Empty: it is good."""
    ordered: str
    """The family that it was written for."""


@dataclass
class World:
    """All that scripted models know.

    Attributes:
        families: draws by name.
        is_test: says which questions are held out.
        sub_types: how the taxonomy calls the families' level.
        truth: by question, the first time it was written.
        seconds: that the scripts themselves took.
    """

    families: Mapping[str, Draw]
    is_test: Callable[[str], bool]
    rates: Rates = field(default_factory=Rates)
    truth: dict[str, Truth] = field(default_factory=dict)
    seconds: float = 0.0
    planted: int = 0

    def seeds(self, name: str, count: int, label: Callable[[str], Mapping[str, str]]) -> list[Problem]:
        """Draw seeds of a family, none of them held out."""
        found: dict[str, Problem] = {}
        rng = Random(f"seeds {name}")
        while len(found) < count:
            question, answer = self.families[name](rng.randrange(_FAR))
            if not self.is_test(question):
                found[question] = Problem.of(question, answer, labels=dict(label(name)))
                self.truth.setdefault(question, Truth(name, answer, answer, "", name))
        return list(found.values())

    def held_out(self, name: str, count: int) -> list[tuple[str, str]]:
        """Draw test problems of a family: question and answer."""
        found: dict[str, str] = {}
        rng = Random(f"test {name}")
        for _ in range(100 * count):
            question, answer = self.families[name](rng.randrange(_FAR))
            if self.is_test(question):
                found[question] = answer
            if len(found) == count:
                break
        return list(found.items())

    def other_answer(self, name: str, right: str, rng: Random) -> str:
        """Give an answer that is wrong, and looks like one."""
        if _INTEGER.fullmatch(right):
            return str(int(right) + rng.choice((-10, -2, -1, 1, 2, 10)))
        while (other := self.families[name](rng.randrange(_FAR))[1]) == right:
            pass
        return other


@dataclass
class Writer:
    """The generator. Satisfies `LanguageModel`."""

    world: World
    tests: Mapping[str, Sequence[tuple[str, str]]]
    identity: str = "scripted/writer"

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Write every order."""
        started = time.perf_counter()
        made = [
            Completion(text=self._reply(request), completion_tokens=50, model=self.identity) for request in requests
        ]
        self.world.seconds += time.perf_counter() - started
        return made

    def _reply(self, request: Request) -> str:
        told = request.messages[-1].content
        name = _KIND.search(told)[1].split(" > ")[-1]  # type: ignore[index]
        count, example = _COUNT.search(told)[1], _EXAMPLE.search(told)  # type: ignore[index]
        rng = Random(f"{name} {request.problem} {request.sample} {request.attempt}")
        if rng.random() < 0.01 or example is None:
            return "I cannot help with that."
        return "\n\n".join(
            self._one(name, (example[1], example[2]), rng) for _ in range(1 if count == "one" else int(count))
        )

    def _one(self, name: str, example: tuple[str, str], rng: Random) -> str:
        world, rates, luck = self.world, self.world.rates, rng.random()
        mistake = ""
        for kind, share in rates._asdict().items():
            if luck < share:
                mistake = kind
                break
            luck -= share
        family = name
        if mistake == "strayed":
            family = rng.choice([other for other in world.families if other != name])
        question, answer = example if mistake in {"copied", "reworded"} else self._fresh(family, rng)
        if mistake == "reworded":
            question = rng.choice((f"Please: {question}", f"{question} Thank you.", question.upper()))
        if mistake == "leaked" and self.tests[name]:
            question, answer = rng.choice(self.tests[name])
        stated = world.other_answer(family, answer, rng) if mistake == "wrong" else answer
        if mistake == "malformed":
            return f"Problem: {question}\nThe answer is {answer}, I think."
        world.truth.setdefault(question, Truth(family, answer, stated, mistake, name))
        return f"Problem: {question}\nSolution: It follows.\nAnswer: {stated}"

    def _fresh(self, name: str, rng: Random) -> tuple[str, str]:
        while self.world.is_test((drawn := self.world.families[name](rng.randrange(_FAR)))[0]):
            pass
        return drawn


@dataclass
class Solver:
    """A solver: wrong on some samples, and then half of the time as the generator was. Satisfies `LanguageModel`."""

    world: World
    identity: str
    wrong: float = 0.2
    agrees: float = 0.5
    sub_type: str = "sub-type"
    mislabels: float = 0.05

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Solve, or check a label."""
        started = time.perf_counter()
        made = [
            Completion(
                text=self._check(r) if r.role == "check_label" else self._solve(r),
                completion_tokens=20,
                model=self.identity,
            )
            for r in requests
        ]
        self.world.seconds += time.perf_counter() - started
        return made

    def _solve(self, request: Request) -> str:
        question = _asked(request)
        truth = self.world.truth[question]
        rng = Random(f"{self.identity} {request.problem} {request.sample}")
        answer = truth.answer
        if rng.random() < self.wrong:
            answer = truth.stated if rng.random() < self.agrees and truth.stated != truth.answer else ""
            while answer in {"", truth.answer} or (answer == truth.stated and truth.mistake != "wrong"):
                answer = self.world.other_answer(truth.family, truth.answer, rng)
        return f"Step by step.\nAnswer: {answer}"

    def _check(self, request: Request) -> str:
        question = _asked(request).partition("Problem:\n")[2]
        question = question.partition("\n\nComplaint:")[0].partition("\n\nAsked:")[0]
        rng = Random(f"label {self.identity} {request.problem} {request.sample}")
        family = self.world.truth[question].family
        if rng.random() < self.mislabels:
            family = rng.choice([other for other in self.world.families if other != family])
        return f"It takes care.\nLabels:\n{self.sub_type}: {family} | 0.9"


def _asked(request: Request) -> str:
    """Give what was asked first: a complaint about a reply comes behind it."""
    return next(message.content for message in request.messages if message.role == "user")

"""Replies that answer the original question are found, and the others let through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pytest
from giveaway_cases import HELD_OUT, LOOKED_AT, Case

from selfimprove.answers.giveaway import content_words, gives_away
from selfimprove.answers.kinds import Kind, kind
from selfimprove.records import Parsed, Problem, Verdict


@dataclass(frozen=True)
class KindTask:
    """A task that is nothing but its kind of answer."""

    of: Kind
    name = "cases"

    @property
    def instruction(self) -> str:
        return self.of.instruction

    def problems(self, split: str) -> list[Problem]:
        return []

    def parse(self, text: str) -> Parsed:
        return self.of.read(text)

    def compare(self, answer: str, problem: Problem) -> Verdict:
        return self.of.compare(answer, problem)

    def conclude(self, rationale: str, answer: str) -> str:
        return self.of.conclude(rationale, answer)


class Figures(NamedTuple):
    precision: float
    recall: float
    missed: list[str]
    refused: list[str]


def measure(cases: list[Case]) -> Figures:
    said = [(c, gives_away(c.reply, c.problem, c.question, KindTask(kind(c.kind)))) for c in cases]
    right = sum(c.gives and found for c, found in said)
    missed = [f"{c.question} -> {c.reply}" for c, found in said if c.gives and not found]
    refused = [f"{c.question} -> {c.reply}" for c, found in said if found and not c.gives]
    return Figures(right / max(1, right + len(refused)), right / max(1, right + len(missed)), missed, refused)

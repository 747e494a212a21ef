"""Problems, and what a comparison of answers can find."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import Field

from selfimprove.records.base import Record, digest

Split = Literal["train", "dev", "test"]


class Verdict(StrEnum):
    """What a comparison found. The last four are *no verdict*, which is never a wrong answer."""

    CORRECT = "correct"
    WRONG = "wrong"
    TRUNCATED = "truncated"
    UNPARSEABLE = "unparseable"
    TIMEOUT = "timeout"
    ERROR = "error"

    @property
    def decided(self) -> bool:
        """True for `correct` and `wrong`."""
        return self in {Verdict.CORRECT, Verdict.WRONG}


class Problem(Record):
    """One question of a task with its reference answer."""

    id: str
    """Hash of the content, see `Problem.of`."""
    question: str
    answer: str
    """The reference answer in the task's canonical form."""
    rationale: str = ""
    """The reference chain of thought, without the final answer; empty where there is none."""
    facts: tuple[str, ...] = ()
    decomposition: tuple[str, ...] = ()
    """Sub-questions that lead to the answer."""
    context: str = ""
    choices: tuple[str, ...] = ()
    """The options of a multiple-choice question, in order; the answer is a letter."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    """Anything results are grouped by: kind, level, steps, topic."""
    canonical: str = ""
    """For procedural tasks: what makes two problems the same under reordering."""
    group: str = ""
    """What it was made from together with others, such as the seed of a grown problem: they stay in one split, and
    count as one draw where students are compared; empty: it stands alone."""

    @classmethod
    def of(cls, question: str, answer: str, **rest: object) -> Problem:
        """Build a problem whose id is the hash of its question, context, choices and answer."""
        made = cls.model_validate({"id": "", "question": question, "answer": answer, **rest})
        identity = digest(made.question, made.context, made.choices, made.answer)
        return made.model_copy(update={"id": identity})


class StepItem(Record):
    """A problem with the steps of one solution to it: what a step scorer looks at."""

    problem: Problem
    steps: tuple[str, ...]

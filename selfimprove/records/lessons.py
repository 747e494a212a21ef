"""What a student tries and a teacher says."""

from __future__ import annotations

from pydantic import Field

from selfimprove.records.base import Record
from selfimprove.records.calls import Completion
from selfimprove.records.problems import Problem, Verdict


class Parsed(Record):
    """The answer found in a text, or why there is none."""

    answer: str | None = None
    """By the lenient reading: the last thing that can be an answer."""
    strict: str | None = None
    """By the strict reading: only in the form that the task asks for."""


class Attempt(Record):
    """A student's completion for a problem, read and compared. A row of `predictions.jsonl`."""

    problem: str
    completion: Completion
    answer: str | None = None
    verdict: Verdict
    """By the lenient reading."""
    strict: Verdict
    """By the strict reading."""
    questions: tuple[str, ...] = ()
    """The clarifying questions a draft asks."""
    solution: str = ""
    """The part of the completion that was read and compared, where it holds more than that."""

    @property
    def text(self) -> str:
        """Give what was read and compared, and what may be trained on."""
        return self.solution or self.completion.text

    @property
    def cut_off(self) -> bool:
        """True when it ran out of tokens: an answer stated before that counts, but nobody should learn the rest."""
        return self.completion.finish_reason == "length"


class Question(Record):
    """A clarifying question put to a teacher."""

    problem: Problem
    text: str
    draft: str = ""
    attempt: int = 0


class Answer(Record):
    """A teacher's answer to one clarifying question."""

    text: str
    model: str = ""
    calls: tuple[str, ...] = ()
    usd: float = 0.0
    error: str = ""


class Clarification(Record):
    """One clarifying question with the answer that was let through."""

    question: str
    answer: str
    """Empty where every answer gave the solution away or none came."""
    refused: tuple[str, ...] = ()
    """Answers that gave the solution away."""
    calls: tuple[str, ...] = ()


class Rationale(Record):
    """A chain of thought that ends in a final answer."""

    text: str
    """The reasoning and the final answer, as the task writes it."""
    answer: str | None = None
    verdict: Verdict = Verdict.UNPARSEABLE
    source: str = ""
    """Who wrote it: `reference`, `self`, or a model's identity."""
    rationalised: bool = False
    """True when the writer was shown the answer."""
    calls: tuple[str, ...] = ()
    usd: float = 0.0


class Lesson(Record):
    """One pass of a problem through the clarifying loop."""

    id: str
    problem: str
    round: int
    draft: Attempt
    clarifications: tuple[Clarification, ...] = ()
    rewrites: tuple[Attempt, ...] = ()
    """One a turn, the last is the final word."""
    rationales: tuple[Rationale, ...] = ()
    lucky: bool = False
    """Whether a right answer may be luck, as yes or no can: the teacher's words then come before the student's."""

    @property
    def solved(self) -> bool:
        """True when the student's last word is correct."""
        last = self.rewrites[-1] if self.rewrites else self.draft
        return last.verdict is Verdict.CORRECT

    @property
    def settled(self) -> bool:
        """True when the teacher need not reason about it: it is solved, not by luck, and can be learned from."""
        last = self.rewrites[-1] if self.rewrites else self.draft
        return self.solved and not self.lucky and not last.cut_off


class Grade(Record):
    """How hard a problem is for this student: 0 easy to 5."""

    problem: str
    difficulty: int = Field(ge=0, le=5)
    pass_rate: float
    """Share of decided samples that are correct; the greedy attempt counted in."""
    samples: int
    by: str
    """What graded it: `pass_rate`, or a step scorer's name."""

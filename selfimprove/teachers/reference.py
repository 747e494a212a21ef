"""The teacher with no model behind it: what the data set itself knows."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from selfimprove.answers.giveaway import content_words, gives_away
from selfimprove.protocols import Task
from selfimprove.records import Answer, Problem, Question, Rationale

_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'])|\n+")
_SOURCE = "reference"


@dataclass(frozen=True)
class ReferenceTeacher:
    """Answers with the problem's own facts and reasons with its own rationale. Satisfies `Teacher`; free.

    A clarifying question gets the fact, step or line of the worked rationale that shares most with it. Words count by
    how rare they are among the problem's lines (`log(1 + lines / lines with the word)`), so that what every line speaks
    of decides little; equal lines go to the shorter, then the earlier. No line that gives the answer away is used.
    """

    task: Task

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Answer each clarifying question, with an empty text where no line has anything to do with it."""
        return [Answer(text=self._best(question), model=_SOURCE) for question in asked]

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Give the reference rationale (else the facts) of each problem, shape `[P][0 or 1]`."""
        return [self._rationales(problem) if samples else [] for problem in problems]

    def _rationales(self, problem: Problem) -> list[Rationale]:
        worked = problem.rationale.strip() or " ".join(problem.facts)
        if not worked or not problem.answer:
            return []
        text = self.task.conclude(worked, problem.answer)
        return [Rationale(text=text, answer=problem.answer, source=_SOURCE)]

    def _best(self, question: Question) -> str:
        problem = question.problem
        lines = [each for each in known_lines(problem) if not gives_away(each, problem, question.text, self.task)]
        words = [frozenset(content_words(line)) for line in lines]
        holding = Counter(word for line in words for word in line)
        wanted = frozenset(content_words(question.text))

        def shared(at: int) -> tuple[float, int, int]:
            weight = sum(math.log(1 + len(lines) / holding[word]) for word in sorted(wanted & words[at]))
            return round(weight, 9), -len(lines[at]), -at

        # A second try after a refusal takes the next best line.
        ranked = sorted((at for at in range(len(lines)) if wanted & words[at]), key=shared, reverse=True)
        return lines[ranked[question.attempt]] if question.attempt < len(ranked) else ""


def known_lines(problem: Problem) -> list[str]:
    """Give what the data set states about a problem: facts, steps that are no questions, lines of the rationale."""
    steps = [step for step in problem.decomposition if not step.rstrip().endswith("?")]
    lines = [*problem.facts, *steps, *_SENTENCE.split(problem.rationale)]
    return list(dict.fromkeys(line.strip() for line in lines if line.strip()))

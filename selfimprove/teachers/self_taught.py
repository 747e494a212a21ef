"""The student as its own teacher: its own completions, kept when verified or when most of them agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from selfimprove.programs import Item, Program, run, stated
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Answer, Completion, Problem, Question, Rationale, Sampling, Verdict
from selfimprove.teachers.litellm_teacher import ask_program, find_program, read_rationale

_RETRY_TEMPERATURE: Final = 0.7
_FEWEST_VOTES: Final = 2


class SelfTeacher:
    """A student that teaches itself. Satisfies `Teacher`; costs no money.

    Its reasoning is sampled from the `solve` program under the role `solve`, so that samples drawn when mining are
    found in the ledger. Where a problem has no reference answer, the answer that most samples share decides (Wang et
    al. 2022, arXiv:2203.11171): those rationales are `self:majority`, `correct` or `wrong` by it; no majority is no
    verdict.

    Args:
        student: what completes.
        task: reads and compares answers.
        programs: compiled programs by name; the plain one stands in for each that is missing.
        sampling: how the student reasons.
        seed: the campaign's.
        first_sample: index of the first sample, counted over the whole campaign.
    """

    def __init__(
        self,
        student: LanguageModel,
        task: Task,
        programs: Mapping[str, Program],
        sampling: Sampling,
        seed: int = 0,
        first_sample: int = 1,
    ) -> None:
        self.student, self.task, self.sampling = student, task, sampling
        self.seed, self.first_sample = seed, first_sample
        self._solve, self._answer = (find_program(name, programs, task) for name in ("solve", "answer_question"))

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Answer each clarifying question greedily, sampled where an earlier answer was refused."""
        first = self.sampling.model_copy(update={"temperature": 0.0, "top_p": 1.0})
        again = self.sampling.model_copy(update={"temperature": self.sampling.temperature or _RETRY_TEMPERATURE})
        return ask_program(self._answer, asked, self.student, first, again, seed=self.seed)

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Give the student's own sampled solutions, shape `[P][samples]`."""
        indices = range(self.first_sample, self.first_sample + samples)
        items = [Item(problem.id, {"problem": stated(problem)}, i) for problem in problems for i in indices]
        made = iter(run(self._solve, items, self.student, self.sampling, role="solve", seed=self.seed))
        return [self._mark(problem, [self._rationale(next(made)) for _ in indices]) for problem in problems]

    def _rationale(self, completion: Completion) -> Rationale:
        made = read_rationale(self.task, completion, str(self._solve.parse(completion.text)["solution"]))
        return made.model_copy(update={"source": "self"})

    def _mark(self, problem: Problem, made: list[Rationale]) -> list[Rationale]:
        if problem.answer:
            return made
        winner = majority(self.task, problem, [one.answer for one in made if one.answer is not None])
        if winner is None:
            return made
        voted = problem.model_copy(update={"answer": winner})
        return [
            one
            if one.answer is None
            else one.model_copy(update={"source": "self:majority", "verdict": self.task.compare(one.answer, voted)})
            for one in made
        ]


def majority(task: Task, problem: Problem, answers: Sequence[str]) -> str | None:
    """Give the answer most often found, None where fewer than two agree or two answers are equally frequent."""
    groups: list[list[str]] = []
    for answer in answers:
        for group in groups:
            if task.compare(answer, problem.model_copy(update={"answer": group[0]})) is Verdict.CORRECT:
                group.append(answer)
                break
        else:
            groups.append([answer])
    groups.sort(key=len, reverse=True)
    if not groups or len(groups[0]) < _FEWEST_VOTES or (len(groups) > 1 and len(groups[1]) == len(groups[0])):
        return None
    return groups[0][0]

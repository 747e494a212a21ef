"""What a question, or the answer to one, is worth: is the student right afterwards, and was nothing given away?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfimprove.answers.giveaway import gives_away
from selfimprove.programs import Complaint, Program, Read
from selfimprove.programs.cases import Case, Mark, Outputs
from selfimprove.programs.forms import read_form
from selfimprove.protocols import LanguageModel, Task, Teacher
from selfimprove.records import Attempt, Clarification, Completion, Lesson, Problem, Sampling, Verdict
from selfimprove.steps.answer import answer
from selfimprove.steps.ask import questions_in
from selfimprove.steps.rewrite import rewrite

_MOST = 2
_NOTHING = "No question was asked that ends in a question mark and stands on a line of its own."


@dataclass(frozen=True)
class Asking:
    """Gain in the rewrite's accuracy after the answers, less the share of answers that gave the solution away.

    Cases are problems whose draft was wrong, so that the gain is 1 where the rewrite is right.

    Args:
        task: reads answers.
        problems: by id.
        student: who rewrites.
        teacher: who answers; its answers are refused where they give the solution away, and asked for once more.
        rewriting: the student's program.
        sampling: of the student, greedy.
    """

    task: Task
    problems: Mapping[str, Problem]
    student: LanguageModel
    teacher: Teacher
    rewriting: Program
    sampling: Sampling
    name: str = "asking"

    def read(self, program: Program, case: Case, outputs: Outputs, reply: Completion) -> Outputs | Complaint:  # noqa: ARG002 - as `Metric`
        """Refuse what holds no question, or no answer."""
        if program.name == "ask" and not questions_in(outputs["questions"]):
            return Complaint(_NOTHING)
        return read_form(program, outputs, reply)

    def mark(self, program: Program, cases: Sequence[Case], replies: Sequence[Read[Outputs]]) -> list[Mark]:
        """Let the teacher answer and the student rewrite, all at once."""
        given = [at for at, reply in enumerate(replies) if reply.value is not None]
        values = {at: replies[at].value or {} for at in given}
        if program.name == "ask":
            told = [self._asked(at, cases[at], tuple(questions_in(values[at]["questions"]))[:_MOST]) for at in given]
            told = answer(told, self.problems, self.teacher, self.task) if told else []
        else:
            told = [self._answered(at, cases[at], str(values[at]["answer"])) for at in given]
        done = rewrite(told, self.problems, self.student, self.rewriting, self.task, self.sampling)
        marks = {int(lesson.id): self._one(cases[int(lesson.id)], lesson) for lesson in done}
        return [marks.get(at) or Mark(0.0, replies[at].complaint) for at in range(len(cases))]

    def _asked(self, at: int, case: Case, questions: tuple[str, ...]) -> Lesson:
        text = str(case.inputs.get("draft") or case.gold.get("draft", ""))
        draft = Attempt(
            problem=case.problem,
            completion=Completion(text=text),
            verdict=Verdict.WRONG,
            strict=Verdict.WRONG,
            questions=questions,
        )
        return Lesson(id=str(at), problem=case.problem, round=0, draft=draft)

    def _answered(self, at: int, case: Case, said: str) -> Lesson:
        """Give a lesson in which the case's question was answered so; an answer that gives away is left empty."""
        question = str(case.inputs["question"])
        leaks = gives_away(said, self.problems[case.problem], question, self.task)
        told = Clarification(question=question, answer="" if leaks else said, refused=(said,) if leaks else ())
        return self._asked(at, case, (question,)).model_copy(update={"clarifications": (told,)})

    def _one(self, case: Case, lesson: Lesson) -> Mark:
        told = lesson.clarifications
        leak = sum(bool(one.refused) for one in told) / len(told) if told else 0.0
        said = "; ".join(f'"{one.question}" was answered "{one.answer or "(nothing)"}"' for one in told)
        if leak:
            said += (
                f"; gave the solution away and was refused: {'; '.join(text for one in told for text in one.refused)}"
            )
        if lesson.solved:
            return Mark(1.0 - leak, f"The second attempt was right. {said}")
        wrong = (
            f"was wrong too ({lesson.rewrites[-1].answer})" if lesson.rewrites else "was not made: nothing was learned"
        )
        return Mark(-leak, f"The second attempt {wrong}. {said}. {case.reference}")

"""Was it worth asking? The reward of a completion's clarifying questions.

A question is useful when its answer, which may not give the solution away, turns a wrong draft into a right one, and
the draft does not turn right without it: a second try alone is not worth a question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from selfimprove.programs import Program
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Completion, Lesson, Problem, Verdict
from selfimprove.render import prompt_ids
from selfimprove.steps.answer import answer
from selfimprove.steps.ask import questions_in
from selfimprove.steps.rewrite import shown_to
from selfimprove.steps.verify import verify
from selfimprove.students.engine import Generated

MOST_QUESTIONS: Final = 1000
"""Put to the teacher in one training at most, where the settings say nothing."""
_A_DRAFT: Final = 2


class Worth:
    """Answers the questions of wrong drafts, lets the student rewrite, and looks.

    Args:
        teacher: answers, see `line`; any `Teacher`.
        task: reads and compares.
        rewriting: the program of a rewrite.
        tokenizer: the student's.
        generate: completes prompts greedily, from token ids.
        most: questions that are put to the teacher in all; behind them nothing is said of any.

    Attributes:
        asked: questions put so far.
    """

    def __init__(
        self,
        teacher: Any,
        task: Task,
        rewriting: Program,
        tokenizer: Any,
        generate: Callable[[Sequence[Sequence[int]]], Sequence[Generated]],
        most: int = MOST_QUESTIONS,
    ) -> None:
        self.teacher, self.task, self.rewriting, self.tokenizer = teacher, task, rewriting, tokenizer
        self.generate, self.most, self.asked = generate, most, 0

    def of(self, problems: Sequence[Problem], drafts: Sequence[Attempt]) -> list[float | None]:
        """Give 1 for a draft whose questions were worth asking, 0 for one whose were not or that asks none.

        Right drafts had nothing to ask, and those without a verdict are nobody's fault: None.

        Args:
            problems: of the drafts.
            drafts: read, with the questions found in them.
        """
        found: list[float | None] = [0.0 if draft.verdict is Verdict.WRONG else None for draft in drafts]
        by_id, lessons = {problem.id: problem for problem in problems}, list[Lesson]()
        for at, draft in enumerate(drafts):
            some = tuple(questions_in(draft.questions))[:_A_DRAFT]
            if draft.verdict is not Verdict.WRONG or not some:
                continue
            if self.asked + len(some) > self.most:
                found[at] = None
                continue
            self.asked += len(some)
            draft_ = draft.model_copy(update={"questions": some})
            lessons.append(Lesson(id=str(at), problem=draft.problem, round=0, draft=draft_))
        told = [x for x in answer(lessons, by_id, self.teacher, self.task) if any(c.answer for c in x.clarifications)]
        mended = self._right(told, by_id)
        untold = [lesson.model_copy(update={"clarifications": ()}) for lesson in mended]
        anyway = {lesson.id for lesson in self._right(untold, by_id)}
        for lesson in mended:
            found[int(lesson.id)] = float(lesson.id not in anyway)
        return found

    def _right(self, lessons: Sequence[Lesson], problems: dict[str, Problem]) -> list[Lesson]:
        """Give the lessons whose rewrite is right."""
        if not lessons:
            return []
        asked = [self.rewriting.messages(shown_to(lesson, problems[lesson.problem])) for lesson in lessons]
        made = self.generate([prompt_ids(self.tokenizer, messages) for messages in asked])
        right = []
        for lesson, one in zip(lessons, made, strict=True):
            said = Completion(text=one.text, finish_reason=one.finish_reason, completion_tokens=one.tokens)
            if verify(self.task, problems[lesson.problem], said).verdict is Verdict.CORRECT:
                right.append(lesson)
        return right

"""The conditions of bench-questions: what a student answers with questions, and with as much work without them.

Everybody asks: the library's steps leave out lessons whose draft is right, which at a test nobody knows, so the drafts'
verdicts are covered up before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import Any, Final, NamedTuple

from questions_ways import Crew, Tally, Way, teacher_of

from selfimprove.errors import InputError
from selfimprove.programs import Item, run
from selfimprove.records import Attempt, Clarification, Lesson, Problem, Sampling, Verdict
from selfimprove.steps.answer import answer
from selfimprove.steps.ask import ask
from selfimprove.steps.draft import draft, solve
from selfimprove.steps.rewrite import rewrite, shown_to
from selfimprove.steps.verify import verify

SAMPLES: Final = 4
_WARM: Final = 0.7


class Drafted(NamedTuple):
    """Problems, each with its greedy draft and its samples, none where nobody needs them."""

    problems: list[Problem]
    drafts: list[Attempt]
    samples: list[list[Attempt]]

    @property
    def by_id(self) -> dict[str, Problem]:
        """Give the problems by id."""
        return {problem.id: problem for problem in self.problems}

    def unsure(self, at: int) -> bool:
        """Say whether a draft and its samples do not all give one answer."""
        answers = {one.answer for one in (self.drafts[at], *self.samples[at])}
        return len(answers) > 1 or None in answers


class Told(NamedTuple):
    """Lessons with their questions answered, and the tokens that asking and answering took, by problem."""

    lessons: list[Lesson]
    asking: Counter[str]
    teaching: Counter[str]


class Outcome(NamedTuple):
    """The last word on each problem, and the tokens that it took of the student, shape `[P]` each."""

    attempts: list[Attempt]
    tokens: list[int]

    @property
    def right(self) -> list[bool]:
        """Say which are right; no verdict is wrong."""
        return [one.verdict is Verdict.CORRECT for one in self.attempts]

    @property
    def undecided(self) -> int:
        """Count those without a verdict."""
        return sum(not one.verdict.decided for one in self.attempts)


def drafted(problems: Sequence[Problem], crew: Crew, *, sampled: bool) -> Drafted:
    """Let the student solve each problem greedily, and draw samples where these are wanted."""
    programs = {"solve": crew.program("solve")}
    made = draft(problems, crew.student, programs, crew.task, crew.greedy, questions=0)
    warm, drawn = crew.greedy.model_copy(update={"temperature": _WARM}), range(1, 1 + SAMPLES) if sampled else ()
    more = solve(problems, crew.student, programs["solve"], crew.task, warm, samples=drawn, seed=crew.seed)
    return Drafted(list(problems), made, more)


def told(way: Way, on: Drafted, crew: Crew) -> Told:
    """Let the student ask and the teacher answer, by the library's own steps."""
    student, teaching = Tally(crew.student), Tally(crew.teacher) if crew.teacher else None
    program = crew.asking if way.compiled and crew.asking else crew.program("ask")
    lessons = [
        Lesson(id=one.problem, problem=one.problem, round=0, draft=_covered(one))
        for at, one in enumerate(on.drafts)
        if not way.uncertain or on.unsure(at)
    ]
    asked = ask(lessons, on.by_id, student, program, crew.greedy, questions=way.questions)
    teacher = teacher_of(way, crew, teaching)
    return Told(
        answer(asked, on.by_id, teacher, crew.task), student.tokens, teaching.tokens if teaching else Counter[str]()
    )


def _covered(attempt: Attempt) -> Attempt:
    """Cover up whether an attempt is right."""
    return attempt.model_copy(update={"verdict": Verdict.UNPARSEABLE, "strict": Verdict.UNPARSEABLE})


def rewritten(way: Way, given: Told, on: Drafted, crew: Crew) -> Outcome:
    """Let the student try again with the answers; where there are none the draft stands."""
    student = Tally(crew.student)
    made = rewrite(given.lessons, on.by_id, student, crew.program("rewrite"), crew.task, crew.greedy)
    last = {lesson.problem: lesson.rewrites[-1] for lesson in made if lesson.rewrites}
    spent = given.asking + student.tokens
    sampled = [sum(one.completion.completion_tokens for one in some) if way.uncertain else 0 for some in on.samples]
    tokens = [
        one.completion.completion_tokens + more + spent[one.problem]
        for one, more in zip(on.drafts, sampled, strict=True)
    ]
    return Outcome([last.get(one.problem, one) for one in on.drafts], tokens)


def shuffled(lessons: Sequence[Lesson]) -> list[Lesson]:
    """Give each question that was answered the answer to a question about another problem, always the same one.

    Raises:
        InputError: there are no answers, or one problem holds more than half of them.
    """
    answers = [(lesson.id, one.answer) for lesson in lessons for one in lesson.clarifications if one.answer]
    most = max(Counter(name for name, _ in answers).values(), default=0)
    shift = len(answers) // 2  # a problem's answers stand side by side, at most `most`
    if not answers or shift < most:
        raise InputError(f"{len(answers)} answers cannot be exchanged between problems; give more problems")
    others = iter([answers[(at + shift) % len(answers)][1] for at in range(len(answers))])

    def changed(one: Clarification) -> Clarification:
        return one.model_copy(update={"answer": next(others)}) if one.answer else one

    return [x.model_copy(update={"clarifications": tuple(map(changed, x.clarifications))}) for x in lessons]


def second(on: Drafted, more: float, crew: Crew) -> Outcome:
    """Let the student see its draft and try once more, with room for as many tokens as asking and rewriting took.

    Args:
        on: the drafts.
        more: mean tokens a problem that asking and rewriting took; a rewrite's own room is the least that is given.
        crew: whose student tries.
    """
    how = Sampling(max_tokens=max(crew.max_tokens, round(more)))
    lessons = [Lesson(id=one.problem, problem=one.problem, round=0, draft=one) for one in on.drafts]
    items = [Item(p.id, shown_to(x, p)) for x, p in zip(lessons, on.problems, strict=True)]
    made = run(crew.once_more(), items, crew.student, how, role="second")
    attempts = [verify(crew.task, p, one) for p, one in zip(on.problems, made, strict=True)]
    pairs = zip(on.drafts, made, strict=True)
    return Outcome(attempts, [one.completion.completion_tokens + two.completion_tokens for one, two in pairs])


def majority(on: Drafted, tokens: float) -> Outcome:
    """Let the draft and as many samples vote as these tokens a problem pay for; at equal votes the draft decides.

    At least two samples vote, as fewer decide nothing.
    """
    each = fmean(one.completion.completion_tokens for some in on.samples for one in some) or 1.0
    drafts = fmean(one.completion.completion_tokens for one in on.drafts)
    count = min(SAMPLES, max(2, round((tokens - drafts) / each)))
    attempts, spent = [], []
    for first, some in zip(on.drafts, on.samples, strict=True):
        voting = [first, *some[:count]]
        votes = Counter(one.answer for one in voting if one.answer is not None)
        best = max(votes, key=lambda name: votes[name], default=None)  # the first of equals, and the draft is first
        attempts.append(next(one for one in voting if one.answer == best) if best else first)
        spent.append(sum(one.completion.completion_tokens for one in voting))
    return Outcome(attempts, spent)


def asked_of(given: Told, problems: int) -> dict[str, Any]:
    """Count the questions, those whose answer gave the solution away or never came, and the problems with an answer."""
    every = [one for lesson in given.lessons for one in lesson.clarifications]
    return {
        "questions_per_problem": round(len(every) / problems, 3),
        "given_away_share": round(sum(bool(one.refused) for one in every) / len(every), 4) if every else None,
        "unanswered_share": round(sum(not one.answer for one in every) / len(every), 4) if every else None,
        "told_share": round(sum(any(c.answer for c in x.clarifications) for x in given.lessons) / problems, 4),
        "teacher_tokens": round(sum(given.teaching.values()) / problems, 1),
    }

"""Who takes part in bench-questions, and the ways of asking that it compares."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from selfimprove.compiling.compiling import Work, compile_cases
from selfimprove.compiling.making import Source, make_cases
from selfimprove.compiling.metrics import Parts, metric_named
from selfimprove.config import TeacherConfig
from selfimprove.programs import SIGNATURES, Program, program_for
from selfimprove.programs.optimise import How
from selfimprove.programs.program import CONCLUDING
from selfimprove.programs.saved import Compiled
from selfimprove.protocols import LanguageModel, Task, Teacher
from selfimprove.records import Answer, Completion, Problem, Question, Rationale, Request, Sampling
from selfimprove.teachers import ReferenceTeacher
from selfimprove.teachers.litellm_teacher import LiteLLMTeacher

_ONCE_MORE: Final = "Your draft may be wrong. Solve the problem once more: think longer, and check each fact."
_BRIEFLY: Final = "Reason in {} short sentences, without a list; the last line is never left out."


class Way(NamedTuple):
    """One way of asking.

    Attributes:
        questions: of a problem, at most.
        uncertain: ask only where samples and draft do not all give one answer; elsewhere the draft stands.
        compiled: the asking program is the compiled one.
        teacher: `usual`; `informed`: the same model, shown the data set's facts; `reference`: the facts themselves.
    """

    name: str
    questions: int = 2
    uncertain: bool = False
    compiled: bool = False
    teacher: Literal["usual", "informed", "reference"] = "usual"


WAYS: Final = (
    Way("plain"),
    Way("fewer", questions=1),
    Way("uncertain", uncertain=True),
    Way("compiled", compiled=True),
    Way("informed", teacher="informed"),
    Way("reference", teacher="reference"),
)


class Tally:
    """A model whose generated tokens are counted by problem. Satisfies `LanguageModel`."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.tokens = Counter[str]()

    @property
    def identity(self) -> str:
        """The model's own."""
        return self._model.identity

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order."""
        made = self._model.complete(requests)
        for request, one in zip(requests, made, strict=True):
            self.tokens[request.problem] += one.completion_tokens
        return made


@dataclass(frozen=True)
class Crew:
    """Who takes part.

    Attributes:
        teacher: answers questions; None: the data set's facts do.
        max_tokens: of a completion.
        asking: the compiled program that asks; None: there is none.
        brief: told to reason in a sentence or two.
    """

    task: Task
    student: LanguageModel
    teacher: LanguageModel | None
    max_tokens: int = 160
    asking: Program | None = None
    seed: int = 5
    brief: bool = True

    @property
    def greedy(self) -> Sampling:
        """How the student completes."""
        return Sampling(max_tokens=self.max_tokens)

    def program(self, name: str) -> Program:
        """Give the plain program of this name; one that concludes is told how long to reason, too."""
        made = program_for(name, self.task)
        told = f"{made.instructions} {_BRIEFLY.format('one or two')}"
        return made.with_instructions(told) if self.brief and name in CONCLUDING else made

    def once_more(self) -> Program:
        """Give the program of a second attempt without questions, told to reason for twice as long."""
        told = [_ONCE_MORE, self.task.instruction, *([_BRIEFLY.format("three or four")] if self.brief else [])]
        return program_for("rewrite", self.task).with_instructions(" ".join(told))


@dataclass(frozen=True)
class Informed:
    """A teacher that is shown the data set's facts with each question. Satisfies `Teacher`."""

    inner: Teacher

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Answer each clarifying question."""
        return self.inner.answer([one.model_copy(update={"problem": _with_facts(one.problem)}) for one in asked])

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Reason as the other one does."""
        return self.inner.reason(problems, samples)


def _with_facts(problem: Problem) -> Problem:
    known = [f"Known facts: {' '.join(problem.facts)}"] if problem.facts else []
    return problem.model_copy(update={"context": "\n".join([*([problem.context] if problem.context else []), *known])})


def teacher_of(way: Way, crew: Crew, model: LanguageModel | None) -> Teacher:
    """Give a way's teacher over this model."""
    if way.teacher == "reference" or model is None:
        return ReferenceTeacher(crew.task)
    made = LiteLLMTeacher(crew.task, {}, model, model, TeacherConfig(max_tokens=crew.max_tokens), crew.seed)
    return Informed(made) if way.teacher == "informed" else made


def compiled_ask(problems: Sequence[Problem], crew: Crew) -> Compiled:
    """Compile the program that asks, on training problems, by DSPy's bootstrap.

    Raises:
        InputError: too few drafts are wrong.
    """
    programs, usual = {name: crew.program(name) for name in SIGNATURES}, teacher_of(WAYS[0], crew, crew.teacher)
    cases = make_cases("ask", problems, Source(crew.task, crew.student, usual, programs, crew.greedy, crew.seed))
    parts = Parts(crew.task, {p.id: p for p in problems}, crew.student, usual, programs, crew.greedy)
    metric, how = metric_named("asking", "ask", parts), How("bootstrap", len(cases), demos=3, seed=crew.seed)
    work = Work(programs["ask"], crew.task, crew.student, crew.student, metric, crew.greedy, how)
    return compile_cases(work, cases)

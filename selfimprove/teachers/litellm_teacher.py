"""A teacher made of programs over language models: it answers, reasons, and explains answers it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from selfimprove.config import TeacherConfig
from selfimprove.programs import Item, Program, Read, program_for, run_read, stated
from selfimprove.programs.forms import Outputs, form_reader
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Answer, Completion, Problem, Question, Rationale, Sampling, Verdict
from selfimprove.teachers.litellm import LiteLLMModel

_GREEDY: Final = 0.0


class LiteLLMTeacher:
    """A teacher over any two language models. Satisfies `Teacher` and `Rationaliser`.

    Args:
        task: says the form of an answer and reads it.
        programs: compiled programs by name, looked up at each use; the plain one stands in for each that is missing.
        answer_model: answers clarifying questions.
        reason_model: reasons and explains.
        config: `max_tokens`, `temperature` and `thinking` are read.
        seed: the campaign's.
    """

    def __init__(
        self,
        task: Task,
        programs: Mapping[str, Program],
        answer_model: LanguageModel,
        reason_model: LanguageModel,
        config: TeacherConfig,
        seed: int = 0,
    ) -> None:
        self.task, self.config, self.seed = task, config, seed
        self.answer_model, self.reason_model = answer_model, reason_model
        self._programs = programs

    def check(self) -> None:
        """See that the servers named by address answer.

        Raises:
            InputError: one does not.
        """
        for model in {id(m): m for m in (self.answer_model, self.reason_model)}.values():
            if isinstance(model, LiteLLMModel):
                model.check()

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Answer each clarifying question: greedily, sampled where an earlier answer was refused."""
        return ask_program(
            find_program("answer_question", self._programs, self.task),
            asked,
            self.answer_model,
            self._sampling(_GREEDY),
            self._sampling(self.config.temperature),
            seed=self.seed,
        )

    def reason(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Give `samples` chains of thought a problem, shape `[P][samples]`; a single one is greedy."""
        return self._explain("reason", problems, [{"problem": stated(p)} for p in problems], samples)

    def rationalise(self, problems: Sequence[Problem], samples: int) -> list[list[Rationale]]:
        """Explain the reference answer of each problem, shape `[P][samples]`; these are marked."""
        inputs = [{"problem": stated(p), "given": p.answer} for p in problems]
        return self._explain("rationalise", problems, inputs, samples)

    def _sampling(self, temperature: float) -> Sampling:
        return Sampling(temperature=temperature, max_tokens=self.config.max_tokens)

    def _explain(
        self, name: str, problems: Sequence[Problem], inputs: Sequence[Mapping[str, str]], samples: int
    ) -> list[list[Rationale]]:
        program = find_program(name, self._programs, self.task)
        items = [Item(p.id, given, i) for p, given in zip(problems, inputs, strict=True) for i in range(samples)]
        sampling = self._sampling(_GREEDY if samples == 1 else self.config.temperature)
        made = iter(
            run_read(program, items, self.reason_model, sampling, form_reader(program, self.task), seed=self.seed)
        )
        return [[self._rationale(program, next(made)) for _ in range(samples)] for _ in problems]

    def _rationale(self, program: Program, found: Read[Outputs]) -> Rationale:
        completion = found.completion
        text = str(program.parse(completion.text)["solution"])
        if self.config.thinking == "keep" and completion.reasoning:
            text = f"{completion.reasoning}\n{text}"
        made = read_rationale(self.task, completion, text)
        return made.model_copy(update={"rationalised": program.name == "rationalise", "calls": found.calls})


def find_program(name: str, programs: Mapping[str, Program], task: Task) -> Program:
    """Give the compiled program of this name, else the plain one."""
    return programs[name] if name in programs else program_for(name, task)


def ask_program(
    program: Program,
    asked: Sequence[Question],
    model: LanguageModel,
    first: Sampling,
    again: Sampling,
    *,
    seed: int,
) -> list[Answer]:
    """Answer clarifying questions with the `answer_question` program; a reply without an answer is asked for once more.

    Args:
        program: what asks.
        asked: the questions, shape `[N]`.
        model: what answers.
        first: how a question is answered that is asked for the first time.
        again: how one is answered whose earlier answer was refused: sampled, else it would be the same.
        seed: the campaign's.
    """
    found: dict[int, Answer] = {}
    for retried, sampling in ((False, first), (True, again)):
        places = [at for at, question in enumerate(asked) if bool(question.attempt) == retried]
        items = [_item(asked[at]) for at in places]
        made = run_read(program, items, model, sampling, form_reader(program), role="answer", seed=seed)
        found.update((at, _answer(program, read)) for at, read in zip(places, made, strict=True))
    return [found[at] for at in range(len(asked))]


def _item(question: Question) -> Item:
    inputs = {"problem": stated(question.problem), "question": question.text, "refused": ""}
    return Item(question.problem.id, inputs, sample=question.attempt, attempt=question.attempt)


def _answer(program: Program, read: Read[Outputs]) -> Answer:
    completion = read.completion
    error = completion.error
    if completion.finish_reason == "length":
        error = f"cut off after {completion.completion_tokens} tokens"
    text = "" if error else str(program.parse(completion.text)["answer"])
    return Answer(text=text, model=completion.model, calls=read.calls, usd=completion.usd, error=error)


def read_rationale(task: Task, completion: Completion, text: str) -> Rationale:
    """Make a rationale of a completion: its answer strictly read, none where it was cut off or failed."""
    none = {"length": Verdict.TRUNCATED, "error": Verdict.ERROR}.get(completion.finish_reason)
    return Rationale(
        text=text,
        answer=task.parse(text).strict if none is None else None,
        verdict=none or Verdict.UNPARSEABLE,
        source=completion.model,
        calls=_calls(completion),
        usd=completion.usd,
    )


def _calls(completion: Completion) -> tuple[str, ...]:
    return (completion.call,) if completion.call else ()

"""A prompt of the loop: a DSPy predictor, run in one batch on any language model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import dspy

from selfimprove.errors import InputError, nearest
from selfimprove.programs import growing, labelling, signatures
from selfimprove.protocols import Task
from selfimprove.records import Message, Problem, digest
from selfimprove.render import PlainAdapter, render_hash

_ADAPTER: Final = PlainAdapter()

SIGNATURES: Final[Mapping[str, Any]] = {
    "solve": signatures.Solve,
    "answer_only": signatures.AnswerOnly,
    "answer_given": signatures.AnswerGiven,
    "draft_and_ask": signatures.DraftAndAsk,
    "ask": signatures.Ask,
    "rewrite": signatures.Rewrite,
    "answer_question": signatures.AnswerQuestion,
    "reason": signatures.Reason,
    "rationalise": signatures.Rationalise,
    "judge": signatures.Judge,
    "judge_steps": signatures.JudgeSteps,
    "label": labelling.Label,
    "check_label": labelling.CheckLabel,
    "generate": growing.Generate,
    "solve_independently": growing.SolveIndependently,
}

CONCLUDING: Final = frozenset({"solve", "draft_and_ask", "rewrite", "reason", "rationalise", "solve_independently"})
"""Programs that end in an answer in the task's form."""
ANSWERING: Final = frozenset({"answer_only", "answer_given"})
"""Programs that give nothing but the answer in that form."""


@dataclass(frozen=True)
class Program:
    """A named DSPy predictor with the adapter that renders it.

    Attributes:
        name: one of `SIGNATURES`.
        predict: the predictor: its signature and demonstrations are what an optimiser changes.
    """

    name: str
    predict: Any

    def messages(self, inputs: Mapping[str, Any]) -> tuple[Message, ...]:
        """Write the chat for one set of inputs."""
        turns = _ADAPTER.format(self.predict.signature, self.predict.demos, inputs)
        return tuple(Message.model_validate(turn) for turn in turns)

    def parse(self, text: str) -> dict[str, Any]:
        """Read the outputs from a reply; a missing one is empty."""
        return _ADAPTER.parse(self.predict.signature, text)

    def hash(self, chat_template: str | None = None) -> str:
        """Name the rendering, see `render_hash`."""
        return render_hash(self.predict.signature, self.predict.demos, chat_template)

    @property
    def fields(self) -> str:
        """Fingerprint of the fields, in order, as DSPy matches saved ones by position."""
        fields = self.predict.signature.fields
        return digest([(name, str(field.annotation)) for name, field in fields.items()])

    @property
    def instructions(self) -> str:
        """What the model is told to do."""
        return str(self.predict.signature.instructions)

    def dump(self) -> str:
        """Give the state as JSON, with the fingerprint of the fields."""
        state = self.predict.dump_state()
        return json.dumps({"name": self.name, "fields": self.fields, "state": state}, sort_keys=True)

    @classmethod
    def load(cls, text: str, where: str = "") -> Program:
        """Restore a program.

        Args:
            text: what `dump` gave.
            where: the file it comes from, for errors.

        Raises:
            InputError: it was saved for other fields, or is no saved program.
        """
        try:
            saved = json.loads(text)
            name, fields, state = str(saved["name"]), saved["fields"], saved["state"]
        except (ValueError, LookupError, TypeError) as error:
            told = f"{where or 'the text'} is no saved program ({type(error).__name__})"
            raise InputError(f"{told}; remove it and compile the program again") from error
        program = plain(name)
        if fields != program.fields:
            beside = f" in {where}" if where else ""
            raise InputError(
                f'the saved program "{name}"{beside} was made for other fields; compile it again, or remove it'
            )
        try:
            program.predict.load_state(state)
        except Exception as error:  # whatever DSPy makes of a damaged state
            told = f'the saved program "{name}" {where} is damaged ({type(error).__name__})'
            raise InputError(f"{told}; remove it and compile the program again") from error
        return program

    def with_demos(self, demos: Sequence[Mapping[str, str]]) -> Program:
        """Give the same program with worked examples before the question."""
        predict = dspy.Predict(self.predict.signature)
        predict.demos = [dict(demo) for demo in demos]
        return Program(self.name, predict)

    def with_predict(self, predict: Any) -> Program:
        """Give the program that an optimiser made of it: its instruction, and its examples cut to their fields."""
        made = dspy.Predict(self.predict.signature.with_instructions(predict.signature.instructions))
        fields = list(self.predict.signature.fields)
        made.demos = [{name: demo[name] for name in fields if name in demo} for demo in map(dict, predict.demos)]
        return Program(self.name, made)

    def with_instructions(self, instructions: str) -> Program:
        """Give the same program with another instruction."""
        return Program(self.name, dspy.Predict(self.predict.signature.with_instructions(instructions)))


def plain(name: str) -> Program:
    """Give the program of this name as its signature stands.

    Raises:
        InputError: there is none.
    """
    return Program(name, dspy.Predict(_signature(name)))


def _signature(name: str) -> Any:
    if name not in SIGNATURES:
        raise InputError(f'there is no program "{name}"; {nearest(name, SIGNATURES)}')
    return SIGNATURES[name]


def is_bound(name: str) -> bool:
    """Say whether a program ends in an answer in its task's form, so that it serves no other task."""
    return name in CONCLUDING | ANSWERING


def answers_of(name: str, task: Task) -> str:
    """Give what a program is told of the form of a task's answers; empty for one that ends in none."""
    if name in CONCLUDING:
        return task.instruction
    return f"Write it in this form: {task.conclude('', 'ANSWER').strip()}" if name in ANSWERING else ""


def program_for(name: str, task: Task) -> Program:
    """Give the plain program of this name, told the form of answer that the task reads."""
    signature = _signature(name)
    if is_bound(name):
        signature = signature.with_instructions(f"{signature.instructions} {answers_of(name, task)}")
    return Program(name, dspy.Predict(signature))


def stated(problem: Problem) -> str:
    r"""Write a problem as every program shows it: context, question, options.

    >>> stated(Problem.of("Which?", "B", choices=("one", "two")))
    'Which?\nA. one\nB. two'
    """
    options = [f"{chr(65 + i)}. {choice}" for i, choice in enumerate(problem.choices)]
    return "\n".join([part for part in (problem.context, problem.question) if part] + options)

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

_CONCLUDING: Final = {"solve", "draft_and_ask", "rewrite", "reason", "rationalise", "solve_independently"}


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

    def dump(self) -> str:
        """Give the state as JSON, with a fingerprint of the fields (DSPy matches them by position)."""
        state = self.predict.dump_state()
        return json.dumps({"name": self.name, "fields": self._fields(), "state": state}, sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Program:
        """Restore a program.

        Raises:
            InputError: it was saved for other fields.
        """
        saved = json.loads(text)
        program = cls(saved["name"], dspy.Predict(_signature(saved["name"])))
        if saved["fields"] != program._fields():
            raise InputError(f'the saved program "{program.name}" was made for other fields; compile it again')
        program.predict.load_state(saved["state"])
        return program

    def with_demos(self, demos: Sequence[Mapping[str, str]]) -> Program:
        """Give the same program with worked examples before the question."""
        predict = dspy.Predict(self.predict.signature)
        predict.demos = [dict(demo) for demo in demos]
        return Program(self.name, predict)

    def _fields(self) -> str:
        fields = self.predict.signature.fields
        return digest([(name, str(field.annotation)) for name, field in fields.items()])


def _signature(name: str) -> Any:
    if name not in SIGNATURES:
        raise InputError(f'there is no program "{name}"; {nearest(name, SIGNATURES)}')
    return SIGNATURES[name]


def program_for(name: str, task: Task) -> Program:
    """Give the plain program of this name, told the form of answer that the task reads."""
    signature = _signature(name)
    if name in _CONCLUDING:
        signature = signature.with_instructions(f"{signature.instructions} {task.instruction}")
    elif name in {"answer_only", "answer_given"}:
        form = task.conclude("", "ANSWER").strip()
        signature = signature.with_instructions(f"{signature.instructions} Write it in this form: {form}")
    return Program(name, dspy.Predict(signature))


def stated(problem: Problem) -> str:
    r"""Write a problem as every program shows it: context, question, options.

    >>> stated(Problem.of("Which?", "B", choices=("one", "two")))
    'Which?\nA. one\nB. two'
    """
    options = [f"{chr(65 + i)}. {choice}" for i, choice in enumerate(problem.choices)]
    return "\n".join([part for part in (problem.context, problem.question) if part] + options)

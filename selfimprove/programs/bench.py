"""A program on DSPy's bench: optimisers look at examples one by one, and find each batch done before they begin.

DSPy evaluates a program by a call for each example. Before it does, it tells its callbacks; here the whole batch is
then formatted, completed and read at once, and marked at once. What DSPy asks for afterwards is known already.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import dspy
from dspy.utils.callback import BaseCallback

from selfimprove import progress
from selfimprove.programs.cases import Case, Mark, Metric, Outputs
from selfimprove.programs.engine import Engine, StoppedError
from selfimprove.programs.program import Program
from selfimprove.programs.run import Complaint, Item, Read, run_read
from selfimprove.protocols import LanguageModel
from selfimprove.records import Completion, Sampling, digest
from selfimprove.render import PlainAdapter

_ADAPTER: Final = PlainAdapter()
_CASE: Final = "case"
_REFERENCE: Final = "reference"


class Loop(dspy.Module):
    """A program as a DSPy module, rendered as the loop renders it."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.predict = program.with_predict(program.predict).predict

    def forward(self, **inputs: Any) -> Any:
        """Run the one predictor."""
        with dspy.context(adapter=_ADAPTER):
            return self.predict(**inputs)


class Bench(BaseCallback):
    """Runs a program over cases in batches, and marks what comes.

    Args:
        program: the plain one; its name and fields stay.
        model: what runs it, behind the ledger.
        metric: reads replies and marks them.
        sampling: greedy.
    """

    def __init__(self, program: Program, model: LanguageModel, metric: Metric, sampling: Sampling) -> None:
        super().__init__()
        self.program, self.model, self.metric, self.sampling = program, model, metric, sampling
        self.engine = Engine(model, program.name, sampling)
        self._cases: dict[str, Case] = {}
        self._marks: dict[str, Mark] = {}

    def __deepcopy__(self, _: dict[int, Any]) -> Bench:
        return self

    def examples(self, cases: Sequence[Case]) -> list[Any]:
        """Give cases as DSPy knows examples."""
        self._cases.update((case.id, case) for case in cases)
        made = []
        for case in cases:
            inputs = _whole(self.program, case.inputs)
            told = {_REFERENCE: case.reference} if case.reference else {}
            made.append(dspy.Example(**inputs, **case.outputs, **told, **{_CASE: case.id}).with_inputs(*inputs))
        return made

    def cases_of(self, examples: Sequence[Any]) -> list[Case]:
        """Give the cases of examples."""
        return [self._cases[example[_CASE]] for example in examples]

    def replies(self, program: Program, cases: Sequence[Case]) -> list[Read[Outputs]]:
        """Run a program over cases: one batch, and one more for replies that could not be read."""
        items = [Item(case.problem, _whole(self.program, case.inputs)) for case in cases]

        def read(index: int, outputs: Outputs, reply: Completion) -> Outputs | Complaint:
            return self.metric.read(program, cases[index], outputs, reply)

        return run_read(program, items, self.model, self.sampling, read)

    def marks(self, program: Program, cases: Sequence[Case]) -> list[Mark]:
        """Run a program over cases and mark its replies, in order."""
        return self.metric.mark(program, cases, self.replies(program, cases))

    def prepare(self, program: Program, cases: Sequence[Case]) -> None:
        """Do a batch, and know what came of it.

        Raises:
            StoppedError: the budget is used up, or something failed.
        """
        try:
            items = [(case, program.messages(_whole(self.program, case.inputs))) for case in cases]
            new = {digest([m.content for m in messages]): (case, messages) for case, messages in items}
            wanted = [one for one in new.values() if not self.engine.knows(one[1])]
            replies = self.replies(program, [case for case, _ in wanted])
            for (_, messages), reply in zip(wanted, replies, strict=True):
                self.engine.know(messages, reply.completion)
            marks = self.metric.mark(program, [case for case, _ in wanted], replies)
        except Exception as error:
            raise StoppedError(error) from error
        for (case, _), reply, mark in zip(wanted, replies, marks, strict=True):
            self._marks[_place(case.id, program.parse(reply.completion.text))] = mark
        progress.current().advance(len(wanted))

    def take_known(self, program: Program, cases: Sequence[Case]) -> None:
        """Take the right replies that cases hold for what a program says of them, and mark them like any other."""
        for case in cases:
            text = _ADAPTER.write(program.predict.signature, case.outputs)
            self.engine.know(program.messages(_whole(self.program, case.inputs)), Completion(text=text))
            self._one(case, program.parse(text))

    def on_evaluate_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:  # noqa: ARG002 - DSPy's
        """Do the batch that DSPy is about to walk."""
        examples = inputs.get("devset") or instance.devset
        program = self.program.with_predict(inputs["program"].predict)
        self.prepare(program, self.cases_of(examples))

    def score(self, gold: Any, made: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:  # noqa: ARG002 - DSPy's
        """Mark one reply, as DSPy calls a metric; an optimiser that asks about a predictor is told in words, too."""
        case = self._cases[gold[_CASE]]
        outputs = {name: made[name] for name in self.program.predict.signature.output_fields}
        mark = self._marks.get(_place(case.id, outputs)) or self._one(case, outputs)
        return mark.score if pred_name is None else dspy.Prediction(score=mark.score, feedback=mark.feedback)

    def _one(self, case: Case, outputs: Outputs) -> Mark:
        """Mark a reply that came in no batch."""
        completion = Completion(text=_ADAPTER.write(self.program.predict.signature, outputs))
        read = self.metric.read(self.program, case, outputs, completion)
        value, complaint = (None, str(read)) if isinstance(read, Complaint) else (read, "")
        try:
            (mark,) = self.metric.mark(self.program, [case], [Read(value, completion, (), complaint)])
        except Exception as error:
            raise StoppedError(error) from error
        self._marks[_place(case.id, outputs)] = mark
        return mark


def _whole(program: Program, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Give every input that a program has; what a case does not say is empty."""
    return {name: inputs.get(name, "") for name in program.predict.signature.input_fields}


def _place(case: str, outputs: Outputs) -> str:
    return digest(case, dict(outputs))

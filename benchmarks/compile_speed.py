"""Does a program in a batch keep the engine's speed? The second half of `make bench-compile`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import dspy

from selfimprove.programs import Item, Program, program_for, run, stated
from selfimprove.programs.bench import Bench, Loop
from selfimprove.programs.cases import Case, Mark, Outputs
from selfimprove.programs.run import Complaint, Read
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Completion, Problem, Request, Sampling


class _Any:
    """A metric that looks at nothing, so that speed alone is measured."""

    name = "any"

    def read(self, _program: Program, _case: Case, outputs: Outputs, _reply: Completion) -> Outputs | Complaint:
        return outputs

    def mark(self, _program: Program, cases: Sequence[Case], _replies: Sequence[Read[Outputs]]) -> list[Mark]:
        return [Mark(1.0, "") for _ in cases]


class Counted:
    """Counts the tokens that a model generates. Satisfies `LanguageModel`."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.tokens = 0

    @property
    def identity(self) -> str:
        """The model's own."""
        return self._model.identity

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order."""
        made = self._model.complete(requests)
        self.tokens += sum(one.completion_tokens for one in made)
        return made


def rate(model: LanguageModel, work: Callable[[Counted], object]) -> float:
    """Give the tokens a second of some work."""
    counted, started = Counted(model), time.perf_counter()
    work(counted)
    return counted.tokens / (time.perf_counter() - started)


def batching(
    student: LanguageModel, task: Task, problems: Sequence[Problem], max_tokens: int, *, few: int = 16, repeats: int = 3
) -> dict[str, Any]:
    """Measure a batch through a program, through DSPy evaluating it in our batches, through DSPy's own, and bare.

    Args:
        student: the engine.
        task: of the problems.
        problems: the batch.
        max_tokens: longest reply.
        few: problems that DSPy walks a call each.
        repeats: of every way; the median counts.
    """
    program, how = program_for("solve", task), Sampling(max_tokens=max_tokens)
    items = [Item(p.id, {"problem": stated(p)}) for p in problems]
    requests = [Request(role="solve", messages=program.messages(i.inputs), sampling=how) for i in items]
    cases = [Case(id=p.id, problem=p.id, inputs={"problem": stated(p)}) for p in problems]

    def parsed(model: Counted) -> object:
        return [program.parse(made.text) for made in run(program, items, model, how)]

    def evaluated(model: Counted, some: Sequence[Case], *, ahead: bool) -> object:
        bench = Bench(program, model, _Any(), how)
        judge = dspy.Evaluate(devset=bench.examples(some), metric=bench.score, num_threads=1 if ahead else 8)
        with dspy.context(lm=bench.engine.lm(), callbacks=[bench] if ahead else []):
            return judge(Loop(program))

    ways: dict[str, Callable[[Counted], object]] = {
        "engine": lambda model: model.complete(requests),
        "program": parsed,
        "dspy, our batches": lambda model: evaluated(model, cases, ahead=True),
        "dspy, a call each": lambda model: evaluated(model, cases[:few], ahead=False),
    }
    rate(student, lambda model: model.complete(requests[:8]))  # loads and warms
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            found[name].append(rate(student, work))
    rates = {name: statistics.median(some) for name, some in found.items()}
    for name, value in rates.items():
        print(f"{name:<24}{value:>10.1f} tokens/s  {value / rates['engine']:>6.2f} of the engine", flush=True)
    return {
        "batch": len(problems),
        "tokens_per_s": {name: round(value, 1) for name, value in rates.items()},
        "batch_share_of_engine": round(rates["program"] / rates["engine"], 3),
        "dspy_in_batches_share_of_engine": round(rates["dspy, our batches"] / rates["engine"], 3),
        "dspy_share_of_engine": round(rates["dspy, a call each"] / rates["engine"], 3),
    }

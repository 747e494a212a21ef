"""A language model as a judge of steps: one call a solution, a score a step and the first wrong one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from selfimprove.programs import Complaint, Item, Program, plain, run_read, stated
from selfimprove.protocols import LanguageModel
from selfimprove.records import Completion, Sampling, StepItem
from selfimprove.scorers.scoring import Judgement

_LINE: Final = re.compile(
    r"^[ \t*#>-]*(?:step\s*)?(\d+)[ \t*]*[:.)=-][ \t*]*(\d+(?:\.\d+)?|\.\d+)(?![\d.]*[\d%/])",
    re.IGNORECASE | re.MULTILINE,
)
_GREEDY: Final = Sampling(max_tokens=512)
_FIRST: Final = re.compile(r"[\s*]*(?:step\s*)?(?:(\d+)\b|(none|no\b|n/a|-1))", re.IGNORECASE)


def _plain() -> Program:
    return plain("judge_steps")


@dataclass(frozen=True)
class StepJudge:
    """Scores steps with a language model. Satisfies `StepScorer`.

    A reply that cannot be read is asked for once more, told what was wrong with it; after that there is no verdict.

    Args:
        model: what judges; behind the ledger, each call is made once and within the budget.
        program: its prompt, for one that an optimiser improved.
        sampling: greedy by default.
        first: identity of the model alone that its card is of, where `model` has fallbacks or settings beside it.
    """

    model: LanguageModel
    program: Program = field(default_factory=_plain)
    sampling: Sampling = _GREEDY
    first: str = ""

    @property
    def identity(self) -> str:
        """The model's and its prompt's."""
        return f"judge/{self.model.identity}#{self.program.hash()}"

    @property
    def measured_as(self) -> str:
        """The identity that its card holds, the same with any fallbacks and settings."""
        return f"judge/{self.first or self.model.identity}#{self.program.hash()}"

    def score(self, items: Sequence[StepItem]) -> list[list[float] | None]:
        """Score each step, shape `[items][steps]`; None is no verdict."""
        return [None if found is None else list(found.scores) for found in self.judge(items)]

    def judge(self, items: Sequence[StepItem]) -> list[Judgement | None]:
        """Judge each solution, in one batch and one more for replies that could not be read."""
        found: list[Judgement | None] = [
            None if item.steps else Judgement(scores=(), first_wrong=None) for item in items
        ]
        with_steps = [index for index, item in enumerate(items) if item.steps]

        def read(at: int, outputs: Mapping[str, Any], _: Completion) -> Judgement | Complaint:
            return read_judgement(outputs, len(items[with_steps[at]].steps))

        asked = [_item(items[index]) for index in with_steps]
        for index, one in zip(with_steps, run_read(self.program, asked, self.model, self.sampling, read), strict=True):
            if one.value is not None:
                found[index] = one.value.model_copy(update={"calls": one.calls})
        return found


def read_judgement(outputs: Mapping[str, Any], steps: int) -> Judgement | Complaint:
    r"""Read the outputs of `judge_steps`, or say in a sentence for the judge what is wrong with them.

    >>> read_judgement({"scores": "1: 0.9\n2: 0", "first_wrong": "2"}, 2).first_wrong
    1
    >>> read_judgement({"scores": "1: 0.9", "first_wrong": "none"}, 2)
    'There are 2 steps, and lines for 1 were found; write one line a step.'
    """
    lines = [(int(number), float(score)) for number, score in _LINE.findall(outputs["scores"])]
    if [number for number, _ in lines] != list(range(1, steps + 1)):
        seen = ", ".join(str(number) for number, _ in lines) or "none"
        return Complaint(f"There are {steps} steps, and lines for {seen} were found; write one line a step.")
    if any(score > 1 for _, score in lines):
        return Complaint("A number was above 1; write how likely each step is right, from 0 to 1.")
    named = _FIRST.match(outputs["first_wrong"])
    if named is None or (named[1] and not 1 <= int(named[1]) <= steps):
        return Complaint(f'The last line must be "First wrong:" and a number from 1 to {steps}, or none.')
    first = int(named[1]) - 1 if named[1] else None
    return Judgement(scores=tuple(score for _, score in lines), first_wrong=first)


def _item(item: StepItem) -> Item:
    return Item(item.problem.id, {"problem": stated(item.problem), "steps": list(item.steps), "complaint": ""})

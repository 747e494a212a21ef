"""Monte Carlo values of steps: how often the student ends up right when it goes on from there.

The value of a prefix is the pass rate of rollouts from it (Math-Shepherd, arXiv:2312.08935). It is this student's
value: a wrong step that it would mend scores above 0, a right step that it cannot go on from scores 0. The model must
be one that continues a reply (`Request.prefix`): a student in this process, or one behind vLLM's server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from selfimprove.programs import Program, stated
from selfimprove.programs.run import seed_of
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Completion, Request, Sampling, StepItem, Verdict
from selfimprove.scorers.labels import LabelledSteps, labelled
from selfimprove.scorers.steps import JOINED_BY

_ROLLOUT: Final = Sampling(temperature=0.8, max_tokens=256)


class Value(NamedTuple):
    """What the rollouts from one prefix came to."""

    passed: int
    decided: int
    """Rollouts with a verdict; truncated and unreadable ones say nothing."""

    @property
    def rate(self) -> float | None:
        """Share of right ones, None without any verdict."""
        return self.passed / self.decided if self.decided else None


@dataclass(frozen=True)
class MonteCarlo:
    """Scores steps by rollouts. Satisfies `StepScorer`.

    Args:
        model: the student.
        task: reads and compares the answers.
        program: the prompt that the solutions were written under, usually `solve`.
        sampling: of a rollout; a temperature of 0 makes all rollouts of a prefix the same.
        rollouts: completions a prefix.
        first_sample: index of the first, so that another call draws new ones.
        seed: the campaign's.
        joined_by: what stands between two steps.
        base: identity of the student without an adapter, which its card is of: a student that is trained goes on being
            measured by the card that it began with; empty: the model's own.
    """

    model: LanguageModel
    task: Task
    program: Program
    sampling: Sampling = _ROLLOUT
    rollouts: int = 8
    first_sample: int = 0
    seed: int = 0
    joined_by: str = JOINED_BY
    base: str = ""

    @property
    def identity(self) -> str:
        """The student's, and how many rollouts."""
        return f"monte-carlo-{self.rollouts}/{self.model.identity}"

    @property
    def measured_as(self) -> str:
        """The identity that its card holds, the same with any adapter."""
        return f"monte-carlo-{self.rollouts}/{self.base or self.model.identity}"

    @property
    def threshold(self) -> float:
        """A step is wrong when no rollout from it is right, as in `first_wrong`."""
        return 0.5 / self.rollouts

    def score(self, items: Sequence[StepItem]) -> list[list[float] | None]:
        """Give the value after each step, shape `[items][steps]`; None where some prefix has no verdict.

        Every prefix of every solution costs `rollouts` completions, in one batch; a prefix that already states its
        answer costs none.
        """
        prefixes = [(item, count) for item in items for count in range(1, len(item.steps) + 1)]
        values = iter(self.values(prefixes))
        found = [[next(values).rate for _ in item.steps] for item in items]
        return [None if None in rates else [rate for rate in rates if rate is not None] for rates in found]

    def first_wrong(self, items: Sequence[StepItem]) -> list[int | None]:
        """Find the first wrong step of *wrong* solutions by binary search (OmegaPRM, arXiv:2406.06592, section 3.2).

        The search asks for values of about `log2(steps) + 1` prefixes instead of all: a prefix with a right rollout
        lies before the error, one without lies behind it. All solutions search side by side, one batch a halving.

        Returns:
            Index of the first step from which no rollout is right. None where there is no verdict: nothing came to
            a verdict at a prefix that was asked for, or the student fails from the bare problem too, so that its
            failures say nothing of the steps.
        """
        low, high = [0] * len(items), [len(item.steps) for item in items]
        lost = {index for index, item in enumerate(items) if not item.steps}
        while True:
            searching = [i for i in range(len(items)) if i not in lost and high[i] - low[i] > 1]
            if not searching:
                break
            middle = [(low[i] + high[i]) // 2 for i in searching]
            values = self.values([(items[i], half) for i, half in zip(searching, middle, strict=True)])
            for index, half, value in zip(searching, middle, values, strict=True):
                if not value.decided:
                    lost.add(index)
                elif value.passed:
                    low[index] = half
                else:
                    high[index] = half
        at_start = [i for i in range(len(items)) if i not in lost and low[i] == 0]
        lost |= {
            index
            for index, value in zip(at_start, self.values([(items[i], 0) for i in at_start]), strict=True)
            if not value.passed
        }
        return [None if index in lost else high[index] - 1 for index in range(len(items))]

    def cost(self, items: Sequence[StepItem]) -> int:
        """Count the rollouts that `score` would ask for, to set beside those of a search."""
        return self.rollouts * sum(len(item.steps) - (self._stated(item) is not None) for item in items)

    def values(self, prefixes: Sequence[tuple[StepItem, int]]) -> list[Value]:
        """Give the value of prefixes, each a solution and how many of its steps it holds, in one batch."""
        texts = [self._text(item.steps[:count]) for item, count in prefixes]
        ended = [self._stated(item) if count == len(item.steps) else None for item, count in prefixes]
        requests = [
            self._request(item, text, self.first_sample + number)
            for (item, _), text, answer in zip(prefixes, texts, ended, strict=True)
            if answer is None
            for number in range(self.rollouts)
        ]
        made = iter(self.model.complete(requests) if requests else [])
        found = []
        for (item, _), text, answer in zip(prefixes, texts, ended, strict=True):
            verdicts = (
                [self._verdict(item, text, next(made)) for _ in range(self.rollouts)]
                if answer is None
                else [self.task.compare(answer, item.problem)]
            )
            passed = sum(verdict is Verdict.CORRECT for verdict in verdicts)
            found.append(Value(passed, sum(verdict.decided for verdict in verdicts)))
        return found

    def _text(self, steps: Sequence[str]) -> str:
        return "".join(f"{step}{self.joined_by}" for step in steps)

    def _stated(self, item: StepItem) -> str | None:
        """Give the answer that a whole solution states."""
        return self.task.parse(self._text(item.steps)).strict if item.steps else None

    def _request(self, item: StepItem, text: str, sample: int) -> Request:
        return Request(
            role="rollout",
            messages=self.program.messages({"problem": stated(item.problem)}),
            sampling=self.sampling,
            problem=item.problem.id,
            sample=sample,
            seed=seed_of(self.seed, item.problem.id, sample),
            prefix=text,
        )

    def _verdict(self, item: StepItem, text: str, made: Completion) -> Verdict:
        if made.finish_reason == "error":
            return Verdict.ERROR
        parsed = self.task.parse(text + made.text)
        cut = made.finish_reason == "length"
        answer = parsed.strict if cut else parsed.answer  # what was cut off may end in any number
        if answer is None:
            return Verdict.TRUNCATED if cut else Verdict.UNPARSEABLE
        return self.task.compare(answer, item.problem)


def search_labels(scorer: MonteCarlo, solved: Sequence[StepItem], failed: Sequence[StepItem]) -> list[LabelledSteps]:
    """Label solutions to train a reward model on, by as few rollouts as the search needs.

    A right solution needs none: its steps are called right. A wrong one's are right before its first wrong step and
    wrong from it on, as no rollout from there is right. Wrong solutions without a verdict are left out.

    Args:
        scorer: searches; `MonteCarlo.cost` tells what scoring every step would have taken.
        solved: solutions that end in the right answer.
        failed: solutions that end in a wrong one.
    """
    found = zip(failed, scorer.first_wrong(failed), strict=True)
    scored = [(item, [1.0] * len(item.steps)) for item in solved if item.steps]
    scored += [
        (item, [float(at < wrong) for at in range(len(item.steps))]) for item, wrong in found if wrong is not None
    ]
    return [labelled(item, scores, stated(item.problem), scorer.identity) for item, scores in scored]

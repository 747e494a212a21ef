"""Step labels from a student's own rollouts: what a reward model for this student learns from.

The student solves training problems; where it is wrong, the first wrong step is searched for by rollouts from between
its steps (`MonteCarlo.first_wrong`). Nothing of dev, test or a public test set of the family is among the problems.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.formats import percent
from selfimprove.graphs.guarding import public_of
from selfimprove.prm.solutions import draw_problems, tried
from selfimprove.programs import program_for
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Attempt, Completion, Problem, Request, Sampling, StepItem, Verdict
from selfimprove.scorers.baselines import key_of
from selfimprove.scorers.labels import LabelledSteps
from selfimprove.scorers.montecarlo import MonteCarlo, search_labels
from selfimprove.scorers.steps import split_steps
from selfimprove.splits import freeze

_BATCH: Final = 512
"""Requests a batch: a batch that is killed is lost whole."""
_EVERY: Final = 10_000_000


class InBatches:
    """A model that is asked in batches, each of which is kept; counts the rollouts. Satisfies `LanguageModel`."""

    def __init__(self, model: LanguageModel) -> None:
        self._model = model
        self.rollouts = 0

    @property
    def identity(self) -> str:
        """The model's own."""
        return self._model.identity

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order."""
        self.rollouts += sum(request.role == "rollout" for request in requests)
        made: list[Completion] = []
        for at in range(0, len(requests), _BATCH):
            made += self._model.complete(requests[at : at + _BATCH])
        return made


class Labels(NamedTuple):
    """Labelled solutions, and what they took.

    Attributes:
        rows: right solutions, and wrong ones whose first wrong step was found.
        solved: right solutions.
        failed: wrong ones, as they were searched.
        rollouts: completions that the search asked for.
        full: completions that scoring every step of them would have asked for.
    """

    rows: list[LabelledSteps]
    solved: int
    failed: list[StepItem]
    rollouts: int
    full: int

    def __str__(self) -> str:
        """Say it in one sentence."""
        found = len(self.rows) - self.solved
        share = f"{percent(self.rollouts / self.full, 0)} of what scoring each step takes" if self.full else "no steps"
        return (
            f"{self.solved} right solutions and {found} of {len(self.failed)} wrong ones are labelled, "
            f"by {self.rollouts} rollouts ({share})"
        )


def trainable(task: Task, count: int, data_dir: Path | None = None, seed: int = 0) -> list[Problem]:
    """Draw training problems, without those that dev, test or a public test set of the family holds.

    Raises:
        InputError: dev and test share a problem, or no training problem is left.
    """
    guarded, _ = public_of(task, data_dir)
    public = [held for each in guarded for held in each.held_out]
    splits = freeze(task, {"train": _EVERY, "dev": _EVERY, "test": _EVERY}, public)
    return draw_problems(task, "train", count, seed, without={overlap.problem.id for overlap in splits.leaked})


def label_problems(
    problems: Sequence[Problem],
    student: LanguageModel,
    task: Task,
    *,
    tries: int = 2,
    rollouts: int = 8,
    max_tokens: int = 256,
    seed: int = 0,
) -> Labels:
    """Let a student solve problems, and label its solutions.

    Args:
        problems: to train on, see `trainable`.
        student: whose solutions and rollouts they are; behind the ledger nothing is made twice.
        task: reads and compares answers.
        tries: sampled solutions of each problem, besides the greedy one.
        rollouts: completions from each prefix that the search asks about.
        max_tokens: longest completion.
        seed: each (problem, sample) gets its own from it.

    Raises:
        InputError: there is nothing to learn from: no solution is right, or no wrong step was found.
    """
    model = InBatches(student)
    made = tried(problems, model, task, range(1, 1 + tries), max_tokens=max_tokens, seed=seed)
    right, wrong = (_distinct(made, problems, verdict) for verdict in (Verdict.CORRECT, Verdict.WRONG))
    how = Sampling(max_tokens=max_tokens, temperature=0.8)
    scorer = MonteCarlo(model, task, program_for("solve", task), sampling=how, rollouts=rollouts, seed=seed)
    progress.current().stage("search", 0)
    rows = search_labels(scorer, right, wrong)
    solved = sum(0.0 not in row.labels for row in rows)
    if not 0 < solved < len(rows):
        raise InputError(
            f"{solved} of {len(rows)} labelled solutions are right, so there is nothing to tell apart; let a student "
            "that solves some of the problems try, or more of them"
        )
    return Labels(rows, solved, wrong, model.rollouts, scorer.cost(wrong))


def _distinct(made: Sequence[Sequence[Attempt]], problems: Sequence[Problem], verdict: Verdict) -> list[StepItem]:
    """Give the solutions of a verdict in steps, none twice."""
    by_id = {problem.id: problem for problem in problems}
    found: dict[str, StepItem] = {}
    for attempt in (attempt for some in made for attempt in some if attempt.verdict is verdict):
        steps = tuple(split_steps(attempt.completion.text))
        if steps:
            item = StepItem(problem=by_id[attempt.problem], steps=steps)
            found[key_of(item)] = item
    return list(found.values())

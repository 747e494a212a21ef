"""Solutions to measure a scorer on: a student's greedy attempts, with the pass rates of their problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import Final

from selfimprove import progress
from selfimprove.programs import program_for
from selfimprove.protocols import LanguageModel, Task
from selfimprove.records import Attempt, Problem, Record, Sampling, Split, StepItem, Verdict, digest
from selfimprove.scorers.exact import ExactSteps, checkable
from selfimprove.scorers.steps import split_steps
from selfimprove.steps.draft import solve

_FIRST_SAMPLE: Final = 1_000_000
"""Samples that measure are never those that mining drew."""


class Solution(Record):
    """A greedy attempt in steps, and what is known of it."""

    item: StepItem
    right: tuple[bool, ...] | None = None
    """Which steps are right: those before the first wrong one. None where they cannot be checked exactly."""
    verdict: Verdict
    mean_logprob: float | None = None
    """Of the attempt's tokens, None where the engine hides it."""
    lowest_logprob: float | None = None
    """Of its least likely token."""
    pass_rate: float | None = None
    """Of the problem: share of right ones among the samples with a verdict, the attempt not counted in."""


def draw_problems(task: Task, split: Split, count: int, seed: int, *, without: Iterable[str] = ()) -> list[Problem]:
    """Draw problems of a split, none of those in `without`; as many as there are where there are fewer.

    Args:
        task: whose.
        split: which.
        count: the most.
        seed: of the draw.
        without: ids of problems that the scorer was trained on.
    """
    left_out = set(without)
    fresh = [problem for problem in task.problems(split) if problem.id not in left_out]
    return Random(f"prm {seed}").sample(fresh, min(count, len(fresh)))


def tried(
    problems: Sequence[Problem],
    student: LanguageModel,
    task: Task,
    samples: Sequence[int],
    *,
    max_tokens: int,
    temperature: float = 0.7,
    seed: int = 0,
) -> list[list[Attempt]]:
    """Let a student try each problem greedily, and once for each sample index, shape `[P][1 + len(samples)]`."""
    program = program_for("solve", task)
    progress.current().stage("solve", len(problems) * (1 + len(samples)))
    greedy = solve(problems, student, program, task, Sampling(max_tokens=max_tokens))
    if not samples:
        return greedy
    how = Sampling(max_tokens=max_tokens, temperature=temperature)
    drawn = solve(problems, student, program, task, how, samples=samples, seed=seed)
    return [[*first, *more] for first, more in zip(greedy, drawn, strict=True)]


def solve_problems(
    problems: Sequence[Problem],
    student: LanguageModel,
    task: Task,
    *,
    samples: int = 8,
    max_tokens: int = 256,
    temperature: float = 0.7,
    seed: int = 0,
    split: Callable[[str], Sequence[str]] = split_steps,
) -> list[Solution]:
    """Let a student solve problems: once greedily, and `samples` times for the pass rate.

    Attempts without a verdict or without a step are left out: there is nothing to tell right from wrong.

    Args:
        problems: what is solved, shape `[P]`.
        student: who writes the solutions; the scorer is measured for this student.
        task: reads and compares answers.
        samples: completions for the pass rate; 0: no pass rates.
        max_tokens: longest completion.
        temperature: of the samples.
        seed: each (problem, sample) gets its own from it.
        split: splits an attempt into steps.
    """
    wanted = range(_FIRST_SAMPLE, _FIRST_SAMPLE + samples)
    made = tried(problems, student, task, wanted, max_tokens=max_tokens, temperature=temperature, seed=seed)
    found = []
    for problem, (attempt, *more) in zip(problems, made, strict=True):
        item = StepItem(problem=problem, steps=tuple(split(attempt.completion.text)))
        if item.steps and attempt.verdict.decided:
            found.append(_solution(item, attempt, more))
    return found


def hash_of(solutions: Iterable[Solution]) -> str:
    """Name a set of solutions by problems, steps and labels."""
    return digest([(one.item.problem.id, one.item.steps, one.right) for one in solutions])


def _solution(item: StepItem, attempt: Attempt, samples: Sequence[Attempt]) -> Solution:
    decided = [one for one in samples if one.verdict.decided]
    right = ExactSteps().score([item])[0] if checkable(item.problem) else None
    return Solution(
        item=item,
        right=None if right is None else tuple(score > 0 for score in right),
        verdict=attempt.verdict,
        mean_logprob=attempt.completion.mean_logprob,
        lowest_logprob=attempt.completion.lowest_logprob,
        pass_rate=sum(one.verdict is Verdict.CORRECT for one in decided) / len(decided) if decided else None,
    )

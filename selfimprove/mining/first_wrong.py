"""Where a failed attempt first goes wrong, for tasks whose steps can be checked exactly."""

from __future__ import annotations

from selfimprove.errors import InputError
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Problem, StepItem, Verdict
from selfimprove.scorers import exact
from selfimprove.scorers.steps import split_steps
from selfimprove.tasks.arithmetic import Arithmetic


def first_wrong(problem: Problem, attempt: Attempt, task: Task) -> int | None:
    """Give the first wrong step of a wrong attempt, counted from 1; None where none is, or nothing can tell."""
    if attempt.verdict is not Verdict.WRONG or task.name != Arithmetic.name:
        return None
    try:
        at = exact.first_wrong(StepItem(problem=problem, steps=tuple(split_steps(attempt.completion.text))))
    except InputError:  # another task of that name
        return None
    return None if at is None else at + 1

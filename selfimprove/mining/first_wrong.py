"""Where a failed attempt first goes wrong, for tasks whose steps can be checked exactly."""

from __future__ import annotations

from selfimprove.records import Attempt, Problem, StepItem, Verdict
from selfimprove.scorers import exact
from selfimprove.scorers.steps import split_steps


def first_wrong(problem: Problem, attempt: Attempt) -> int | None:
    """Give the first wrong step of a wrong attempt, counted from 1; None where none is, or nothing can tell."""
    if attempt.verdict is not Verdict.WRONG or not exact.checkable(problem):
        return None
    at = exact.first_wrong(StepItem(problem=problem, steps=tuple(split_steps(attempt.completion.text))))
    return None if at is None else at + 1

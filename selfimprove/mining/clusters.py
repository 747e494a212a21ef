"""Which of several answers to one problem are the same answer, and how far they agree."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from selfimprove.answers import yes_no
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Problem, Verdict

_FEWEST = 2
_GUESSED = 5
"""Answers to choose from, at most, where a right one may be luck."""


def cluster_sizes(problem: Problem, attempts: Sequence[Attempt], task: Task) -> list[int]:
    """Count the attempts that give each answer, the largest cluster first; attempts without a verdict are left out.

    Same is what the task's comparison calls correct, with the one answer as the other's reference. All correct
    answers are one cluster, so a comparison that looks at the problem alone can only keep equal wrong answers apart.
    """
    decided = [a for a in attempts if a.verdict.decided]
    right = sum(a.verdict is Verdict.CORRECT for a in decided)
    sizes: dict[str, int] = {}
    for answer, count in Counter(a.answer or "" for a in decided if a.verdict is Verdict.WRONG).items():
        known = next((other for other in sizes if _same(answer, other, problem, task)), answer)
        sizes[known] = sizes.get(known, 0) + count
    return sorted([*([right] if right else []), *sizes.values()], reverse=True)


def _same(answer: str, other: str, problem: Problem, task: Task) -> bool:
    return task.compare(answer, problem.model_copy(update={"answer": other})) is Verdict.CORRECT


def answer_space(problem: Problem) -> int | None:
    """Give how many answers there are to choose from, None when there is no end of them.

    >>> answer_space(Problem.of("Do whales breathe air?", "yes")), answer_space(Problem.of("2 + 3?", "5"))
    (2, None)
    """
    if problem.choices:
        return len(problem.choices)
    return 2 if yes_no.canonical(problem.answer) else None


def guessable(problem: Problem) -> bool:
    """Say whether an answer can be guessed, so that a right one says little about the words before it.

    >>> guessable(Problem.of("Do whales breathe air?", "yes")), guessable(Problem.of("2 + 3?", "5"))
    (True, False)
    """
    space = answer_space(problem)
    return space is not None and space <= _GUESSED


def consistency(sizes: Sequence[int]) -> float | None:
    """Give the share of the largest cluster, in (0, 1]; None without answers."""
    return max(sizes) / sum(sizes) if sizes else None


def entropy_bits(sizes: Sequence[int]) -> float | None:
    """Give the entropy of the answers in bits: 0 when all agree; None without answers.

    >>> entropy_bits([2, 2])
    1.0
    """
    total = sum(sizes)
    return -sum(n / total * math.log2(n / total) for n in sizes) + 0.0 if total else None


def agreement(sizes: Sequence[int], space: int | None) -> float | None:
    """Give how far answers agree, from 0, as scattered as they can be, to 1, all the same.

    It is the consistency on a scale whose 0 is the least that so many samples of so many possible answers can have.
    The bare consistency of five yes/no answers is never under 60 %, that of five answers to a four-way choice never
    under 40 %, so a fixed bound such as 30 % tells nothing there.

    Args:
        sizes: of the clusters.
        space: possible answers, at least 2; None: no end of them.

    Returns:
        None when fewer than two answers were given, or no other result was possible.

    >>> agreement([3, 2], space=2), agreement([5], space=2), agreement([2, 1, 1, 1], space=4)
    (0.0, 1.0, 0.0)
    """
    total = sum(sizes)
    if total < _FEWEST:
        return None
    least = math.ceil(total / min(space or total, total))
    return (max(sizes) - least) / (total - least) if least < total else None

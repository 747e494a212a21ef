"""Measures of a step scorer against known labels, in plain Python; the AUC has a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from selfimprove.errors import InputError
from selfimprove.records import Record


class Bin(Record):
    """One point of a calibration curve."""

    low: float
    high: float
    count: int
    score: float
    """Mean score of the steps in the bin."""
    right: float
    """Share of them that are right."""


class Calibration(Record):
    """How far scores are from the chances they claim to be."""

    error: float
    """Expected calibration error: mean distance of score and share, weighted by steps, in [0, 1]."""
    bins: tuple[Bin, ...]
    """The curve; empty bins are left out."""


class ProcessBench(Record):
    """ProcessBench's figures (arXiv:2412.06559, section 3.3), each a share in [0, 1]."""

    erroneous: float
    """Solutions with an error whose first wrong step was named exactly."""
    correct: float
    """Solutions without an error that were said to have none."""
    f1: float
    """Harmonic mean of the two."""
    n_erroneous: int
    n_correct: int
    no_verdict: int
    """Solutions without a verdict; they count as missed in the shares."""


def calibration(scores: Sequence[float], right: Sequence[bool], bins: int = 10) -> Calibration:
    """Compare scores with shares of right steps in bins of equal width (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    >>> calibration([0.25, 0.25, 0.75, 0.75], [True, False, True, True], bins=2).error
    0.25
    """
    held: list[list[tuple[float, bool]]] = [[] for _ in range(bins)]
    for score, label in zip(scores, right, strict=True):
        held[min(bins - 1, int(score * bins))].append((score, label))
    curve = tuple(
        Bin(
            low=index / bins,
            high=(index + 1) / bins,
            count=len(some),
            score=sum(score for score, _ in some) / len(some),
            right=sum(label for _, label in some) / len(some),
        )
        for index, some in enumerate(held)
        if some
    )
    total = sum(each.count for each in curve)
    error = sum(each.count * abs(each.score - each.right) for each in curve) / total if total else 0.0
    return Calibration(error=error, bins=curve)


def first_below(scores: Sequence[float], threshold: float = 0.5) -> int | None:
    """Name the first step that scores below the threshold; None: all are right."""
    return next((index for index, score in enumerate(scores) if score < threshold), None)


def first_error_accuracy(named: Sequence[int | None], wrong: Sequence[int | None]) -> float:
    """Give the share of *erroneous* solutions whose first wrong step is named exactly.

    >>> first_error_accuracy([1, None, 0], [1, 2, None])
    0.5
    """
    pairs = [(one, other) for one, other in zip(named, wrong, strict=True) if other is not None]
    if not pairs:
        raise InputError("no solution has a wrong step, so none can be found")
    return sum(one == other for one, other in pairs) / len(pairs)


def processbench(
    scores_S_T: Sequence[Sequence[float] | None],  # noqa: N803 - ragged axes: solutions, steps
    labels: Sequence[int],
    threshold: float = 0.5,
) -> ProcessBench:
    """Give ProcessBench's F1 of a scorer.

    Args:
        scores_S_T: scores a step, None for no verdict.
        labels: index of each solution's first wrong step, -1 for none.
        threshold: a step below it is wrong; to be chosen on other data (the paper takes its GSM8K part).
    """
    said = [None if scores is None else first_below(scores, threshold) for scores in scores_S_T]
    named = [
        -2 if scores is None else (-1 if one is None else one) for scores, one in zip(scores_S_T, said, strict=True)
    ]
    return processbench_of(named, labels)


def processbench_of(named: Sequence[int], labels: Sequence[int]) -> ProcessBench:
    """Give ProcessBench's figures of named first wrong steps: an index, -1 for none, -2 for no verdict.

    Raises:
        InputError: there are no erroneous or no correct solutions.
    """
    erroneous = [one == label for one, label in zip(named, labels, strict=True) if label >= 0]
    correct = [one == label for one, label in zip(named, labels, strict=True) if label < 0]
    if not erroneous or not correct:
        raise InputError("ProcessBench's F1 needs solutions with and without an error")
    a, b = sum(erroneous) / len(erroneous), sum(correct) / len(correct)
    f1 = 2 * a * b / (a + b) if a + b else 0.0
    missing = sum(one == -2 for one in named)  # noqa: PLR2004
    return ProcessBench(
        erroneous=a, correct=b, f1=f1, n_erroneous=len(erroneous), n_correct=len(correct), no_verdict=missing
    )


def best_threshold(scores_S_T: Sequence[Sequence[float] | None], labels: Sequence[int]) -> float:  # noqa: N803
    """Choose the threshold of highest F1 among 99 hundredths, the middle one of equals; never on the data reported."""
    tried = [(processbench(scores_S_T, labels, step / 100).f1, step / 100) for step in range(1, 100)]
    best = max(f1 for f1, _ in tried)
    equal = [threshold for f1, threshold in tried if f1 == best]
    return equal[len(equal) // 2]


def spearman(x: Sequence[float], y: Sequence[float]) -> float:
    """Give the rank correlation of two measures, ties sharing their mean rank; 0 where one is constant.

    >>> round(spearman([1, 2, 3, 4], [10, 20, 40, 30]), 3)
    0.8
    """
    a, b = _ranks(x), _ranks(y)
    if len(a) != len(b):
        raise InputError(f"a rank correlation needs pairs, not {len(a)} and {len(b)} values")
    mean = (len(a) + 1) / 2
    both = sum((i - mean) * (j - mean) for i, j in zip(a, b, strict=True))
    spread = sum((i - mean) ** 2 for i in a) * sum((j - mean) ** 2 for j in b)
    return both / spread**0.5 if spread else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranks, before = [0.0] * len(values), 0
    for _, some in groupby(order, key=lambda index: values[index]):
        tied = list(some)
        for index in tied:
            ranks[index] = before + (len(tied) + 1) / 2
        before += len(tied)
    return ranks

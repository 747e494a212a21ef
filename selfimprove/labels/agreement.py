"""How far two sets of labels agree: accuracy with its interval, Cohen's kappa and the confusions, by dimension."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from selfimprove.errors import MissingDependencyError
from selfimprove.labels.taxonomy import DIMENSIONS, LEVELS
from selfimprove.records import Interval, Record
from selfimprove.stats import wilson

Labels = Mapping[str, str]


class Agreement(Record):
    """How labels of one dimension agree with what they are held against."""

    dimension: str
    n: int
    """Problems with a label on both sides."""
    agreed: int
    accuracy: float | None
    """Share of `n` that agree; None where `n` is 0."""
    interval: Interval
    """Of that share, 95 % (Wilson)."""
    kappa: float | None
    """Cohen's (1960, doi:10.1177/001316446002000104): 1 is full agreement, 0 is chance; None where all is one name."""
    no_verdict: int
    """Problems whose label is missing where there is one to hold it against; not among `n`."""
    names: tuple[str, ...]
    """In order: of those that are held against, then others that were said; a level's with the levels above it."""
    matrix: tuple[tuple[int, ...], ...]
    """Problems by true name (rows) and said name (columns), shape `[names][names]`."""

    def confusions(self) -> list[tuple[str, str, int]]:
        """Give (true name, said name, problems) of all that disagree, the most frequent first."""
        found = [
            (true, said, self.matrix[row][column])
            for row, true in enumerate(self.names)
            for column, said in enumerate(self.names)
            if row != column and self.matrix[row][column]
        ]
        return sorted(found, key=lambda each: -each[2])


def agreements(truth: Sequence[Labels], said: Sequence[Labels]) -> list[Agreement]:
    """Compare two sets of labels of the same problems, in the same order.

    Args:
        truth: what is held to be right, shape `[P]`; dimensions that no problem has are left out.
        said: what is measured, shape `[P]`.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    found = [agreement(name, truth, said) for name in DIMENSIONS if any(name in labels for labels in truth)]
    return [one for one in found if one.n + one.no_verdict]


def agreement(dimension: str, truth: Sequence[Labels], said: Sequence[Labels]) -> Agreement:
    """Compare one dimension.

    A level is only right below the right levels, as far as these are given: "one step" of another topic is another
    thing.

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    pairs: list[tuple[str, str]] = []
    missing = 0
    for right, label in zip(truth, said, strict=True):
        if dimension not in right:
            continue
        if dimension not in label:
            missing += 1
            continue
        known = (
            [name for name in (*LEVELS[: LEVELS.index(dimension)], dimension) if name in right]
            if (dimension in LEVELS)
            else [dimension]
        )
        pairs.append((_value(right, known), _value(label, known)))
    return _of_pairs(dimension, pairs, missing)


def _value(labels: Labels, known: Sequence[str]) -> str:
    return " > ".join(labels.get(name, "?") for name in known)


def _of_pairs(dimension: str, pairs: Sequence[tuple[str, str]], missing: int) -> Agreement:
    counts = Counter(true for true, _ in pairs)
    names = [*counts, *dict.fromkeys(said for _, said in pairs if said not in counts)]
    agreed = sum(true == said for true, said in pairs)
    both = Counter(pairs)
    kappa: float | None = None
    if len(names) > 1:  # where all is one name it is 0 divided by 0
        kappa = round(float(check_metrics().cohen_kappa_score(*zip(*pairs, strict=True), labels=names)), 6)
    return Agreement(
        dimension=dimension,
        n=len(pairs),
        agreed=agreed,
        accuracy=round(agreed / len(pairs), 6) if pairs else None,
        interval=wilson(agreed, len(pairs)),
        kappa=kappa,
        no_verdict=missing,
        names=tuple(names),
        matrix=tuple(tuple(both[true, said] for said in names) for true in names),
    )


def check_metrics() -> Any:
    """Give scikit-learn's metrics.

    Raises:
        MissingDependencyError: it is not installed.
    """
    try:
        return import_module("sklearn.metrics")
    except ImportError as error:
        raise MissingDependencyError(
            'Cohen\'s kappa needs scikit-learn; install it with: pip install "selfimprove[label]"'
        ) from error

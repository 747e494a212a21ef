"""Where things lie in the page's figures: numbers only, the template draws them.

Horizontal places are per cent of the figure's width and vertical ones pixels, so a figure fits a
phone and a sheet of paper without its text becoming small.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from selfimprove.formats import percent
from selfimprove.graphs.places import arm_of
from selfimprove.report.decided_schema import RoundSummary, SampledSummary, ScoreSummary
from selfimprove.report.schema import BaselineSummary, LabelPair, Summary
from selfimprove.report.selected_schema import LevelSummary

HEIGHT_PX = 320
_TOP_PX, _BOTTOM_PX = 18, 34
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
_MOST_TICKS = 6
_DODGE_PX, _NARROW_DODGE_PX = 9, 3
_MANY_ROUNDS = 12
_LEAST_SPAN = 0.1
_MOST_TICK_LABELS = 12


@dataclass(frozen=True)
class Scale:
    """A stretch of accuracies that is shown."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def across(self, value: float) -> float:
        """Give the place from left to right, in per cent."""
        return round(100 * self._share(value), 2)

    def down(self, value: float) -> float:
        """Give the place from top to bottom in the round figure, in pixels."""
        room = HEIGHT_PX - _TOP_PX - _BOTTOM_PX
        return round(_TOP_PX + room * (1 - self._share(value)), 1)

    def _share(self, value: float) -> float:
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))


@dataclass(frozen=True)
class Point:
    """One score in the round figure."""

    x: float
    y: float
    top: float
    bottom: float
    mark: str
    """`promote`, `hold`, `roll back` or `baseline`."""
    title: str
    value: str
    """Written beside the point; empty for most."""


@dataclass(frozen=True)
class Series:
    """One arm's way through the rounds."""

    name: str
    tone: str
    """Class that colours it: `tone-0` ... `tone-4` or `tone-base`."""
    dodge: int
    """Pixels to the right, so that arms of one round do not cover each other."""
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Band:
    """The baseline that gains count from, over the whole width."""

    y: float
    top: float
    height: float


@dataclass(frozen=True)
class Chart:
    """Accuracy on dev from round to round, by what decides."""

    scale: Scale
    slots: tuple[tuple[float, str], ...]
    """Place and name of each round."""
    series: tuple[Series, ...]
    baselines: Series
    band: Band | None
    radius: float
    """Of the points, in pixels: smaller where there are many."""


def deciding(row: RoundSummary | BaselineSummary) -> ScoreSummary | SampledSummary:
    """Give what is decided on: the samples of a dev problem where some are drawn, else the greedy answer."""
    return row.sampled or row.dev


def scale_over(scores: Iterable[ScoreSummary | SampledSummary]) -> Scale:
    """Choose a stretch with round ends that holds all intervals.

    >>> scale_over([]).ticks
    (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    """
    ends = [end for score in scores for end in (*score.interval, score.accuracy)] or [0.0, 1.0]
    low, high = max(0.0, min(ends)), min(1.0, max(ends))
    if low < high / 3:  # zero is near enough to be shown
        low = 0.0
    if high - low < _LEAST_SPAN:  # a small difference should look small
        low = max(0.0, (low + high - _LEAST_SPAN) / 2)
        high = min(1.0, low + _LEAST_SPAN)
    step = next((s for s in _STEPS if _ticks_between(low, high, s) <= _MOST_TICKS), _STEPS[-1])
    first, last = math.floor(low / step + 1e-9), max(math.ceil(high / step - 1e-9), math.floor(low / step + 1e-9) + 1)
    ticks = tuple(round(index * step, 4) for index in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], ticks)


def _ticks_between(low: float, high: float, step: float) -> int:
    return math.ceil(high / step - 1e-9) - math.floor(low / step + 1e-9) + 1


def arms_of(rounds: Iterable[RoundSummary]) -> dict[str, str]:
    """Give each arm its colour class, in order of first appearance."""
    return {name: f"tone-{at % 5}" for at, name in enumerate(dict.fromkeys(row.arm for row in rounds))}


def accuracy_chart(summary: Summary) -> Chart | None:
    """Lay out the accuracy of every arm in every round, None when nothing was evaluated yet."""
    scores = [*map(deciding, summary.baselines), *map(deciding, summary.rounds)]
    if not scores:
        return None
    scale = scale_over(scores)
    rounds = sorted({row.round for row in summary.rounds})
    width = 100 / (len(rounds) + 1)
    at = {number: round(width * (index + 1.5), 2) for index, number in enumerate(rounds)}
    every = math.ceil(len(rounds) / _MOST_TICK_LABELS)
    names = [f"round {n}" if len(rounds) <= 3 else str(n) for n in rounds]  # noqa: PLR2004 - what fits on a phone
    slots = [(at[n], name) for index, (n, name) in enumerate(zip(rounds, names, strict=True)) if index % every == 0]
    arms, many = arms_of(summary.rounds), len(rounds) > _MANY_ROUNDS
    series = [
        Series(name, tone, _dodge(index, len(arms), many=many), _points(summary, name, scale, at))
        for index, (name, tone) in enumerate(arms.items())
    ]
    before = round(width / 2, 2)
    return Chart(
        scale,
        ((before, "before"), *slots),
        tuple(series),
        _baselines(summary, scale, before),
        _band(summary, scale),
        3.5 if many else 5,
    )


def _dodge(index: int, of: int, *, many: bool) -> int:
    return round((_NARROW_DODGE_PX if many else _DODGE_PX) * (index - (of - 1) / 2))


def _points(summary: Summary, arm: str, scale: Scale, at: Mapping[int, float]) -> tuple[Point, ...]:
    rows = [row for row in summary.rounds if row.arm == arm]
    return tuple(
        _point(
            row,
            scale,
            at[row.round],
            row.decision,
            f"round {row.round}, {arm}, {row.decision}",
            labelled=is_best(summary, row),
        )
        for row in rows
    )


def is_best(summary: Summary, row: RoundSummary) -> bool:
    """Say whether this arm of this round made the best adapter."""
    return (row.round, row.arm) == (summary.best.round, arm_of(summary.best.path))


def best_tone(summary: Summary) -> str:
    """Give the colour class of the arm that made the best adapter."""
    arm = next((row.arm for row in summary.rounds if is_best(summary, row)), None)
    return arms_of(summary.rounds)[arm] if arm else "tone-0"


def _point(
    row: RoundSummary | BaselineSummary, scale: Scale, x: float, mark: str, what: str, *, labelled: bool
) -> Point:
    score = deciding(row)
    low, high = score.interval
    share = percent(score.accuracy)
    title = f"{what}: {share} of {row.dev.n}, 95 % interval {100 * low:.1f} to {100 * high:.1f}"
    return Point(
        x, scale.down(score.accuracy), scale.down(high), scale.down(low), mark, title, share if labelled else ""
    )


def _baselines(summary: Summary, scale: Scale, x: float) -> Series:
    points = [
        _point(
            row,
            scale,
            x,
            "baseline" if row.chosen else "other",
            f"before training, {row.name}",
            labelled=row.chosen,
        )
        for row in summary.baselines
    ]
    return Series("before training", "tone-base", 0, tuple(points))


def _band(summary: Summary, scale: Scale) -> Band | None:
    chosen = next((deciding(row) for row in summary.baselines if row.chosen), None)
    if chosen is None:
        return None
    top, bottom = scale.down(chosen.interval[1]), scale.down(chosen.interval[0])
    return Band(scale.down(chosen.accuracy), top, round(bottom - top, 1))


def in_order(values: Iterable[str]) -> list[str]:
    """Sort label values: numbers by size, the rest by name.

    >>> in_order(["10", "9", "1"]), in_order(["b", "10", "a"])
    (['1', '9', '10'], ['10', 'a', 'b'])
    """
    listed = list(values)
    try:
        return sorted(listed, key=float)
    except ValueError:
        return sorted(listed)


@dataclass(frozen=True)
class Cell:
    """A field of a heat table."""

    share: float
    """How strongly it is coloured, in [0, 1]."""
    text: str
    title: str


@dataclass(frozen=True)
class Heat:
    """A table whose fields are coloured by their size."""

    title: str
    values: tuple[str, ...]
    """Heads of the columns."""
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def heat_tables(summary: Summary, most_values: int = 10) -> list[Heat]:
    """Lay out dev accuracy by label and round, for labels with few enough values to stand side by side."""
    shown: list[tuple[str, Mapping[str, Mapping[str, ScoreSummary]]]] = [
        ("before", row.by_label) for row in summary.baselines if row.chosen and row.by_label
    ]
    several = len({row.arm for row in summary.rounds}) > 1
    shown += [
        (f"round {row.round}" + (f", {row.arm}" if several else ""), row.by_label)
        for row in summary.rounds
        if row.by_label
    ]
    labels = dict.fromkeys(label for _, by_label in shown for label in by_label)
    made = []
    for label in labels:
        values = in_order({value for _, by_label in shown for value in by_label.get(label, {})})
        if 1 < len(values) <= most_values:
            rows = tuple(
                (name, tuple(_accuracy(by_label.get(label, {}).get(value)) for value in values))
                for name, by_label in shown
            )
            made.append(Heat(f"Dev accuracy by {label}, round by round", tuple(values), rows))
    return made


def _accuracy(score: ScoreSummary | None) -> Cell | None:
    if score is None:
        return None
    low, high = (100 * end for end in score.interval)
    return Cell(score.accuracy, f"{100 * score.accuracy:.0f}", f"{score.correct} of {score.n}, {low:.0f} to {high:.0f}")


def level_tables(levels: LevelSummary, most_values: int = 10) -> list[Heat]:
    """Lay out a pool's levels by each label with few enough values; the whole pool leads each table."""
    heads = (*(f"difficulty {level}" for level in range(len(levels.all))), "all")
    by_label = {label: values for label, values in levels.by_label.items() if 1 < len(values) <= most_values}
    return [
        Heat(
            f"How hard, by the problems' {label}" if label else "How hard",
            heads,
            (("all", _counts(levels.all)), *((value, _counts(values[value])) for value in in_order(values))),
        )
        for label, values in (by_label or {"": {}}).items()
    ]


def _counts(counts: Sequence[int]) -> tuple[Cell | None, ...]:
    total = sum(counts)
    shares = [count / total if total else 0.0 for count in counts]
    cells = [Cell(share, f"{n}", f"{percent(share, 0)} of {total}") for n, share in zip(counts, shares, strict=True)]
    return (*cells, Cell(0.0, f"{total}", "graded problems"))


def pair_scale(pairs: Mapping[str, LabelPair]) -> Scale:
    """Choose one stretch for all values of a label."""
    scores: Sequence[ScoreSummary | None] = [score for pair in pairs.values() for score in (pair.base, pair.best)]
    return scale_over(score for score in scores if score is not None)

"""The card of a scorer as a table."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfimprove.formats import as_text, percent
from selfimprove.records import Interval
from selfimprove.scorers.figures import Figures, Measured, Ranks, ScorerCard

NONE = "-"


def card_table(card: ScorerCard, aggregate: str = "mean") -> RenderableType:
    """Give a card as tables: a row for the scorer and for each baseline, then its calibration curve.

    Args:
        card: what was measured.
        aggregate: how step scores become the score of a solution that is ranked.
    """
    parts: list[RenderableType] = [Text(f"Scorer: {card.scorer}")]
    for one in card.measured:
        parts += [Text(), Text(f"On {one.on}: {one.solutions} solutions, data {one.data}")]
        parts += [Text(f"Student: {one.student}")] if one.student else []
        parts += [_figures(one, aggregate), *_within(one, aggregate), *_curve(one.own)]
        parts += [Text(line) for line in _notes(one)]
    return Group(*parts)


def written(card: ScorerCard, aggregate: str = "mean", width: int = 120) -> str:
    """Give the tables as plain text."""
    return as_text(card_table(card, aggregate), width)


def _figures(one: Measured, aggregate: str) -> Table:
    benched = one.own.processbench is not None
    last = ("erroneous", "correct", "F1") if benched else ("rank", "within kinds", "among failed")
    table = Table("", "AUC (95 %)", "in place", "to error", "ECE", "1st error", *last, box=None, pad_edge=False)
    for name, figures in {"scorer": one.own, **one.baselines}.items():
        steps = figures.steps
        cells = [NONE] * 5
        if steps is not None:
            cells = [
                f"{steps.auc:.3f} ({_between(steps.interval)})",
                _number(steps.in_place),
                _number(steps.auc_to_error),
                _number(steps.calibration.error),
                _percent(steps.first_error),
            ]
        table.add_row(name, *cells, *_last(figures, aggregate))
    return table


def _last(figures: Figures, aggregate: str) -> list[str]:
    if (bench := figures.processbench) is not None:
        return [_percent(bench.erroneous), _percent(bench.correct), _percent(bench.f1)]
    ranks = _ranked(figures, aggregate)
    return [_number(ranks.all), _number(ranks.mean_within), _number(ranks.failed)] if ranks else [NONE] * 3


def _within(one: Measured, aggregate: str) -> list[RenderableType]:
    """Give the rank correlations within each kind."""
    rows = {name: _ranked(some, aggregate) for name, some in {"scorer": one.own, **one.baselines}.items()}
    kinds = list(dict.fromkeys(kind for ranks in rows.values() if ranks for kind in ranks.within))
    if not kinds:
        return []
    table = Table("rank within", *kinds, box=None, pad_edge=False)
    for name, ranks in rows.items():
        table.add_row(name, *(_number(ranks.within.get(kind) if ranks else None) for kind in kinds))
    return [Text(), table]


def _curve(figures: Figures) -> list[RenderableType]:
    if figures.steps is None:
        return []
    table = Table("score", "mean", "right", "steps", box=None, pad_edge=False)
    for each in figures.steps.calibration.bins:
        table.add_row(
            f"{each.low:.1f} to {each.high:.1f}", f"{each.score:.2f}", _percent(each.right), f"{each.count:,}"
        )
    return [Text(), table]


def _notes(one: Measured) -> Iterator[str]:
    yield ""
    for name, gap in one.gaps.items():
        verdict = "beats it" if gap.interval.low > 0 else "is worse" if gap.interval.high < 0 else "no clear difference"
        yield f"AUC less that of {name}: {gap.difference:+.3f} ({_between(gap.interval)}): {verdict}"
    if one.own.steps is not None and one.own.processbench is None:
        yield f"A step below {one.own.steps.threshold:g} is called wrong; {one.own.no_verdict} without a verdict."
    if (bench := one.own.processbench) is not None:
        yield f"{bench.n_erroneous} erroneous, {bench.n_correct} correct; {bench.no_verdict} without a verdict, missed."
    yield from one.notes


def _ranked(figures: Figures, aggregate: str) -> Ranks | None:
    return next((one for one in figures.ranks if one.aggregate == aggregate), None)


def _between(interval: Interval) -> str:
    return f"{interval.low:.3f} to {interval.high:.3f}"


def _number(value: float | None) -> str:
    return NONE if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return NONE if value is None else percent(value)

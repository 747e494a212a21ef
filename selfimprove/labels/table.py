"""What labelling and coverage came to, as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfimprove.formats import as_text, count, percent
from selfimprove.labels.agreement import Agreement
from selfimprove.labels.coverage import Coverage
from selfimprove.labels.outline import WORDS
from selfimprove.labels.stage import LabelReport

_NONE = "-"


def written(report: LabelReport, width: int = 120) -> str:
    """Write a report as tables: against gold labels where there are any, and the check against the first judgement."""
    parts: list[RenderableType] = []
    for title, found in (
        ("Labels against gold labels", report.gold),
        ("Check against gold labels", report.gold_of_check),
        ("Check against labels", report.checks),
    ):
        parts += [Text(title), _table(found), Text()] if found else []
    said = (
        f"{count(report.problems)} problems, {count(report.whole)} labelled in all dimensions, "
        f"{count(report.disputed)} disputed."
    )
    return "\n".join([as_text(Group(*parts), width), said])


def told(coverage: Coverage, width: int = 120) -> str:
    """Write what a library holds of each subject as a table."""
    table = Table("", "wanted", "there", "missing", "too many", "full cells", box=None, pad_edge=False)
    for name, cells in coverage.subjects():
        sums = [sum(held[at] for held in cells) for at in (1, 0)]
        sums += [sum(held.missing for held in cells), sum(held.surplus for held in cells)]
        full = f"{sum(not held.missing for held in cells):,} of {len(cells):,}"
        table.add_row(name, *map(count, sums), full)
    outside = [one for one in coverage.problems if one.cell is None]
    said = f"{count(len(coverage.problems))} problems, {count(len(outside))} of them fit no cell."
    first = [f"{outside[0].given.row.where}: {outside[0].why}"] if outside else []
    return "\n".join([as_text(table, width), "", said, *first])


def _table(found: Sequence[Agreement]) -> Table:
    table = Table("", "compared", "no verdict", "agree (95 %)", "kappa", "most confused", box=None, pad_edge=False)
    for one in found:
        share = _NONE
        if one.accuracy is not None:
            low, high = one.interval.low, one.interval.high
            share = f"{percent(one.accuracy)} ({100 * low:.1f} to {100 * high:.1f})"
        worst = next(iter(one.confusions()), None)
        confused = f"{worst[0]} as {worst[1]}: {worst[2]}" if worst else _NONE
        kappa = _NONE if one.kappa is None else f"{one.kappa:.3f}"
        table.add_row(WORDS[one.dimension], count(one.n), count(one.no_verdict), share, kappa, Text(confused))
    return table

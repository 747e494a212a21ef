"""The page a person looks at: one HTML file that asks nothing of the network and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final

from selfimprove import formats
from selfimprove.arms import is_told
from selfimprove.errors import MissingDependencyError
from selfimprove.report import figures, moves
from selfimprove.report.decided_schema import Outcome, ScoreSummary
from selfimprove.report.schema import STOPPED, Summary, TestSummary
from selfimprove.report.selected_schema import LevelSummary, SelectionSummary
from selfimprove.store import write_whole

if TYPE_CHECKING:
    from jinja2 import Environment

_TOLD = " (told the rationale: not comparable)"
_DECIDED: Final[Mapping[Outcome, str]] = {"promote": "promoted", "hold": "held", "roll back": "rolled back"}
VERDICTS = {
    "correct": "correct",
    "wrong": "wrong",
    "truncated": "cut off by the token limit",
    "unparseable": "no answer found",
    "timeout": "comparison took too long",
    "error": "failed",
}


def write_page(summary: Summary, out: Path) -> Path:
    """Write a campaign's report as one self-contained HTML file, and give its path.

    The same summary gives the same bytes. All text of models and data is escaped, and the page's own policy forbids
    scripts and requests.

    Raises:
        MissingDependencyError: jinja2 is not installed.
        RunFolderError: the place cannot be written to.
    """
    write_whole(out, render_page(summary).encode("utf-8", "replace"))
    return out


def render_page(summary: Summary) -> str:
    """Give the page as text; errors as `write_page`."""
    template = environment().get_template("page.html.jinja")
    rounds = [(number, list(rows)) for number, rows in groupby(summary.rounds, key=lambda row: row.round)]
    tested = _test_rows(summary)
    return template.render(
        s=summary,
        why=STOPPED.get(summary.stopped, ""),
        chart=figures.accuracy_chart(summary),
        height=figures.HEIGHT_PX,
        tones=figures.arms_of(summary.rounds),
        heats=figures.heat_tables(summary),
        levels=_levels(summary),
        kinds=moves.kind_table(summary),
        moved=moves.move_tables(summary),
        mended=moves.repair_tables(summary),
        rounds=rounds,
        chosen=next((row for row in summary.baselines if row.chosen), None),
        best=next((row for row in summary.rounds if figures.is_best(summary, row)), None),
        best_tone=figures.best_tone(summary),
        test_rows=tested,
        higher=_higher(summary),
        test_scale=figures.scale_over(score for _, score, _, _ in tested),
    )


def _levels(
    summary: Summary,
) -> list[tuple[int, LevelSummary | None, list[figures.Heat], SelectionSummary | None]]:
    """List each round's levels and their tables, and how it chose."""
    pools = {pool.round: pool for pool in summary.levels}
    chosen = {row.round: row.selection for row in summary.rounds if row.selection is not None}
    return [
        (n, pools.get(n), figures.level_tables(pools[n]) if n in pools else [], chosen.get(n))
        for n in sorted({*pools, *chosen})
    ]


def _test_rows(summary: Summary) -> list[tuple[str, ScoreSummary, ScoreSummary | None, str]]:
    """List what was tested as (name, score, strict score, colour class)."""
    test = summary.test
    if test is None:
        return []
    named = [
        ("base", test.base, test.strict.base, "tone-base"),
        ("best", test.best, test.strict.best, figures.best_tone(summary)),
        ("control", test.control, test.strict.control, "tone-control"),
    ]
    rows = [(name, score, strict, tone) for name, score, strict, tone in named if score is not None]
    tones = figures.arms_of(summary.rounds)
    rows += [
        (f"{arm}, last round{_TOLD if is_told(arm) else ''}", score, None, tones.get(arm, "tone-1"))
        for arm, score in test.arms.items()
    ]
    return rows


def _higher(summary: Summary) -> list[str]:
    """Say of each arm that is above the best on test what dev decided about it; one that is told is not compared."""
    test = summary.test
    if test is None or test.best is None:
        return []
    last = {row.arm: row for row in summary.rounds}
    above = [
        last[arm] for arm in test.arms if not is_told(arm) and arm in last and _on_test(test, arm) > _on_test(test)
    ]
    return [
        f"{row.arm} of round {row.round} was {_DECIDED[row.decision]} on dev ({formats.points(row.difference.points)} "
        "points); a higher figure on test chooses nothing."
        for row in above
    ]


def _on_test(test: TestSummary, arm: str = "") -> float:
    """Give an arm's accuracy on test, that of the best without one, by what dev was decided on."""
    sampled, greedy = test.sampled.get(arm or "best"), test.arms[arm] if arm else test.best
    found = sampled or greedy
    return found.accuracy if found else 0.0


def environment() -> Environment:
    """Give what renders the templates of this folder, with the library's ways to write numbers.

    Raises:
        MissingDependencyError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:
        raise MissingDependencyError(
            'the report page needs jinja2; install it with: pip install "selfimprove[report]"'
        ) from error
    made = Environment(
        loader=PackageLoader("selfimprove", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for tool in (
        formats.percent,
        formats.points,
        formats.p_value,
        formats.dollars,
        formats.duration,
        formats.count,
        formats.large,
        formats.times,
        figures.deciding,
        figures.in_order,
        figures.pair_scale,
    ):
        made.filters[tool.__name__] = tool
    made.globals["verdicts"] = VERDICTS
    return made

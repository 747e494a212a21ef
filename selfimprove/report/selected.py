"""How a run chose its lessons, read from its pools and its probe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from selfimprove.graphs.places import PROBE, round_folder
from selfimprove.mining.library import Graded, count_levels
from selfimprove.report.selected_schema import (
    CandidateSummary,
    LevelSummary,
    ProbeSummary,
    QuotaSummary,
    SelectionSummary,
)
from selfimprove.steps.probe import Candidate, Probed
from selfimprove.store import RunFolder

_MOST_VALUES: Final = 50


def levels_of(folder: RunFolder, rounds: int) -> tuple[LevelSummary, ...]:
    """Count the levels of each round's graded pool, all and by label.

    Args:
        folder: the run folder.
        rounds: how many there are at most.
    """
    names = [(round_, f"{round_folder(round_)}/grades.jsonl") for round_ in range(1, rounds + 1)]
    return tuple(_levels(round_, folder.rows(name, Graded)) for round_, name in names if folder.has(name))


def _levels(round_: int, rows: list[Graded]) -> LevelSummary:
    counted = {label: count_levels(rows, label).by_value for label in sorted({name for r in rows for name in r.labels})}
    return LevelSummary(
        round=round_,
        all=count_levels(rows).all,
        by_label={label: values for label, values in counted.items() if len(values) <= _MOST_VALUES},
        graded_by=dict(sorted(Counter(row.by for row in rows).items())),
    )


def selection_of(pool: Mapping[str, Any]) -> SelectionSummary | None:
    """Give how a round chose, from its `pool.json`; None where that does not tell."""
    if not pool.get("policy"):
        return None
    return SelectionSummary(
        policy=pool["policy"],
        order=pool["order"],
        lessons=pool["lessons"],
        library=pool["library"],
        quotas=tuple(QuotaSummary.model_validate(quota) for quota in pool["quotas"]),
        notes=tuple(pool["notes"]),
    )


def probe_of(folder: RunFolder) -> ProbeSummary | None:
    """Give what the probe came to; None where there was none."""
    made = folder.found(PROBE, Probed)
    if made is None:
        return None
    return ProbeSummary(
        policy=made.policy,
        default=made.default,
        sentence=made.sentence,
        problems=made.problems,
        rows=made.rows,
        budget_rows=made.budget_rows,
        alpha=made.alpha,
        candidates=tuple(_candidate(one) for one in made.candidates),
    )


def _candidate(one: Candidate) -> CandidateSummary:
    c = one.comparison
    return CandidateSummary(
        policy=one.policy,
        rows=one.rows,
        trained_tokens=one.trained_tokens,
        correct=one.correct,
        points=None if c is None else round(100 * c.difference, 4),
        interval=None if c is None else (round(100 * c.interval.low, 2), round(100 * c.interval.high, 2)),
        p_value=None if c is None else c.p_better,
    )

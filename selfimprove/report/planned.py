"""The plan beside what was done."""

from __future__ import annotations

from collections.abc import Sequence

from selfimprove.ledger import Ledger
from selfimprove.planning.plans import Plan
from selfimprove.report.schema import Planned, StageCost

_LESSON = ("draft", "ask", "answer", "rewrite", "reason")


def planned(plan: Plan, ledger: Ledger, stages: Sequence[StageCost]) -> tuple[Planned, ...]:
    """Put each stage of a plan beside its calls, dollars and seconds in the ledger."""
    seconds = ledger.spans()
    return tuple(
        Planned(
            stage=line.stage,
            planned_calls=line.student_calls + line.teacher_calls,
            calls=sum(row.calls for row in stages if _of(row.stage) == line.stage),
            planned_usd=line.usd,
            usd=sum(row.usd for row in stages if _of(row.stage) == line.stage),
            planned_s=line.seconds,
            wall_s=round(sum(spent for name, spent in seconds.items() if _of(name) == line.stage), 3),
        )
        for line in plan.lines
    )


def _of(stage: str) -> str:
    """Name the line of the plan that a stage of the graphs belongs to.

    >>> _of("evaluate track_b"), _of("final base"), _of("rewrite"), _of("train control")
    ('evaluate', 'evaluate', 'lessons', 'control')
    """
    if stage == "train control":
        return "control"
    if stage == "watch" or stage.startswith("final "):
        return "evaluate"
    return "lessons" if stage in _LESSON else stage.partition(" ")[0]

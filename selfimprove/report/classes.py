"""How yes and no are spread, in the reference and in what a student says: one that always says no is half right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from selfimprove.graphs.places import round_folder
from selfimprove.records import Attempt, Problem
from selfimprove.report.decided_schema import AnswerCounts
from selfimprove.store import RunFolder

CLASSES: Final = ("yes", "no")
NO_VERDICT: Final = "no verdict"


def said(attempts: Iterable[Attempt]) -> dict[str, int]:
    """Count the answers of attempts at yes/no problems; what has no verdict is counted apart.

    >>> said([])
    {'yes': 0, 'no': 0, 'no verdict': 0}
    """
    found = Counter(attempt.answer if attempt.verdict.decided else NO_VERDICT for attempt in attempts)
    return {name: found[name] for name in (*CLASSES, NO_VERDICT)}


def answer_counts(folder: RunFolder, rounds: int) -> AnswerCounts | None:
    """Count dev's answers and those of the base and of the best student; None where they are not yes and no.

    Args:
        folder: the run folder.
        rounds: that are decided.
    """
    if not folder.has("round-00/decision.json"):
        return None
    reference = Counter(problem.answer for problem in folder.rows("data/dev.jsonl", Problem))
    if not set(reference) <= set(CLASSES):
        return None
    base, best = (_predictions(folder, round_) for round_ in (0, rounds))
    return AnswerCounts(
        reference={name: reference[name] for name in CLASSES},
        base=_said(folder, base),
        best=_said(folder, best) if best != base else None,
    )


def _predictions(folder: RunFolder, round_: int) -> str:
    """Name the greedy answers on dev of what was best after a round."""
    named: str = folder.json(f"{round_folder(round_)}/decision.json")["predictions"]
    return named


def _said(folder: RunFolder, name: str) -> Mapping[str, int]:
    return said(folder.rows(name, Attempt))

"""Probe: which way to select is worth most, tried on a small part of the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from selfimprove.formats import percent
from selfimprove.records import Comparison, Record
from selfimprove.steps.decide import p_text
from selfimprove.steps.evaluate import compare_right

SHARE: Final = 0.05
"""The most of a campaign's rows that a probe may train on."""
_FEWEST_ROWS: Final = 8
_ALPHA: Final = 0.05


class Candidate(Record):
    """One policy that was tried."""

    policy: str
    rows: int
    trained_tokens: int
    correct: int
    """Problems of the probe set."""
    comparison: Comparison | None = None
    """With the default, on the probe set; None for the default itself."""


class Probed(Record):
    """What a probe came to. A file of the round."""

    policy: str
    """The one that is taken for the whole campaign."""
    default: str
    sentence: str
    problems: int
    """Of the probe set."""
    rows: int
    """Rows trained on, over all candidates."""
    budget_rows: int
    """Rows that the settings let the campaign train on."""
    alpha: float
    """What each comparison with the default could spend."""
    candidates: tuple[Candidate, ...] = ()


def rows_each(budget_rows: int, candidates: int) -> int:
    """Give how many rows each candidate may train on, 0 where too few to tell anything.

    >>> rows_each(2100, 4), rows_each(400, 4)
    (26, 0)
    """
    each = int(SHARE * budget_rows) // candidates
    return each if each >= _FEWEST_ROWS else 0


def not_probed(default: str, candidates: int, budget_rows: int, why: str = "") -> Probed:
    """Say that nothing was tried, and take the default."""
    needed = -(-_FEWEST_ROWS * candidates * 100 // round(100 * SHARE))
    why = why or (
        f"{percent(SHARE, 0)} of {budget_rows} rows are too few to try {candidates} policies on; "
        f"from {needed} rows on they are tried"
    )
    return Probed(
        policy=default,
        default=default,
        sentence=f"No policy was tried: {why}. {default}, the default, is taken.",
        problems=0,
        rows=0,
        budget_rows=budget_rows,
        alpha=0.0,
    )


def judge(
    right: Mapping[str, Mapping[str, Sequence[bool]]],
    trained: Mapping[str, tuple[int, int]],
    *,
    groups: Mapping[str, str],
    budget_rows: int,
) -> Probed:
    """Take the best policy, or the default where none is better than it beyond noise.

    Args:
        right: policy, the default first, to problem of the probe set to which of its attempts solve it after the
            policy's training: as `compare_right` takes them, one each.
        trained: policy to rows and tokens trained on.
        groups: problem to its group, as `grouped` gives them.
        budget_rows: rows that the settings let the campaign train on.
    """
    default, *others = right
    alpha = _ALPHA / len(others)
    compared = {name: compare_right(right[name], right[default], groups) for name in others}
    better = [name for name in others if compared[name].p_better <= alpha and compared[name].difference > 0]
    best = max(better, key=lambda name: compared[name].difference, default=default)
    solved = {name: sum(all(some) for some in each.values()) for name, each in right.items()}
    return Probed(
        policy=best,
        default=default,
        sentence=_sentence(best, default, len(right[default]), solved, compared, alpha),
        problems=len(right[default]),
        rows=sum(rows for rows, _ in trained.values()),
        budget_rows=budget_rows,
        alpha=round(alpha, 6),
        candidates=tuple(
            Candidate(
                policy=name,
                rows=trained[name][0],
                trained_tokens=trained[name][1],
                correct=solved[name],
                comparison=compared.get(name),
            )
            for name in right
        ),
    )


def _sentence(
    best: str, default: str, n: int, solved: Mapping[str, int], compared: Mapping[str, Comparison], alpha: float
) -> str:
    told = ", ".join(f"{name} {count}" for name, count in solved.items())
    groups = next(c.groups for c in compared.values())
    on = f"on {n} probe problems" + (f" of {groups} groups" if groups else "")
    if best == default:
        return (
            f"The policies are equal within noise {on} ({told}; p <= {alpha:.3g} was needed): "
            f"{default}, the default, is taken."
        )
    c = compared[best]
    return (
        f"{best} is taken: {100 * c.difference:+.1f} points over {default} {on} "
        f"({c.gained} gained, {c.lost} lost; p {p_text(c.p_better)}; solved: {told})."
    )

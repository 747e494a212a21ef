"""How finished campaigns of bench-rounds are told: a row a round and arm, and what fresh problems say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any, Final, NamedTuple

from seeds import interval_over_seeds

from selfimprove.report.decided_schema import RoundSummary
from selfimprove.report.schema import STOPPED, Summary
from selfimprove.stats import compare_means, compare_paired

FRESH_KEYS: Final = (
    ("arms", "last_minus_first"),
    ("arms", "best_minus_control"),
    ("alone", "last_minus_first"),
)


class Fresh(NamedTuple):
    """The share of their answers that two students of a campaign have right, of the same problems, shape `[P]` each."""

    new: list[float]
    old: list[float]


class Cell(NamedTuple):
    """A finished campaign, and its students on fresh problems."""

    name: str
    seed: int
    place: Path
    found: Summary
    fresh: Mapping[str, Fresh]


def percent(score: Any) -> str:
    """Write a score with its interval."""
    low, high = score.interval
    return f"{100 * score.accuracy:.1f} ({100 * low:.0f}-{100 * high:.0f})"


def origin_of(cell: Cell, row: RoundSummary) -> dict[str, str]:
    """Read how an arm of a round was trained, and which adapter it went on from."""
    made: dict[str, str] = json.loads((cell.place / f"round-{row.round:02}/arms/{row.arm}/origin.json").read_bytes())
    return made


def show(cell: Cell) -> None:
    """Print a cell's rows."""
    found, why = cell.found, STOPPED.get(cell.found.stopped, "it is not known why")
    print(f"{cell.name} {cell.seed}: {found.wall_s:.0f} s; stopped because {why}; {found.sentence}")
    for row in found.rounds:
        sampled = f", over samples {100 * row.sampled.accuracy:.1f}" if row.sampled else ""
        tokens = f"{row.rows} rows, {row.trained_tokens} tokens, the round {row.wall_s:.0f} s"
        if row.informative_groups is not None:
            tokens += f", {100 * row.informative_groups:.0f} % of groups informative"
        origin = origin_of(cell, row)
        how = f"{origin['method']} from {origin['start'] or 'the base'}"
        print(f"    round {row.round} {row.arm:<12} dev {percent(row.dev)}{sampled}, {row.decision}; {how}; {tokens}")
    for pair in found.pairs:
        points, (low, high) = pair.difference.points, pair.difference.interval
        print(f"    round {pair.round} {pair.arm} less {pair.other}: {points:+.1f} ({low:+.1f} to {high:+.1f})")
    for what, both in cell.fresh.items():
        print(f"    {what.replace('_', ' ')} on fresh problems: {json.dumps(in_points(both))}")


def rows_of(cell: Cell) -> list[dict[str, object]]:
    """Give a row for each round and arm of a cell: shares with their intervals, seconds, rows and tokens."""
    return [
        {
            "cell": cell.name,
            "seed": cell.seed,
            "round": row.round,
            "arm": row.arm,
            **origin_of(cell, row),
            "decision": row.decision,
            "dev": row.dev.accuracy,
            "interval": list(row.dev.interval),
            "sampled": row.sampled.accuracy if row.sampled else None,
            "points": round(row.difference.points, 1),
            "points_interval": [round(end, 1) for end in row.difference.interval],
            "wall_s": row.wall_s,
            "rows": row.rows,
            "trained_tokens": row.trained_tokens,
            "informative_groups": row.informative_groups,
        }
        for row in cell.found.rounds
    ]


def in_points(both: Fresh) -> dict[str, object]:
    """Give a paired difference in points with its 95 % interval over problems."""
    greedy = {*both.new, *both.old} <= {0.0, 1.0}
    made = compare_paired(*([x > 0 for x in some] for some in both)) if greedy else compare_means(*both)
    low, high = (round(100 * end, 1) for end in (made.interval.low, made.interval.high))
    return {"points": round(100 * made.difference, 1), "interval": [low, high], "n": made.n}


def pooled(cells: Sequence[Cell], key: str) -> dict[str, object] | None:
    """Give the mean of paired differences, with its intervals over problems and over seeds; None of none."""
    some = [cell.fresh[key] for cell in cells if key in cell.fresh]
    if not some:
        return None
    new, old = (list(chain.from_iterable(part)) for part in zip(*some, strict=True))
    by_seed = [100 * (fmean(both.new) - fmean(both.old)) for both in some]
    return {**in_points(Fresh(new, old)), "over_seeds": interval_over_seeds(by_seed), "seeds": len(some)}


def summed(cells: Sequence[Cell], seeds: Sequence[int]) -> dict[str, object]:
    """Sum finished cells up, as the line of JSON does."""
    by_name: dict[str, dict[int, Cell]] = {"arms": {}, "alone": {}}
    for cell in cells:
        by_name[cell.name][cell.seed] = cell
    told: dict[str, object] = {"rounds": [row for cell in cells for row in rows_of(cell)]}
    over: dict[str, object] = {}
    for name, key in FRESH_KEYS:
        made = by_name[name]
        known = key if name == "arms" else f"{name}_{key}"
        told[known] = {
            seed: in_points(made[seed].fresh[key]) if seed in made and key in made[seed].fresh else None
            for seed in seeds
        }
        over[known] = pooled(list(made.values()), key)
    for name, known in (("arms", "promoted"), ("alone", "alone_promoted")):
        made = by_name[name]
        told[known] = {seed: promoted(made[seed].found) if seed in made else None for seed in seeds}
    best = {seed: cell.found.test.best for seed, cell in by_name["arms"].items() if cell.found.test}
    told["best"] = {seed: score.accuracy if (score := best.get(seed)) else None for seed in seeds}
    told["pooled"] = over
    told["stopped"] = {f"{cell.name}-{cell.seed}": cell.found.stopped for cell in cells}
    return told


def promoted(found: Summary) -> int:
    """Count the rounds that promoted an arm."""
    return len({row.round for row in found.rounds if row.decision == "promote"})

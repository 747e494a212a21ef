"""Does the demo's student get better, against which baselines, over which seeds?

A cell is one campaign of one seed; a finished cell is not run again, a killed one goes on. The demo itself is seed 0;
these are other seeds.

repair      the demo, and beside it the control: as many trained tokens of problems not chosen by failure
tracks      one large round of worked solutions (track B) beside answers alone (track A) on as many trained tokens
alone       worked solutions in the first round only; then the student is its own teacher and climbs level by level

make bench-demo             keys: base, best, best_minus_control (over_seeds: 95 % interval of its mean, Student's),
                            track_b_minus_track_a, alone, promoted
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from seeds import interval_over_seeds

from selfimprove import Campaign
from selfimprove.report.decided_schema import ScoreSummary
from selfimprove.report.schema import Summary

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
SEEDS = (11,) if QUICK else tuple(int(seed) for seed in os.environ.get("SEEDS", "11,12,13").split(","))
OUT = ROOT / "runs" / ("bench-demo-quick" if QUICK else "bench-demo")
SMALLER: dict[str, Any] = {"data": {"dev": 60, "test": 60}, "mine": {"pool": 80}} if QUICK else {}
CELLS: dict[str, dict[str, Any]] = {
    "repair": {"campaign": {"arms": ["track_b", "control"]}},
    "tracks": {
        "campaign": {"arms": ["track_b", "track_a"], "rounds": 1},
        "evaluate": {"shots": 0},
        "mine": {"pool": 1300},
        "select": {"lessons": 1200},
    },
    "alone": {
        "campaign": {"arms": ["track_b"], "rounds": 5, "patience": 5},
        "teacher": {"model": "self", "first": "reference"},
        "evaluate": {"shots": 0},
        "mine": {"samples": 2, "pool": 600},
        "lesson": {"rationales": 2},
        "select": {"policy": "ladder", "width": 2, "threshold": 0.6, "solved": 1.0, "replay": 0.5},
    },
}


def cell(name: str, seed: int) -> Summary:
    """Run one campaign, or find it."""
    sections: dict[str, dict[str, Any]] = {}
    for given in (CELLS[name], SMALLER, {"campaign": {"seed": seed}}):
        for section, values in given.items():
            sections[section] = {**sections.get(section, {}), **values}
    if QUICK:
        sections["campaign"]["rounds"] = 1
    return Campaign(ROOT / "examples" / "arithmetic.toml", out=OUT / f"{name}-{seed}", sections=sections).run()


def percent(score: Any) -> str:
    """Write a score with its interval."""
    if score is None:
        return "-"
    low, high = score.interval
    return f"{100 * score.accuracy:.1f} ({100 * low:.0f}-{100 * high:.0f})"


def show(name: str, seed: int, found: Summary) -> None:
    """Print a cell's rows."""
    test = found.test
    if test is None:
        return
    print(f"{name} {seed}: {found.wall_s:.0f} s; test: base {percent(test.base)}, best {percent(test.best)}", end="")
    for arm, score in test.arms.items():
        print(f", {arm} {percent(score)}", end="")
    print(f", control {percent(test.control)}" if test.control else "")
    for row in found.rounds:
        print(f"    round {row.round} {row.arm}: dev {percent(row.dev)}, {row.decision}, {row.rows} rows")
    if test.best_minus_control:
        gap = test.best_minus_control
        print(f"    best minus control: {gap.points:+.1f} points ({gap.interval[0]:+.1f} to {gap.interval[1]:+.1f})")


def scored(found: Summary, arm: str) -> ScoreSummary | None:
    """Give what the best, the control or an arm's last had on test: the arm that was promoted last is the best."""
    test = found.test
    if test is None:
        return None
    promoted = [row.arm for row in found.rounds if row.decision == "promote"][-1:]
    return {"best": test.best, "control": test.control}.get(arm, test.best if promoted == [arm] else test.arms.get(arm))


def points(found: list[Summary], one: str, other: str) -> list[float | None]:
    """Give one less another of each campaign's test, in points; None where one of them is not there."""
    pairs = [(scored(each, one), scored(each, other)) for each in found]
    return [round(100 * (a.accuracy - b.accuracy), 1) if a and b else None for a, b in pairs]


def main() -> None:
    """Print the table and the line of JSON."""
    found: dict[str, list[Summary]] = {name: [] for name in CELLS}
    for seed in SEEDS:
        for name in CELLS:
            found[name].append(cell(name, seed))
            show(name, seed, found[name][-1])
    tests = {name: [one.test for one in some if one.test is not None] for name, some in found.items()}
    gaps = points(found["repair"], "best", "control")
    print(
        json.dumps(
            {
                "base": [t.base.accuracy for t in tests["repair"] if t.base],
                "best": [t.best.accuracy for t in tests["repair"] if t.best],
                "best_minus_control": gaps,
                "over_seeds": interval_over_seeds([gap for gap in gaps if gap is not None]),
                "track_b_minus_track_a": points(found["tracks"], "track_b", "track_a"),
                "alone": [t.best.accuracy for t in tests["alone"] if t.best],
                "promoted": [sum(r.decision == "promote" for r in one.rounds) for one in found["repair"]],
            }
        )
    )


if __name__ == "__main__":
    main()

"""Does the demo's student get better, against which baselines, over which seeds?

A cell is one campaign of one seed: failures repaired by worked solutions, beside track A on equal tokens and the
unselected control; and a student that is its own teacher. A finished cell is not run again, a killed
one goes on. The demo itself is seed 0; these are other seeds.

make bench-demo             keys: base, best, control, best_minus_control, track_b_minus_track_a, promoted
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from statistics import fmean
from typing import Any

from selfimprove import Campaign
from selfimprove.report.schema import Summary

ROOT = Path(__file__).resolve().parents[1]
QUICK = bool(os.environ.get("QUICK"))
SEEDS = (11,) if QUICK else (11, 12, 13)
OUT = ROOT / "runs" / ("bench-demo-quick" if QUICK else "bench-demo")
SMALLER: dict[str, Any] = {"data": {"dev": 60, "test": 60}, "mine": {"pool": 80}} if QUICK else {}
CELLS: dict[str, dict[str, Any]] = {
    "repair": {"campaign": {"arms": ["track_b", "track_a", "control"]}},
    "alone": {
        "campaign": {"arms": ["track_b"], "rounds": 6},
        "teacher": {"model": "self"},
        "select": {"policy": "ladder"},
        "mine": {"samples": 3},
        "lesson": {"rationales": 3},
    },
}


def cell(name: str, seed: int) -> Summary:
    """Run one campaign, or find it."""
    sections: dict[str, dict[str, Any]] = {}
    for given in (SMALLER, CELLS[name], {"campaign": {"seed": seed}}):
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
    track_a = percent(test.arms.get("track_a"))
    print(
        f"{name:<8}{seed:>5}  base {percent(test.base)}  best {percent(test.best)}  track A {track_a}  "
        f"control {percent(test.control)}  {found.wall_s:.0f} s"
    )
    for row in found.rounds:
        print(f"{'':<15}round {row.round} {row.arm:<8} dev {percent(row.dev)}  {row.decision}, {row.rows} rows")


def main() -> None:
    """Print the table and the line of JSON."""
    repaired = []
    for seed in SEEDS:
        for name in ("repair",) if QUICK else CELLS:
            found = cell(name, seed)
            show(name, seed, found)
            if name == "repair" and found.test is not None:
                repaired.append(found)
    tests = [found.test for found in repaired if found.test is not None]
    print(
        json.dumps(
            {
                "base": [t.base.accuracy for t in tests if t.base],
                "best": [t.best.accuracy for t in tests if t.best],
                "control": [t.control.accuracy for t in tests if t.control],
                "best_minus_control": [t.best_minus_control.points for t in tests if t.best_minus_control],
                "track_b_minus_track_a": round(
                    100 * fmean(t.best.accuracy - t.arms["track_a"].accuracy for t in tests if t.best), 1
                ),
                "promoted": [sum(r.decision == "promote" for r in f.rounds if r.arm == "track_b") for f in repaired],
            }
        )
    )


if __name__ == "__main__":
    main()

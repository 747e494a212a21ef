"""Does a grown library hold what it says: right answers, right labels, exact quotas, nothing held out?

From 10 seeds of each of 21 procedural types, whose right answers are certain, to 1,000 rows a type. The generator is
scripted: 12 % wrong answers, 8 % copies (half of them reworded), 5 % of another type, 1 % test problems, 2 % no form.
Two solvers are wrong on 20 %, and then repeat the generator's error half of the time; checkers of labels are wrong on
5 %. A bad row that is admitted counts against precision, whatever is bad about it; a good row that is refused, but for
being a repetition or over its quota, against recall. A second run of a tenth of the size shows how memory grows.

make bench-curate             keys: precision, recall, quotas_met, equal_share, test_neighbours, rows_per_minute (the
                              scripts' own time left out), cpu_ms_per_row, peak_mib, mib_per_1000_rows
QUICK=1 make bench-curate     30 rows of each of 6 types
TEACHER=MODEL@URL make bench-curate     the true yield of a real model instead, by type, see curate_real.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROWS, TYPES = (30, 6) if os.environ.get("QUICK") else (int(os.environ.get("ROWS", "1000")), 21)


def run(rows: int) -> dict[str, Any]:
    """Grow in a process of its own."""
    command = [sys.executable, str(HERE / "curate_run.py"), str(rows), str(TYPES)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def shown(found: dict[str, Any]) -> str:
    """Write one run as lines."""
    rejected = ", ".join(f"{count} {why}" for why, count in sorted(found["reasons"].items(), key=lambda pair: -pair[1]))
    return (
        f"{found['rows_asked']} rows of each of {TYPES} types: {found['grown']} grown in {found['rounds']} rounds and "
        f"{found['seconds']} s ({found['cpu_seconds']} s on the processor, {found['script_seconds']} s the scripts')"
        f", {found['calls']} calls\n"
        f"  precision {found['precision']:.4f}, recall {found['recall']:.4f}, quotas met {found['quotas_met']}, "
        f"equal share {found['equal_share']}, peak {found['peak_mib']} MiB\n"
        f"  let in: {found['let_in'] or 'nothing bad'}; good ones refused: {found['missed'] or 'none'}\n"
        f"  rejected: {rejected}"
    )


def main() -> None:
    """Print the runs and the line of JSON."""
    if os.environ.get("TEACHER"):
        from curate_real import main as real

        real(os.environ["TEACHER"])
        return
    small = run(max(20, ROWS // 10))
    print(shown(small), flush=True)
    large = run(ROWS)
    print(shown(large))
    own_s = max(1e-9, large["seconds"] - large["script_seconds"])
    more = (large["grown"] - small["grown"]) / 1000
    keys = ("precision", "recall", "quotas_met", "equal_share", "test_neighbours", "peak_mib")
    print(
        json.dumps(
            {key: round(large[key], 4) if isinstance(large[key], float) else large[key] for key in keys}
            | {
                "rows_per_minute": round(60 * large["grown"] / own_s),
                "cpu_ms_per_row": round(1000 * large["cpu_seconds"] / large["grown"], 2),
                "mib_per_1000_rows": round((large["peak_mib"] - small["peak_mib"]) / more, 2) if more > 0 else None,
            }
        )
    )


if __name__ == "__main__":
    main()

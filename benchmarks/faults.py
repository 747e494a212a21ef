"""Is any call lost, or paid twice, when three in ten go wrong?

2,000 harvest calls against the tests' misbehaving server on this machine: 429 with and without Retry-After, 500, 503,
402, hanging, dripping, closed in mid-body, half JSON, no choices, another content type, 20 MB, cut off, no usage.
A cap that is too small stops the work on the way; a larger one goes on with it. The server keeps its own books.

make bench-faults    keys: calls, faults, lost, repeated, spent_usd, cap_usd
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from fault_run import fault_run  # type: ignore[import-not-found]  # the tests are no package

CALLS = 400 if os.environ.get("QUICK") else 2_000


def main() -> None:
    """Print the table and the line of JSON."""
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        made = fault_run(CALLS, Path(out) / "ledger.sqlite")
        wall = time.perf_counter() - started
    for name, count in sorted(made.faults.items()):
        print(f"{name:<18}{count:6}")
    print(f"{made.calls} calls, {made.sent} requests in {wall:.0f} s: {made.answered} answered, {made.failed} failed")
    for reason in made.reasons[:5]:
        print(f"  {reason[:110]}")
    print(f"stopped at ${made.stopped_usd:.4f} of ${made.first_cap_usd:.4f}, then went on under ${made.cap_usd:.4f}")
    print(f"the server billed ${made.billed_usd:.4f}; counted as spent: ${made.spent_usd:.4f}")
    print(f"  of which held for calls that gave no answer and may be billed: ${made.held_usd:.4f}")
    kept = made.billed_usd <= made.spent_usd <= made.cap_usd and 0 < made.stopped_usd <= made.first_cap_usd
    result = {
        "calls": made.calls,
        "faults": sum(made.faults.values()),
        "lost": made.lost,
        "repeated": made.repeated,
        "spent_usd": round(made.spent_usd, 4),
        "cap_usd": round(made.cap_usd, 4),
    }
    print(json.dumps(result))
    sys.exit(0 if kept and not made.lost and not made.repeated else 1)


if __name__ == "__main__":
    main()

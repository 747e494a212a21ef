"""Is anything repeated, lost or changed when a campaign is killed?

A two-round campaign with a tiny real model, trained for real, and a teacher that is paid (a server on this machine) is
killed at the beginning of each stage, at random moments inside each stage, and in its training processes alone; after
each kill the same command goes on. At the end the files are compared with those of a campaign that was left alone.

make bench-kill    keys: kills, repeated (answered paid calls asked again), lost (rows and answered calls), differing
                   (files), orphans (trainers that outlived their parent); ends with 1 if one of these four is not 0
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
QUICK = bool(os.environ.get("QUICK"))


def main() -> None:
    """Print the table and the line of JSON."""
    sys.path[:0] = [str(TESTS), str(TESTS / "kill")]
    matrix = importlib.import_module("matrix")
    with tempfile.TemporaryDirectory() as folder:
        made = matrix.whole_matrix(Path(folder), quick=QUICK, tell=lambda text: print(text, flush=True))
    for where, count in sorted(made.where.items()):
        print(f"{where:<28}{count:4} kills")
    print(f"{made.orphans} trainers outlived their parent; {made.doubted} calls under way were asked again")
    print(f"{made.paid} paid calls in the killed campaigns; files that differ: {', '.join(made.differing) or 'none'}")
    wrong = {
        "repeated": made.repeated,
        "lost": made.lost,
        "differing": len(made.differing),
        "orphans": made.orphans,
    }
    print(json.dumps({"quick": QUICK, "kills": made.kills, **wrong}))
    if any(wrong.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()

"""How long do `import selfimprove` and `selfimprove --help` take, beside a bare interpreter?

make bench-startup          keys: import_ms, help_ms
"""

from __future__ import annotations

import json
import subprocess
import sys
import time

RUNS = 15
COMMANDS = {
    "bare python": [sys.executable, "-c", "pass"],
    "import selfimprove": [sys.executable, "-c", "import selfimprove"],
    "selfimprove --help": [sys.executable, "-m", "selfimprove.cli", "--help"],
}


def median_ms(command: list[str]) -> float:
    """Time a command, in milliseconds, the median of some runs."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(1000 * (time.perf_counter() - started))
    return sorted(times)[RUNS // 2]


def main() -> None:
    """Print the table and the line of JSON."""
    found = {name: median_ms(command) for name, command in COMMANDS.items()}
    bare = found["bare python"]
    for name, ms in found.items():
        print(f"{name:<22}{ms:8.0f} ms   {ms - bare:6.0f} ms above a bare interpreter")
    print(
        json.dumps(
            {
                "import_ms": round(found["import selfimprove"] - bare, 1),
                "help_ms": round(found["selfimprove --help"], 1),
            }
        )
    )


if __name__ == "__main__":
    main()

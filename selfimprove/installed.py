"""Files that come with the library."""

from __future__ import annotations

from pathlib import Path

from selfimprove.errors import InputError


def shipped(name: str) -> Path:
    """Find a file that comes with the library, such as `examples/arithmetic.toml`: in the wheel, or in the source tree.

    Raises:
        InputError: it is not there.
    """
    package = Path(__file__).parent
    for root in (package / "shipped", package.parent):
        if (root / name).exists():
            return root / name
    raise InputError(f"{name} is not part of this installation of selfimprove; install it again")

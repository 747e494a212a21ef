"""The versions that trainings accept; others are refused, as their settings change often."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Final

from packaging.specifiers import SpecifierSet

from selfimprove.errors import MissingDependencyError

ACCEPTED: Final[Mapping[str, str]] = {
    "torch": ">=2.9,<3",
    "transformers": ">=5.17,<6",
    "trl": ">=1.16,<2",
    "peft": ">=0.21,<1",
}
"""Ranges of which one version each was tested, see the table in docs/training.md."""


def check_versions() -> None:
    """Refuse an installed version that is not accepted; what is not installed is told where it is needed.

    Raises:
        MissingDependencyError: one is.
    """
    for name, wanted in ACCEPTED.items():
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
        if not SpecifierSet(wanted, prereleases=True).contains(found.partition("+")[0]):
            raise MissingDependencyError(
                f"{name} {found} is installed and training accepts {wanted} (docs/training.md tells which was tested); "
                f'pip install "{name}{wanted}"'
            )

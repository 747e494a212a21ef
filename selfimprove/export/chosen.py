"""Which adapter of a campaign is exported: the best, another that it trained, or one that was combined of those."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Final, NamedTuple

from selfimprove.errors import InputError, nearest
from selfimprove.graphs.places import arm_of, round_of
from selfimprove.openings import decided
from selfimprove.report.schema import Summary
from selfimprove.store import RunFolder, sha256_of
from selfimprove.students.adapters import WEIGHTS

COMBINED: Final = "combined.json"
"""What `selfimprove combine` tells of its parts."""
_OF_ARM: Final = re.compile(r"round-\d+/arms/[^/]+/adapter")
_TRAINED: Final = "/adapter/metrics.json"


class Chosen(NamedTuple):
    """An adapter of a campaign.

    Attributes:
        folder: where it lies.
        parts: what it was combined of, as folders relative to the run folder; where it was trained, its own.
        how: it was combined; empty: it was trained.
        tested: what the campaign calls it on the test split; empty: it was not tested.
        best: it is the campaign's best.
    """

    folder: Path
    parts: tuple[str, ...]
    how: str = ""
    tested: str = ""
    best: bool = False

    @property
    def name(self) -> str:
        """Name it for people.

        >>> Chosen(Path("here"), ("round-01/arms/track_b/adapter", "final/control-round-01/adapter"), "linear").name
        'linear of round 1, track_b and final/control-round-01'
        """
        names = " and ".join(map(_named, self.parts))
        return f"{self.how} of {names}" if self.how else names


def choose(folder: RunFolder, summary: Summary, named: Path | None) -> Chosen:
    """Give the best adapter of a campaign, or the one that is named.

    Args:
        folder: the campaign's.
        summary: of it.
        named: its folder, relative to the run folder or not; None: the best.

    Raises:
        InputError: nothing was promoted, or the named one is not of this campaign.
    """
    best = "/".join(Path(summary.best.path).parts[-4:])  # wherever the run folder lies by now
    if named is None:
        if not best:
            raise InputError(
                f"{folder.path}: no round was promoted, so the base model is still the best; there is nothing to "
                "export but what --adapter names"
            )
        return _trained(folder, best, best)
    found = next((place.resolve() for place in (folder.path / named, named) if place.is_dir()), None)
    if found is not None and (found / COMBINED).is_file():
        return _combined(folder, found)
    run, known = folder.path.resolve(), [name.rpartition("/")[0] for name in folder.hashes if name.endswith(_TRAINED)]
    place = str(found.relative_to(run)) if found is not None and found.is_relative_to(run) else ""
    if place not in known:
        raise InputError(
            f"{named} is no adapter that the campaign in {folder.path} trained, nor combined of those; "
            f"{nearest(str(named), known)}"
        )
    return _trained(folder, place, best)


def _trained(folder: RunFolder, place: str, best: str) -> Chosen:
    tested = folder.json("final/tested.json") if folder.has("final/tested.json") else {}
    name = next((name for name, adapter in tested.items() if adapter == place), "")
    return Chosen(folder.at(place), (place,), tested=name, best=place == best)


def _combined(folder: RunFolder, found: Path) -> Chosen:
    """Find what an adapter was combined of in the campaign, by the weights."""
    try:
        told = json.loads((found / COMBINED).read_bytes())
        paths, how = [str(part) for part in told["combined"]], str(told["how"])
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{found / COMBINED} is not what selfimprove combine writes; combine it again") from error
    known = {
        sha: name.rpartition("/")[0] for name, sha in folder.hashes.items() if name.endswith(f"/adapter/{WEIGHTS}")
    }
    parts = [known.get(_sha256(folder.path, path), "") for path in paths]
    if "" in parts:
        raise InputError(
            f"{found} is made of {paths[parts.index('')]}, which is not there or no adapter that the campaign in "
            f"{folder.path} trained; combine those of one campaign, in one step"
        )
    return Chosen(found, tuple(parts), how)


def _sha256(run: Path, path: str) -> str:
    """Hash the weights of an adapter, named from the run folder or from here; empty where there are none."""
    files = (place / path / WEIGHTS for place in (run, Path()))
    file = next((file for file in files if file.is_file()), None)
    return sha256_of(file) if file else ""


def _named(place: str) -> str:
    return decided(round_of(place), arm_of(place)) if _OF_ARM.fullmatch(place) else place.removesuffix("/adapter")

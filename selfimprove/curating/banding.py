"""Which texts are worth comparing: those that share a band of their MinHash signatures (Broder 1997)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from selfimprove.errors import MissingDependencyError

_PERMUTATIONS: Final = 64
_FOUND: Final = 0.98
"""Least chance that a pair shares a band whose payloads are alike to `_LOOSER` times the threshold."""
_LOOSER: Final = 0.7
_LISTED: Final = 32
"""Texts that a band is listed under: one of more is a phrase of its sub-type."""


class Bands:
    """Numbers of texts by band."""

    def __init__(self) -> None:
        self._found: dict[int, int | tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self._found)

    def put(self, at: int, bands: Iterable[int]) -> None:
        """List a text under its bands."""
        for band in bands:
            known = self._under(band)
            if len(known) < _LISTED:
                self._found[band] = (*known, at) if known else at

    def sharing(self, bands: Iterable[int]) -> Iterator[int]:
        """Give the texts that share a band; one that shares several comes as often."""
        for band in bands:
            yield from self._under(band)

    def take_back(self, start: int, bands: Iterable[int]) -> None:
        """Forget the texts from `start` on, which are under these bands."""
        for band in {band for band in bands if band in self._found}:
            left = tuple(at for at in self._under(band) if at < start)
            if left:
                self._found[band] = left if len(left) > 1 else left[0]
            else:
                del self._found[band]

    def _under(self, band: int) -> tuple[int, ...]:
        """Give the texts of a band; most have one, which is kept as it is."""
        found = self._found.get(band, ())
        return (found,) if isinstance(found, int) else found


class Signer:
    """Cuts MinHash signatures into bands.

    Args:
        near: similarity from which two texts are near duplicates, in (0, 1].

    Raises:
        MissingDependencyError: datasketch is not installed.
    """

    def __init__(self, near: float) -> None:
        try:
            from datasketch import MinHash
        except ImportError:
            raise MissingDependencyError(
                'near duplicates need datasketch; install it with: pip install "selfimprove[curate]", or set near = 0'
            ) from None
        self._make = MinHash
        self._width = next(
            r for r in range(16, 0, -1) if r == 1 or 1 - (1 - (_LOOSER * near) ** r) ** (_PERMUTATIONS // r) >= _FOUND
        )

    def bands(self, texts: Sequence[frozenset[str]]) -> list[tuple[int, ...]]:
        """Give the bands of each text's 3-grams, as numbers of 64 bits."""
        made = self._make.bulk([[gram.encode() for gram in sorted(text)] for text in texts], num_perm=_PERMUTATIONS)
        ends = range(self._width, _PERMUTATIONS + 1, self._width)
        return [tuple(hash((end, each.hashvalues[end - self._width : end].tobytes())) for end in ends) for each in made]

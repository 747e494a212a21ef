"""What is there already: word for word, nearly, with other numbers only, or near in meaning.

Two problems are near duplicates where the Jaccard similarity of their word 3-grams reaches a threshold. 3-grams that
every second seed of a sub-type has are its template ("Find the greatest common divisor of these numbers:") and say
nothing, so what is left without them must be shared to that degree too: by the problem that has less of it, as
a "please" more makes no new problem. Pairs are found by MinHash (Broder 1997, "On the resemblance and containment of
documents") over what is left, in bands, and compared exactly. A problem whose words are those of another and whose
numbers are not is a variant of it: allowed or refused, as the settings say. Where two or more numbers are all the
same, in the same order, three quarters of the threshold is enough: it is the same problem, told again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from selfimprove.errors import InputError, MissingDependencyError
from selfimprove.leakage import normalised
from selfimprove.records import Problem, digest

_GRAM: Final = 3
_PERMUTATIONS: Final = 64
_FOUND: Final = 0.98
"""Least chance that a pair shares a band whose payloads are alike to `_LOOSER` times the threshold."""
_LOOSER: Final = 0.7
_REWORDED: Final = 0.75
"""Share of the threshold from which two problems with the same numbers in the same order are alike."""
_LISTED: Final = 32
"""Problems a band is listed under: one of more is a phrase of its sub-type."""
_NUMBER: Final = re.compile(r"\d+(?: \. \d+)?|\d+")
_HALF: Final = 0.5

Embed = Callable[[Sequence[str]], Sequence[Sequence[float]]]
"""Gives a vector for each text."""
How = Literal["duplicate", "near duplicate", "numbers only"]


class Match(NamedTuple):
    """A problem that is there already."""

    how: How
    other: str
    """Its id."""
    share: float
    """Of 3-grams, or the cosine of vectors; 1 for the same text."""


class _Row(NamedTuple):
    id: str
    leaf: str
    text: str
    masked: str
    numbers: str


def text_for(problem: Problem) -> str:
    """Write a problem so that the order of its options does not matter."""
    return normalised("\n".join([problem.context, problem.question, *sorted(problem.choices)]))


class Seen:
    """All problems that a new one must differ from.

    Args:
        near: similarity of 3-grams from which two problems are near duplicates, in (0, 1]; None: only equal texts are.
        numbers_only: allow problems that differ from another in their numbers only.
        embed: gives vectors; None: meaning is not compared.
        near_meaning: cosine of vectors from which two problems of a sub-type are near duplicates.

    Raises:
        MissingDependencyError: datasketch is not installed.
    """

    def __init__(
        self,
        near: float | None = 0.8,
        *,
        numbers_only: bool = True,
        embed: Embed | None = None,
        near_meaning: float = 0.95,
    ) -> None:
        self.near, self.numbers_only, self.embed, self.near_meaning = near, numbers_only, embed, near_meaning
        self._rows: list[_Row] = []
        self._exact: dict[str, int] = {}
        self._masked: dict[str, int] = {}
        self._bands: dict[int, int | tuple[int, ...]] = {}
        self._templates: dict[str, frozenset[str]] = {}
        self._vectors: dict[str, list[tuple[int, npt.NDArray[np.float32]]]] = {}
        self._signer = _Signer(near) if near is not None else None

    def __len__(self) -> int:
        return len(self._rows)

    def learn(self, leaf: str, seeds: Sequence[Problem]) -> None:
        """Take what every second seed of a sub-type says as its template."""
        counts: Counter[str] = Counter()
        for seed in seeds:
            counts.update(_grams(text_for(seed)))
        least = max(2, _HALF * len(seeds) + _HALF)
        self._templates[leaf] = frozenset(gram for gram, count in counts.items() if count >= least)

    def add(self, problems: Sequence[tuple[Problem, str]]) -> None:
        """Take problems in, each with its sub-type."""
        rows = [_row(problem, leaf) for problem, leaf in problems]
        for row, bands, vector in zip(rows, self._signed(rows), self._embedded(rows), strict=True):
            self._put(row, bands, vector)

    def screen(self, problems: Sequence[tuple[Problem, str]]) -> list[Match | None]:
        """Say which are there already, or came before among these; nothing is taken in.

        Args:
            problems: in order, each with its sub-type.
        """
        rows, start = [_row(problem, leaf) for problem, leaf in problems], len(self._rows)
        found: list[Match | None] = []
        kept: list[tuple[int, ...]] = []
        for row, bands, vector in zip(rows, self._signed(rows), self._embedded(rows), strict=True):
            match = self._match(row, bands, vector)
            found.append(match)
            if match is None:
                self._put(row, bands, vector)
                kept.append(bands)
        self._take_back(start, kept)
        return found

    def _match(self, row: _Row, bands: Sequence[int], vector: npt.NDArray[np.float32] | None) -> Match | None:
        if row.text in self._exact:
            return Match("duplicate", self._rows[self._exact[row.text]].id, 1.0)
        if not self.numbers_only and row.masked in self._masked:
            return Match("numbers only", self._rows[self._masked[row.masked]].id, 1.0)
        own = self._payload(row)
        looked: set[int] = set()
        for at in (at for band in bands for at in self._under(band)):
            other = self._rows[at]
            if at in looked or other.masked == row.masked:
                continue
            looked.add(at)
            share = self._alike(row, own, other)
            same_numbers = " " in row.numbers and row.numbers == other.numbers  # one alone, such as a year, says little
            if self.near is not None and share >= self.near * (_REWORDED if same_numbers else 1):
                return Match("near duplicate", other.id, round(share, 4))
        return self._same_meaning(row, vector) if vector is not None else None

    def _same_meaning(self, row: _Row, vector: npt.NDArray[np.float32]) -> Match | None:
        known = [(at, v) for at, v in self._vectors.get(row.leaf, ()) if self._rows[at].masked != row.masked]
        if not known:
            return None
        cosines = np.stack([v for _, v in known]) @ vector
        best = int(cosines.argmax())
        if cosines[best] < self.near_meaning:
            return None
        return Match("near duplicate", self._rows[known[best][0]].id, round(float(cosines[best]), 4))

    def _alike(self, row: _Row, own: frozenset[str], other: _Row) -> float:
        theirs = self._payload(other, row.leaf)
        mine, all_theirs = frozenset(_grams(row.text)), frozenset(_grams(other.text))
        whole = len(mine & all_theirs) / len(mine | all_theirs)
        return min(whole, len(own & theirs) / min(len(own), len(theirs)))

    def _payload(self, row: _Row, leaf: str | None = None) -> frozenset[str]:
        every = frozenset(_grams(row.text))
        return every - self._templates.get(row.leaf if leaf is None else leaf, frozenset()) or every

    def _signed(self, rows: Sequence[_Row]) -> list[tuple[int, ...]]:
        if self._signer is None:
            return [()] * len(rows)
        return self._signer.bands([self._payload(row) for row in rows])

    def _embedded(self, rows: Sequence[_Row]) -> list[npt.NDArray[np.float32] | None]:
        if self.embed is None or not rows:
            return [None] * len(rows)
        made = np.asarray(self.embed([row.text for row in rows]), dtype=np.float32)
        if made.ndim != 2 or len(made) != len(rows) or not np.isfinite(made).all():  # noqa: PLR2004
            raise InputError(
                f"the embedding gave an array of shape {made.shape} for {len(rows)} texts; it must give one vector of "
                "finite numbers for each"
            )
        return list(made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-12))

    def _put(self, row: _Row, bands: Sequence[int], vector: npt.NDArray[np.float32] | None) -> None:
        at = len(self._rows)
        self._rows.append(row)
        self._exact.setdefault(row.text, at)
        self._masked.setdefault(row.masked, at)
        for band in bands:
            known = self._under(band)
            if len(known) < _LISTED:
                self._bands[band] = (*known, at) if known else at
        if vector is not None:
            self._vectors.setdefault(row.leaf, []).append((at, vector))

    def _under(self, band: int) -> tuple[int, ...]:
        """Give the rows of a band; most have one, which is kept as it is."""
        found = self._bands.get(band, ())
        return (found,) if isinstance(found, int) else found

    def _take_back(self, start: int, kept: Sequence[Sequence[int]]) -> None:
        """Forget the rows from `start` on, with their bands."""
        for at, row in enumerate(self._rows[start:], start):
            for known, key in ((self._exact, row.text), (self._masked, row.masked)):
                if known.get(key) == at:
                    del known[key]
            if self.embed is not None:
                self._vectors[row.leaf].pop()
        for band in {band for bands in kept for band in bands if band in self._bands}:
            left = tuple(at for at in self._under(band) if at < start)
            if left:
                self._bands[band] = left if len(left) > 1 else left[0]
            else:
                del self._bands[band]
        del self._rows[start:]


class _Signer:
    """MinHash signatures cut into bands: two texts that share a band are looked at."""

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


def _row(problem: Problem, leaf: str) -> _Row:
    text = text_for(problem)
    masked = _NUMBER.sub("#", text)
    return _Row(problem.id, leaf, text, digest(masked), " ".join(_NUMBER.findall(text)))


def _grams(text: str) -> list[str]:
    words = [*text.split(), "."]
    return [" ".join(words[at : at + _GRAM]) for at in range(max(1, len(words) - _GRAM + 1))]

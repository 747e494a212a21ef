"""What is there already: word for word, nearly, with other numbers only, or near in meaning.

Two problems are near duplicates where the Jaccard similarity of their word 3-grams reaches a threshold. 3-grams that
every second seed of a sub-type has are its template ("Find the greatest common divisor of these numbers:") and say
nothing, so what is left without them must be shared to that degree too: by the problem that has less of it, as
a "please" more makes no new problem. Pairs are found by MinHash (Broder 1997, "On the resemblance and containment of
documents") over what is left, in bands, and compared exactly. A held-out problem is of no sub-type that is known: it
and what is compared with it are looked up without any sub-type's template as well. A problem whose words are those of
another and whose numbers are not is a variant of it: allowed or refused, as the settings say. Where two or more numbers
are all the same, in the same order, three quarters of the threshold is enough: it is the same problem, told again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from selfimprove.curating.banding import Bands, Signer
from selfimprove.errors import InputError
from selfimprove.leakage import normalised
from selfimprove.records import Problem, digest

HELD_OUT: Final = ""
"""Stands for the sub-type of a held-out problem, which is compared with those of all sub-types."""
_GRAM: Final = 3
_REWORDED: Final = 0.75
"""Share of the threshold from which two problems with the same numbers in the same order are alike."""
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


class _Signed(NamedTuple):
    """Bands of one problem."""

    own: tuple[int, ...]
    """Of what its own sub-type's template does not say."""
    bare: tuple[int, ...]
    """Of what no sub-type's template says."""


def text_for(problem: Problem) -> str:
    """Write a problem so that the order of its options does not matter."""
    return normalised("\n".join([problem.context, problem.question, *sorted(problem.choices)]))


class Seen:
    """All problems that a new one must differ from.

    Args:
        near: similarity of 3-grams from which two problems are near duplicates, in (0, 1]; None: only equal texts are.
        numbers_only: allow problems that differ from another in their numbers only.
        embed: gives vectors; None: meaning is not compared.
        near_meaning: cosine of vectors from which problems are near duplicates: two of a sub-type, or a held-out one.

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
        self._bands, self._bare = Bands(), Bands()
        self._held_out: list[int] = []
        self._stale = False  # whether `_bare`, the held-out problems without any template, has to be made anew
        self._templates: dict[str, frozenset[str]] = {}
        self._every_template: frozenset[str] = frozenset()
        self._vectors: dict[str, list[tuple[int, npt.NDArray[np.float32]]]] = {}
        self._signer = Signer(near) if near is not None else None

    def __len__(self) -> int:
        return len(self._rows)

    def learn(self, leaf: str, seeds: Sequence[Problem]) -> None:
        """Take what every second seed of a sub-type says as its template."""
        counts: Counter[str] = Counter()
        for seed in seeds:
            counts.update(_grams(text_for(seed)))
        least = max(2, _HALF * len(seeds) + _HALF)
        self._templates[leaf] = frozenset(gram for gram, count in counts.items() if count >= least)
        self._every_template = frozenset().union(*self._templates.values())
        self._stale = True

    def add(self, problems: Sequence[tuple[Problem, str]]) -> None:
        """Take problems in, each with its sub-type, or as `HELD_OUT`."""
        rows = [_row(problem, leaf) for problem, leaf in problems]
        for row, signed, vector in zip(rows, self._signed(rows), self._embedded(rows), strict=True):
            if row.leaf == HELD_OUT:
                self._held_out.append(len(self._rows))
                self._stale = True
            self._put(row, signed.own, vector)

    def screen(self, problems: Sequence[tuple[Problem, str]]) -> list[Match | None]:
        """Say which are there already, or came before among these; nothing is taken in.

        Args:
            problems: in order, each with its sub-type.
        """
        rows, start = [_row(problem, leaf) for problem, leaf in problems], len(self._rows)
        found: list[Match | None] = []
        kept: list[tuple[int, ...]] = []
        self._strip_held_out()
        for row, signed, vector in zip(
            rows, self._signed(rows, bare=len(self._bare) > 0), self._embedded(rows), strict=True
        ):
            match = self._match(row, signed, vector)
            found.append(match)
            if match is None:
                self._put(row, signed.own, vector)
                kept.append(signed.own)
        self._take_back(start, kept)
        return found

    def _match(self, row: _Row, signed: _Signed, vector: npt.NDArray[np.float32] | None) -> Match | None:
        if row.text in self._exact:
            return Match("duplicate", self._rows[self._exact[row.text]].id, 1.0)
        if not self.numbers_only and row.masked in self._masked:
            return Match("numbers only", self._rows[self._masked[row.masked]].id, 1.0)
        mine = frozenset(_grams(row.text))
        own = self._payload(mine, row.leaf)
        looked: set[int] = set()
        for at in chain(self._bands.sharing(signed.own), self._bare.sharing(signed.bare)):
            other = self._rows[at]
            if at in looked or other.masked == row.masked:
                continue
            looked.add(at)
            share = self._alike(mine, own, other, row.leaf)
            same_numbers = " " in row.numbers and row.numbers == other.numbers  # one alone, such as a year, says little
            if self.near is not None and share >= self.near * (_REWORDED if same_numbers else 1):
                return Match("near duplicate", other.id, round(share, 4))
        return self._same_meaning(row, vector) if vector is not None else None

    def _same_meaning(self, row: _Row, vector: npt.NDArray[np.float32]) -> Match | None:
        near = chain.from_iterable(self._vectors.get(leaf, ()) for leaf in dict.fromkeys((row.leaf, HELD_OUT)))
        known = [(at, v) for at, v in near if self._rows[at].masked != row.masked]
        if not known:
            return None
        cosines = np.stack([v for _, v in known]) @ vector
        best = int(cosines.argmax())
        if cosines[best] < self.near_meaning:
            return None
        return Match("near duplicate", self._rows[known[best][0]].id, round(float(cosines[best]), 4))

    def _alike(self, mine: frozenset[str], own: frozenset[str], other: _Row, leaf: str) -> float:
        every = frozenset(_grams(other.text))
        theirs = self._payload(every, leaf)
        whole = len(mine & every) / len(mine | every)
        return min(whole, len(own & theirs) / min(len(own), len(theirs)))

    def _payload(self, every: frozenset[str], leaf: str) -> frozenset[str]:
        return every - self._templates.get(leaf, frozenset()) or every

    def _signed(self, rows: Sequence[_Row], *, bare: bool = False) -> list[_Signed]:
        """Give the bands of problems; the second ones only where they are asked for."""
        if self._signer is None:
            return [_Signed((), ())] * len(rows)
        texts = [frozenset(_grams(row.text)) for row in rows]
        own = [self._payload(text, row.leaf) for text, row in zip(texts, rows, strict=True)]
        left = [text - self._every_template or text for text in texts] if bare else []
        different = list(dict.fromkeys([*own, *left]))
        bands = dict(zip(different, self._signer.bands(different), strict=True))
        return [_Signed(bands[one], bands[other] if bare else ()) for one, other in zip(own, left or own, strict=True)]

    def _strip_held_out(self) -> None:
        """List the held-out problems that say something of a template without it, where that is not done yet."""
        if self._stale and self._signer is not None:
            self._bare = Bands()
            rows = [self._rows[at] for at in self._held_out]
            for at, signed in zip(self._held_out, self._signed(rows, bare=True), strict=True):
                if signed.bare != signed.own:
                    self._bare.put(at, signed.bare)
        self._stale = False

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
        self._bands.put(at, bands)
        if vector is not None:
            self._vectors.setdefault(row.leaf, []).append((at, vector))

    def _take_back(self, start: int, kept: Sequence[Sequence[int]]) -> None:
        """Forget the rows from `start` on, with their bands."""
        for at, row in enumerate(self._rows[start:], start):
            for known, key in ((self._exact, row.text), (self._masked, row.masked)):
                if known.get(key) == at:
                    del known[key]
            if self.embed is not None:
                self._vectors[row.leaf].pop()
        self._bands.take_back(start, chain.from_iterable(kept))
        del self._rows[start:]


def _row(problem: Problem, leaf: str) -> _Row:
    text = text_for(problem)
    masked = _NUMBER.sub("#", text)
    return _Row(problem.id, leaf, text, digest(masked), " ".join(_NUMBER.findall(text)))


def _grams(text: str) -> list[str]:
    words = [*text.split(), "."]
    return [" ".join(words[at : at + _GRAM]) for at in range(max(1, len(words) - _GRAM + 1))]

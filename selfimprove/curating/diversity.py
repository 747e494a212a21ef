"""Whether later generations still say something new."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

import numpy as np

from selfimprove.curating.near import Embed, text_for
from selfimprove.leakage.words import grams
from selfimprove.records import Problem, Record, digest

_SAMPLE: Final = 40
"""Problems that a generation of a sub-type is measured on: distinct shares depend on how many are looked at."""
_FEWEST: Final = 8
_GRAM: Final = 3
_BLEU: Final = 4


class Spread(Record):
    """How different the problems of one generation of one sub-type are from each other."""

    leaf: str
    generation: int
    problems: int
    """Looked at, at most 40."""
    distinct: float
    """Different word 3-grams over all, in (0, 1], among 8 problems; the mean over as many eights as there are."""
    self_bleu: float
    """Mean BLEU-4 of a problem against the others, in [0, 1]: 1 is all the same (Zhu et al. 2018, arXiv:1802.01886)."""
    distance: float | None = None
    """Mean cosine distance of vectors, where there is an embedding."""


@dataclass
class Sample:
    """A few problems of each generation of each sub-type, chosen by hash, whatever the order they come in."""

    size: int = _SAMPLE
    _kept: dict[tuple[str, int], list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, leaf: str, generation: int, problem: Problem) -> None:
        """See a problem."""
        kept, entry = self._kept[leaf, generation], (-int(digest("spread", problem.id), 16), text_for(problem))
        if len(kept) < self.size:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)

    def spreads(self, embed: Embed | None = None) -> list[Spread]:
        """Measure each generation of which there are enough."""
        return [
            _spread(leaf, generation, [text for _, text in sorted(kept)], embed)
            for (leaf, generation), kept in sorted(self._kept.items())
            if len(kept) >= _FEWEST
        ]


def _spread(leaf: str, generation: int, texts: Sequence[str], embed: Embed | None) -> Spread:
    return Spread(
        leaf=leaf,
        generation=generation,
        problems=len(texts),
        distinct=round(_distinct(texts), 4),
        self_bleu=round(self_bleu(texts), 4),
        distance=None if embed is None else round(_distance(np.asarray(embed(texts), dtype=np.float64)), 4),
    )


def _distinct(texts: Sequence[str]) -> float:
    """Give the distinct share at one size, as more texts repeat more."""
    eights = [texts[at : at + _FEWEST] for at in range(0, len(texts) - _FEWEST + 1, _FEWEST)]
    return sum(map(distinct_share, eights)) / len(eights)


def distinct_share(texts: Iterable[str]) -> float:
    """Give the number of different word 3-grams over the number of all.

    >>> distinct_share(["one two three four", "one two three five"])
    0.75
    """
    every = [gram for text in texts for gram in grams(text.split(), _GRAM)]
    return len(set(every)) / len(every) if every else 1.0


def self_bleu(texts: Sequence[str]) -> float:
    """Give the mean BLEU-4 of each text against all others, with one added to each count but the first (smoothed).

    >>> round(self_bleu(["a b c d e", "a b c d e"]), 3), round(self_bleu(["a b c d e", "v w x y z"]), 3)
    (1.0, 0.0)
    """
    counted = [[Counter(grams(text.split(), n)) for n in range(1, _BLEU + 1)] for text in texts]
    best = [_two_largest(counts[n] for counts in counted) for n in range(_BLEU)]
    scores = [_bleu(own, best) for own in counted]
    return sum(scores) / len(scores) if scores else 0.0


def _two_largest(every: Iterable[Counter[tuple[str, ...]]]) -> dict[tuple[str, ...], tuple[int, int]]:
    """Give how often each n-gram stands in the two texts that have it most."""
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    for counts in every:
        for gram, count in counts.items():
            first, second = found.get(gram, (0, 0))
            found[gram] = (count, first) if count > first else (first, max(second, count))
    return found


def _bleu(own: Sequence[Counter[tuple[str, ...]]], best: Sequence[dict[tuple[str, ...], tuple[int, int]]]) -> float:
    logs = 0.0
    for n, (counts, most) in enumerate(zip(own, best, strict=True)):
        total, hits = counts.total(), 0
        for gram, count in counts.items():
            first, second = most[gram]
            hits += min(count, second if first == count else first)  # the others' most: its own is taken out
        plus = int(n > 0)
        if total == 0 or hits + plus == 0:
            return 0.0
        logs += math.log((hits + plus) / (total + plus)) / _BLEU
    return math.exp(logs)


def _distance(vectors: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    pairs = [1 - float(unit[i] @ unit[j]) for i, j in combinations(range(len(unit)), 2)]
    return sum(pairs) / len(pairs) if pairs else 0.0


def collapsed(spreads: Iterable[Spread], least: float) -> list[str]:
    """Say which generations have lost their variety: less than this share of the first one's distinct 3-grams.

    The user's own seeds are the measure; where they are too few, the first generation that is large enough.
    """
    first: dict[str, Spread] = {}
    said: list[str] = []
    for one in sorted(spreads, key=lambda s: (s.leaf, s.generation)):
        before = first.setdefault(one.leaf, one)
        if one is not before and one.distinct < least * before.distinct:
            said.append(
                f'generation {one.generation} of "{one.leaf}" has {one.distinct:.2f} distinct 3-grams, the first '
                f"measured {before.distinct:.2f}: its problems repeat each other"
            )
    return said

"""The n-grams of held-out problems, and how much of one a text covers.

Plain tuples in a dict: a corpus streams past at millions of words a second, and memory depends on what is held out
alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from selfimprove.leakage.words import grams

GRAM: Final = 8
"""Words of an n-gram. GPT-3 took 8 as its least, below which chance collisions spoil it (Brown et al. 2020,
arXiv:2005.14165, appendix C); Tulu 3 matches by 8 too (Lambert et al. 2024, arXiv:2411.15124, section 3.2)."""
LONG_GRAM: Final = 13
"""Words from which a shared run is no chance phrase: GPT-3's largest n (same appendix)."""
FEW_WORDS: Final = 16
"""Of a problem with fewer words one changed word breaks every n-gram of 8, or all that matter."""
FEW_GRAM: Final = 3
"""Words of its n-grams: those of 2 are phrases of other problems mostly. Between train and test of StrategyQA, GSM8K
and MATH they add no refused row. One other word beside an end of such a problem can still hide it."""
FEW_LEAST: Final = 3
"""Of these it takes at least so many to cover 80 % of 8 words."""
HALF: Final = 0.5
"""Share above which a text is the problem where the shared words are at least 13: Tulu 3's half (arXiv:2411.15124) with
a floor, as half of a short question can be a phrase such as "express your answer as a common fraction"."""
HELD_CUT: Final = 2
"""An n-gram of more held-out problems than this tells none of them from the others: a template's words."""
OTHERS_CUT: Final = 3
"""An n-gram of more other texts than this is a phrase of the subject. GPT-3 cut at 10 documents of a web corpus; here
the other texts are thousands of problems of one task. Chosen by reading MATH train beside MATH-500."""
_LISTED: Final = 50  # problems an n-gram is listed under; a template of thousands is found by its rarest n-gram

Gram = tuple[str, ...]


class Cover(NamedTuple):
    """What a text shares with one held-out problem, in words of the problem."""

    item: int
    every: int
    """Words that shared n-grams cover."""
    own: int
    """The same without n-grams of several held-out problems."""
    rare: int
    """The same without phrases of other texts as well."""
    longest: int
    begins: int
    """Index of the longest run's first word."""


class Index:
    """The n-grams of held-out problems.

    Args:
        items: words of each problem; those shorter than an n-gram are not indexed.
        gram: words of an n-gram.
    """

    def __init__(self, items: Sequence[tuple[str, ...]], gram: int = GRAM) -> None:
        self.items, self.gram = items, gram
        self._holders: Counter[Gram] = Counter()
        for words in items:
            self._holders.update(set(grams(words, self.gram)))
        self.common: set[Gram] = set()
        """Phrases of other texts."""
        self._listed: dict[Gram, list[int]] = defaultdict(list)
        self._grams = [tuple(grams(words, self.gram)) for words in items]
        for number, in_order in enumerate(self._grams):
            own = set(in_order)
            anchor = min(own, key=lambda each: (self._holders[each], each), default=None)
            for each in own:
                if each == anchor or self._holders[each] <= _LISTED:
                    self._listed[each].append(number)

    def shared(self, words: list[str]) -> set[Gram]:
        """Give the n-grams of a text that some held-out problem has."""
        if self._holders.keys().isdisjoint(grams(words, self.gram)):
            return set()
        return {gram for gram in grams(words, self.gram) if gram in self._holders}

    def votes(self, words: list[str]) -> set[Gram]:
        """Give the n-grams that a text has a vote on: not those of a problem that it likely leaks.

        It does where it shares a run of 13 words and covers half of it.
        """
        shared = self.shared(words)
        suspect: set[Gram] = set()
        for cover in self.covers(shared) if shared else ():
            if cover.longest >= LONG_GRAM and cover.every > HALF * len(self.items[cover.item]):
                suspect.update(self._grams[cover.item])
        return shared - suspect

    def covers(self, shared: set[Gram], least: int = 1) -> list[Cover]:
        """Say how much of each problem shared n-grams cover, where so many are its own."""
        found = Counter(number for gram in shared for number in self._listed.get(gram, ()))
        return [self._cover(number, shared) for number, count in sorted(found.items()) if count >= least]

    def _cover(self, number: int, shared: set[Gram]) -> Cover:
        places = [(at, gram) for at, gram in enumerate(self._grams[number]) if gram in shared]
        own = [(at, gram) for at, gram in places if self._holders[gram] <= HELD_CUT]
        rare = [at for at, gram in own if gram not in self.common]
        longest, begins = _longest([at for at, _ in places], self.gram)
        every = _covered([at for at, _ in places], self.gram)
        all_own = every if len(own) == len(places) else _covered([at for at, _ in own], self.gram)
        all_rare = all_own if len(rare) == len(own) else _covered(rare, self.gram)
        return Cover(number, every, all_own, all_rare, longest, begins)


def _covered(places: list[int], size: int) -> int:
    """Count the words of n-grams of this size that begin at these places, in rising order."""
    gaps = (min(size, after - at) for at, after in pairwise(places))
    return sum(gaps) + size if places else 0


def _longest(places: list[int], size: int) -> tuple[int, int]:
    """Give the words of the longest run of n-grams, and where it begins."""
    best = (0, 0)
    begins = 0
    for index, at in enumerate(places):
        if index and at != places[index - 1] + 1:
            begins = index
        best = max(best, (index - begins + size, -places[begins]))
    return best[0], -best[1]

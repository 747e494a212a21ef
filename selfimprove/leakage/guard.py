"""The guard: what is held out, known by exact text, canonical form and n-grams."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from selfimprove.leakage.held_out import HeldOut, Hit, How, text_of
from selfimprove.leakage.index import (
    FEW_GRAM,
    FEW_LEAST,
    FEW_WORDS,
    GRAM,
    HALF,
    LONG_GRAM,
    OTHERS_CUT,
    Cover,
    Gram,
    Index,
)
from selfimprove.leakage.words import grams, normalised, words
from selfimprove.records import Problem

NEARLY_ALL: Final = 0.8
"""Share of a held-out problem's words from which a text is the problem, whatever its length."""
_PREFIX: Final = 4
_SHOWN: Final = 40
_DIGITS: Final = re.compile(r"\d+")
_SEGMENT: Final = re.compile(r"[.?!:;]\s|[\n\"]")


class Guard:
    """Knows what is held out, and finds it in texts.

    A hit is a `leak` where the held-out problem stands in the text whole, or nearly: all of its words in a row; 80 %
    of them; or more than half of them and at least 13. What only shares phrases is `boilerplate`: n-grams that more
    than two held-out problems share, or that `learn` found in more than three other texts, do not count, except in a
    text that repeats a problem word for word. Problems of fewer than 16 words are known by n-grams of 3 words too, for
    the 80 % alone; those of fewer than 8 are found whole; procedural ones by canonical form and exact text alone, as
    templated problems are n-gram twins of each other.

    Args:
        held_out: problems; one whose text stands there already is left out.
        boilerplate: phrases that an earlier guard has learned.
    """

    def __init__(self, held_out: Iterable[HeldOut], boilerplate: Iterable[str] = ()) -> None:
        once: dict[tuple[str, str], HeldOut] = {}
        for each in held_out:
            once.setdefault((normalised(each.text), each.canonical), each)
        self.held_out = list(once.values())
        self._forms = {each.canonical: at for at, each in reversed(list(enumerate(self.held_out))) if each.canonical}
        self._exact: dict[str, list[int]] = defaultdict(list)
        self._starts: dict[Gram, list[int]] = defaultdict(list)
        self._tiny: dict[int, set[tuple[str, ...]]] = defaultdict(set)
        cores: list[tuple[str, ...]] = []
        for at, each in enumerate(self.held_out):
            whole, core = words(each.text), words(each.core or each.text)
            self._exact["".join(whole)].append(at)
            cores.append(() if each.canonical else tuple(core))
            if each.canonical or len(core) >= GRAM:
                continue
            if len(core) < _PREFIX:
                self._tiny[len(core)].add(tuple(core))
            else:
                self._starts[tuple(core[:_PREFIX])].append(at)
        self._index = Index(cores)
        self._few = Index([core if GRAM <= len(core) < FEW_WORDS else () for core in cores], FEW_GRAM)
        self._common_short: set[int] = set()
        self._take(boilerplate)

    @property
    def boilerplate(self) -> list[str]:
        """The phrases learned, so that another guard judges as this one does."""
        short = [" ".join(self._index.items[at]) for at in self._common_short]
        return sorted([" ".join(gram) for index in (self._index, self._few) for gram in index.common] + short)

    def learn(self, texts: Iterable[str]) -> None:
        """Count in how many other texts each n-gram stands; one in more than three is boilerplate from now on.

        A likely leak has no vote (see `Index.votes`), so that many copies of it do not make it boilerplate. The same
        shared n-grams count once a text.
        """
        votes, few = Counter[Gram](), Counter[Gram]()
        short: Counter[int] = Counter()
        for text in texts:
            found = words(text)
            short.update(self._short(text, found))
            votes.update(self._index.votes(found))
            few.update(self._few.votes(found))
        self._index.common |= {gram for gram, count in votes.items() if count > OTHERS_CUT}
        self._few.common |= {gram for gram, count in few.items() if count > OTHERS_CUT}
        self._common_short |= {at for at, count in short.items() if count > OTHERS_CUT}

    def hits(self, text: str) -> list[Hit]:
        """Give all that a text shares with what is held out, the worst first."""
        found = words(text)
        made = {at: self._whole(at, "exact") for at in self._same(text, found)}
        for at in self._short(text, found):
            made.setdefault(at, self._whole(at, "contained", common=at in self._common_short))
        for cover in self._few.covers(self._few.shared(found), FEW_LEAST):
            if self._leaks(cover):  # a phrase of 3 words is not worth telling
                made.setdefault(cover.item, self._judged(cover))
        for cover in self._index.covers(self._index.shared(found)):
            made.setdefault(cover.item, self._judged(cover))
        return sorted(made.values(), key=lambda hit: (hit.verdict != "leak", -hit.share, hit.where, hit.held_out))

    def leak(self, text: str, canonical: str = "") -> Hit | None:
        """Give the worst leak of a text, or of a problem's text and canonical form; None: it is clean."""
        if canonical and canonical in self._forms:
            return self._whole(self._forms[canonical], "canonical")
        worst = next(iter(self.hits(text)), None)
        return worst if worst is not None and worst.verdict == "leak" else None

    def leak_of(self, problem: Problem) -> Hit | None:
        """Give the worst leak of a problem."""
        return self.leak(text_of(problem), problem.canonical)

    def _take(self, boilerplate: Iterable[str]) -> None:
        phrases = {tuple(phrase.split()) for phrase in boilerplate}
        for index in (self._index, self._few):
            index.common |= {phrase for phrase in phrases if len(phrase) == index.gram}
        short = {self._index.items[at]: at for listed in self._starts.values() for at in listed}
        self._common_short |= {short[phrase] for phrase in phrases if phrase in short}

    def _same(self, text: str, found: list[str]) -> list[int]:
        """Find the problems a text is, whatever its case, spaces and punctuation.

        Short and procedural ones must have the same signs and numbers as well.
        """
        same = self._exact.get("".join(found), [])
        long = [at for at in same if len(self._index.items[at]) >= GRAM]
        if len(long) == len(same):
            return long
        signs = _signed(text, found)
        return [at for at in same if at in long or _signed(self.held_out[at].text) == signs]

    def _short(self, text: str, found: list[str]) -> set[int]:
        """Find the problems of fewer than 8 words that stand in a text; of fewer than 4, as a sentence of their own."""
        at_all: set[int] = set()
        if self._starts and not self._starts.keys().isdisjoint(grams(found, _PREFIX)):
            inside = f" {normalised(text)} "
            at_all = {
                at
                for start in set(grams(found, _PREFIX))
                for at in self._starts.get(start, ())
                if f" {normalised(self.held_out[at].core or self.held_out[at].text)} " in inside
            }
        if any(not tiny.isdisjoint(grams(found, size)) for size, tiny in self._tiny.items()):
            for segment in _SEGMENT.split(text):
                alone = words(segment)
                if tuple(alone) in self._tiny.get(len(alone), ()):
                    at_all.update(self._same(segment, alone))
        return at_all

    def _whole(self, at: int, how: How, *, common: bool = False) -> Hit:
        each = self.held_out[at]
        own = words(each.text)
        return Hit(
            held_out=each.id,
            where=each.where,
            verdict="boilerplate" if common else "leak",
            how=how,
            share=1.0,
            covered=len(own),
            longest=len(own),
            shared=" ".join(own[:_SHOWN]),
        )

    def _leaks(self, cover: Cover) -> bool:
        size = len(self._index.items[cover.item])
        nearly = cover.own >= NEARLY_ALL * size and cover.longest >= min(LONG_GRAM, size)
        rare = cover.rare >= NEARLY_ALL * size or (cover.rare > HALF * size and cover.rare >= LONG_GRAM)
        return cover.longest == size or nearly or rare

    def _judged(self, cover: Cover) -> Hit:
        each, item = self.held_out[cover.item], self._index.items[cover.item]
        return Hit(
            held_out=each.id,
            where=each.where,
            verdict="leak" if self._leaks(cover) else "boilerplate",
            how="contained" if cover.longest == len(item) else "n-gram",
            share=round(cover.every / len(item), 4),
            covered=cover.every,
            longest=cover.longest,
            shared=" ".join(item[cover.begins : cover.begins + min(cover.longest, _SHOWN)]),
        )


def _signed(text: str, found: list[str] | None = None) -> tuple[list[str], str]:
    """Give the numbers of a text and its letters and signs without spaces."""
    numbers = _DIGITS.findall(" ".join(words(text) if found is None else found))
    return numbers, normalised(text).replace(" ", "")

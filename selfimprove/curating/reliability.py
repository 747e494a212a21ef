"""Learn how right voters are, and what share of candidates is, from votes alone; see `trust` for the model."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from selfimprove.curating.trust import Count, Estimate, Pattern, Prior, Rule, Tally, Trust, log_chance

_ROUNDS: Final = 40
_LEAST: Final = 0.01
_MOST: Final = 0.99
_GAP: Final = 0.05
"""`a` is held at least so far above `b`."""

Floats = npt.NDArray[np.float64]


def estimate(tally: Tally, rule: Rule, prior: Prior | None = None) -> Estimate:
    """Learn how right voters are from all votes so far: over all sub-types, then in each, shrunk to that."""
    prior = prior or Prior()
    by_leaf: dict[str, Counter[Pattern]] = {}
    for (leaf, pattern), count in tally.patterns.items():
        by_leaf.setdefault(leaf, Counter())[pattern] += count
    pooled: Counter[Pattern] = Counter()
    for some in by_leaf.values():
        pooled.update(some)
    voters = sorted({c.voter for pattern in pooled for c in pattern} | {voter for _, voter, _ in tally.known})
    start = _Fit(prior.share, {voter: Trust(prior.right, prior.wrong) for voter in voters})
    every = _fit(pooled, _known_of(tally, voters, None), start, (prior.voter, prior.voter), rule.correlation)
    shares, trusts = {"": every.share}, {("", voter): trust for voter, trust in every.trusts.items()}
    for leaf in sorted({*by_leaf, *(leaf for leaf, _, _ in tally.known)}):
        known = _known_of(tally, voters, leaf)
        own = _fit(by_leaf.get(leaf, Counter()), known, every, (prior.leaf, prior.leaf), rule.correlation)
        shares[leaf] = own.share
        trusts.update({(leaf, voter): trust for voter, trust in own.trusts.items()})
    return Estimate(shares, trusts, prior)


class _Fit(NamedTuple):
    share: float
    trusts: Mapping[str, Trust]


def _known_of(tally: Tally, voters: Sequence[str], leaf: str | None) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = {}
    for voter in voters:
        agreed = sum(n for (at, who, yes), n in tally.known.items() if who == voter and yes and leaf in (None, at))
        missed = sum(n for (at, who, yes), n in tally.known.items() if who == voter and not yes and leaf in (None, at))
        found[voter] = (agreed, agreed + missed)
    return found


def _fit(
    patterns: Counter[Pattern],
    known: Mapping[str, tuple[int, int]],
    start: _Fit,
    weights: tuple[float, float],
    correlation: float,
) -> _Fit:
    """Fit one mixture of right and wrong candidates, held to where it starts with these weights (trusts, share)."""
    rows = list(patterns.items())
    size = np.array([count for _, count in rows], dtype=np.float64)
    share, trusts = start.share, dict(start.trusts)
    cells: dict[str, dict[tuple[int, int], list[int]]] = {}
    firsts: dict[str, Floats] = {voter: np.full(len(rows), np.nan) for voter in trusts}
    for at, (pattern, _) in enumerate(rows):
        for count in pattern:
            cells.setdefault(count.voter, {}).setdefault((count.agreed, count.decided), []).append(at)
            firsts[count.voter][at] = count.first
    for _ in range(_ROUNDS if rows else 1):
        odds = np.full(len(rows), math.log(share / (1 - share)))
        for voter, kinds in cells.items():
            for (agreed, decided), places in kinds.items():
                count = Count(voter, agreed, decided, first=True)
                right, wrong = trusts[voter]
                odds[places] += log_chance(count, right, correlation) - log_chance(count, wrong, correlation)
        right_of = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
        before = share, dict(trusts)
        share = _mean((size * right_of).sum(), size.sum(), start.share, weights[1])
        for voter in trusts:
            trusts[voter] = _trust(size, right_of, firsts[voter], known[voter], start.trusts[voter], weights[0])
        if abs(before[0] - share) + sum(abs(before[1][v].right - t.right) for v, t in trusts.items()) < 1e-6:  # noqa: PLR2004
            break
    return _Fit(share, trusts)


def _trust(size: Floats, right_of: Floats, first: Floats, known: tuple[int, int], start: Trust, weight: float) -> Trust:
    """Read a voter's chances off its first votes."""
    heard = ~np.isnan(first)
    agreed, held, of = np.nan_to_num(first[heard]), right_of[heard], size[heard]
    wrong = _mean((of * (1 - held) * agreed).sum(), (of * (1 - held)).sum(), start.wrong, weight)
    right = _mean((of * held * agreed).sum() + known[0], (of * held).sum() + known[1], start.right, weight)
    return Trust(max(right, min(_MOST, wrong + _GAP)), wrong)


def _mean(hits: float, tries: float, before: float, weight: float) -> float:
    return float(min(_MOST, max(_LEAST, (hits + weight * before) / (tries + weight))))

"""Exact quotas: whole numbers that add up, shortages filled from the neighbours, strata kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import NamedTuple, TypeVar

T = TypeVar("T")
S = TypeVar("S", bound=Hashable)


def apportion(count: int, weights: Sequence[float]) -> list[int]:
    """Split a count by weights into whole numbers that add up to it (largest remainders; ties to the first).

    Raises:
        ValueError: a weight is negative, or all are 0.

    >>> apportion(10, [5, 4, 3, 2, 1])
    [3, 3, 2, 1, 1]
    """
    total = math.fsum(weights)
    if not total > 0 or min(weights) < 0:
        raise ValueError(f"quotas need weights of at least 0 with a positive sum, got {list(weights)}")
    exact = [count * weight / total for weight in weights]
    whole = [math.floor(share + 1e-9) for share in exact]
    first = sorted(range(len(weights)), key=lambda at: (round(whole[at] - exact[at], 9), at))
    for at in first[: count - sum(whole)]:
        whole[at] += 1
    return whole


class Filled(NamedTuple):
    """Quotas as they can be met.

    Attributes:
        taken: from each bucket, shape `[B]`.
        moved: what was short, as (bucket, bucket it was filled from, how many).
        missing: how many there were nowhere.
    """

    taken: list[int]
    moved: list[tuple[int, int, int]]
    missing: int


def fill(quotas: Sequence[int], there: Sequence[int]) -> Filled:
    """Meet quotas from what is there, a short bucket from its nearest neighbours, the lower one first.

    Buckets that nothing is wanted from are the last to fill others.

    Args:
        quotas: wanted from each bucket, shape `[B]`.
        there: in each bucket, shape `[B]`.

    >>> fill([0, 5, 0], [1, 2, 9])
    Filled(taken=[1, 2, 2], moved=[(1, 0, 1), (1, 2, 2)], missing=0)
    >>> fill([0, 3, 1], [5, 1, 9])
    Filled(taken=[0, 1, 3], moved=[(1, 2, 2)], missing=0)
    """
    taken = [min(quota, some) for quota, some in zip(quotas, there, strict=True)]
    moved: list[tuple[int, int, int]] = []
    missing = 0
    for short, quota in enumerate(quotas):
        left = quota - min(quota, there[short])
        for other in sorted(range(len(there)), key=lambda at: (not quotas[at], abs(at - short), at)):
            found = min(left, there[other] - taken[other]) if other != short else 0
            if found > 0:
                taken[other] += found
                moved.append((short, other, found))
                left -= found
        missing += left
    return Filled(taken, moved, missing)


def stratified(
    items: Sequence[T],
    count: int,
    stratum: Callable[[T], S],
    shares: Mapping[S, float],
    pick: Callable[[list[T], int], list[T]],
) -> list[T]:
    """Pick items so that strata have the given shares, as far as each has enough.

    Args:
        items: to pick from.
        count: how many, at most all.
        stratum: gives an item's.
        shares: of the strata, not negative; one that is missing has 0.
        pick: takes some of a stratum's items.
    """
    parts: dict[S, list[T]] = {}
    for item in items:
        parts.setdefault(stratum(item), []).append(item)
    taken = dict.fromkeys(parts, 0)
    while (left := min(count, len(items)) - sum(taken.values())) > 0:
        able = [name for name in parts if taken[name] < len(parts[name])]
        weights = [shares.get(name, 0.0) for name in able]
        more = apportion(left, weights if sum(weights) > 0 else [1.0] * len(able))
        for name, some in zip(able, more, strict=True):
            taken[name] = min(len(parts[name]), taken[name] + some)
    return [item for name, some in parts.items() for item in pick(some, taken[name])]

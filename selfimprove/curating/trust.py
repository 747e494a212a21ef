r"""How likely a stated answer is right, from the votes of solvers that are sometimes wrong.

Each candidate is right or wrong, which nobody sees. A solver that works it out independently agrees with a right answer
with chance `a` (it is right itself), and with a wrong one with chance `b` (it makes the generator's own error). Both
depend on the solver and on the sub-type. With the prior share `p` of right candidates, votes multiply the odds:

    odds(right | votes) = p / (1 - p) * product over solvers of  P(k agree of n | a) / P(k agree of n | b)

Votes of one solver on one problem resemble each other: a question that it misreads it misreads again. So `k` of `n` is
beta-binomial with mean `a` (or `b`) and intra-class correlation `r`: the second and third vote of the same solver are
worth less than the first of another. `r = 0` is independence. The order of votes does not matter, so there is no
binomial coefficient.

Votes are drawn one after the other until the odds decide (Wald's sequential test): admitted from a posterior of
`admit`, refused from one of `refuse`, undecided at `most` votes. The rule looks at votes alone, so a posterior means
the same whenever sampling ends, and the expected share of right ones among the admitted is their mean posterior, which
is at least `admit`. Example: a = 0.8, b = 0.1, p = 0.8; an agreement multiplies the odds by 8, a disagreement divides
them by 4.5. Two agreements give 0.996; PLACEHOLDER
on average for a right candidate, 3.4 for a wrong one.

What `a`, `b` and `p` are is learned: `a` from the user's own seeds, whose answers are known, and all three by
expectation-maximisation over the candidates so far, as annotators' error rates are without a gold standard (Dawid and
Skene 1979, Applied Statistics 28:20-28). `a` and `b` are read off each solver's *first* vote, weighted with the
posterior of all votes: who was asked often was asked because of how the first votes fell. Sub-types are shrunk to
the solver's mean over all of them, that to a prior which is careful about `b`. Where a solver cannot tell (`b` near
`a`), its votes count for little and candidates stay undecided: the yield falls, the precision does not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from selfimprove.curating.rows import Vote
from selfimprove.records import Verdict

_ROUNDS: Final = 40
_LEAST: Final = 0.01
_MOST: Final = 0.99
_GAP: Final = 0.05
"""`a` is held at least so far above `b`."""

Floats = npt.NDArray[np.float64]


class Trust(NamedTuple):
    """How one voter votes on one sub-type."""

    right: float
    """Chance that it agrees with what is right."""
    wrong: float
    """Chance that it agrees with what is wrong."""


class Prior(NamedTuple):
    """What is believed before any vote, each with its weight in votes.

    Attributes:
        right: mean of `Trust.right`.
        wrong: mean of `Trust.wrong`; too high costs votes, too low costs precision.
        share: of candidates that are right.
        voter: weight of the first two.
        leaf: weight of the mean over all sub-types in one sub-type.
    """

    right: float = 0.75
    wrong: float = 0.2
    share: float = 0.7
    voter: float = 20.0
    leaf: float = 30.0


@dataclass(frozen=True)
class Rule:
    """When votes are enough.

    Attributes:
        admit: from this posterior on it is right.
        refuse: down from this posterior it is wrong.
        most: votes asked for, those without a verdict counted too.
        correlation: of one voter's votes on one candidate, in [0, 1).
    """

    admit: float = 0.995
    refuse: float = 0.01
    most: int = 16
    correlation: float = 0.05


class Count(NamedTuple):
    """One voter's votes on one candidate."""

    voter: str
    agreed: int
    decided: int
    first: bool
    """Whether its first vote agreed."""


Pattern = tuple[Count, ...]


def pattern_of(votes: Iterable[Vote]) -> Pattern:
    """Count votes by voter; those without a verdict are none."""
    found: dict[str, Count] = {}
    for vote in sorted(votes, key=lambda vote: (vote.voter, vote.sample)):
        if vote.verdict.decided:
            agrees = vote.verdict is Verdict.CORRECT
            old = found.get(vote.voter) or Count(vote.voter, 0, 0, agrees)
            found[vote.voter] = old._replace(agreed=old.agreed + agrees, decided=old.decided + 1)
    return tuple(found.values())


@dataclass
class Tally:
    """Vote patterns so far, as counts: its size does not grow with the candidates.

    Attributes:
        patterns: candidates by sub-type and pattern.
        known: first votes on problems whose answer is known, by sub-type and voter: (agreed, asked).
    """

    patterns: Counter[tuple[str, Pattern]] = field(default_factory=Counter)
    known: Counter[tuple[str, str, bool]] = field(default_factory=Counter)

    @property
    def size(self) -> int:
        """Candidates counted."""
        return self.patterns.total()

    def copy(self) -> Tally:
        """Give one that can be added to by itself."""
        return Tally(self.patterns.copy(), self.known.copy())

    def add(self, leaf: str, pattern: Pattern) -> None:
        """Count a candidate whose voting is over."""
        if pattern:
            self.patterns[leaf, pattern] += 1

    def add_known(self, leaf: str, voter: str, *, agrees: bool) -> None:
        """Count a vote on a problem that is known to be right."""
        self.known[leaf, voter, agrees] += 1


@dataclass(frozen=True)
class Estimate:
    """What is known of voters and sub-types.

    Attributes:
        shares: of right candidates, by sub-type.
        trusts: by sub-type and voter.
        prior: for what was never seen.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    trusts: Mapping[tuple[str, str], Trust] = field(default_factory=dict)
    prior: Prior = field(default_factory=Prior)

    def trust(self, leaf: str, voter: str) -> Trust:
        """Give how a voter votes on a sub-type."""
        return self.trusts.get((leaf, voter)) or self.trusts.get(("", voter)) or Trust(self.prior.right, self.prior.wrong)

    def share(self, leaf: str) -> float:
        """Give the share of right candidates of a sub-type."""
        return self.shares.get(leaf, self.shares.get("", self.prior.share))

    def posterior(self, leaf: str, pattern: Pattern, correlation: float) -> float:
        """Give how likely a candidate of these votes is right."""
        share = self.share(leaf)
        odds = math.log(share / (1 - share))
        for count in pattern:
            trust = self.trust(leaf, count.voter)
            odds += _log_chance(count, trust.right, correlation) - _log_chance(count, trust.wrong, correlation)
        return 1 / (1 + math.exp(-max(-500.0, min(500.0, odds))))


def decide(
    votes: Sequence[Vote], leaf: str, voters: Sequence[str], estimate: Estimate, rule: Rule
) -> tuple[float, Literal["yes", "no", "open", "undecided"]]:
    """Give the posterior of a candidate, and whether it is decided.

    A yes needs a vote of every voter, and more agreements than disagreements, whatever the odds are.

    Args:
        votes: so far.
        leaf: sub-type of the candidate.
        voters: who may be asked.
        estimate: of the voters.
        rule: when it is enough.
    """
    pattern = pattern_of(votes)
    right = estimate.posterior(leaf, pattern, rule.correlation)
    agreed, decided = sum(c.agreed for c in pattern), sum(c.decided for c in pattern)
    heard = {count.voter for count in pattern}.issuperset(voters)
    if heard and right >= rule.admit and 2 * agreed > decided:
        return right, "yes"
    if decided and right <= rule.refuse:
        return right, "no"
    return right, "undecided" if len(votes) >= rule.most else "open"


def _log_chance(count: Count, mean: float, correlation: float) -> float:
    """Give the log chance of a sequence with so many agreements, beta-binomial with this mean."""
    if not correlation:
        return count.agreed * math.log(mean) + (count.decided - count.agreed) * math.log(1 - mean)
    size = (1 - correlation) / correlation
    return (
        sum(math.log(mean * size + i) for i in range(count.agreed))
        + sum(math.log((1 - mean) * size + i) for i in range(count.decided - count.agreed))
        - sum(math.log(size + i) for i in range(count.decided))
    )


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
                odds[places] += _log_chance(count, right, correlation) - _log_chance(count, wrong, correlation)
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

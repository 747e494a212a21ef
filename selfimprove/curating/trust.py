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
them by 4.5. Two agreements give 0.996.

Simulated with these chances, the defaults below, and `a`, `b`, `p` learned on the way (12,600 candidates of 21
sub-types, two solvers), 99.7 % of the admitted are right, 99 % of the right ones are admitted, and a candidate takes
4.5 votes. With p = 0.3 it is 99.8 %, 98 % and 5.1; with votes that are correlated by 0.2, 99.7 %, 94 % and 5.3; with
a = 0.6 and b = 0.2, 99.7 %, 66 % and 11.9: weaker solvers cost rows and votes, not precision.

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
from typing import Literal, NamedTuple

from selfimprove.curating.rows import Vote
from selfimprove.records import Verdict


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
        return (
            self.trusts.get((leaf, voter)) or self.trusts.get(("", voter)) or Trust(self.prior.right, self.prior.wrong)
        )

    def share(self, leaf: str) -> float:
        """Give the share of right candidates of a sub-type."""
        return self.shares.get(leaf, self.shares.get("", self.prior.share))

    def posterior(self, leaf: str, pattern: Pattern, correlation: float) -> float:
        """Give how likely a candidate of these votes is right."""
        share = self.share(leaf)
        odds = math.log(share / (1 - share))
        for count in pattern:
            trust = self.trust(leaf, count.voter)
            odds += log_chance(count, trust.right, correlation) - log_chance(count, trust.wrong, correlation)
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


def log_chance(count: Count, mean: float, correlation: float) -> float:
    """Give the log chance of a sequence with so many agreements, beta-binomial with this mean."""
    if not correlation:
        return count.agreed * math.log(mean) + (count.decided - count.agreed) * math.log(1 - mean)
    size = (1 - correlation) / correlation
    return (
        sum(math.log(mean * size + i) for i in range(count.agreed))
        + sum(math.log((1 - mean) * size + i) for i in range(count.decided - count.agreed))
        - sum(math.log(size + i) for i in range(count.decided))
    )

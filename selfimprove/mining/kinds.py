"""How a student fails at a problem, from its greedy attempt and its samples.

A technical failure (cut off, unreadable, too slow to compare) is a kind of its own: it says nothing about what the
student can do, so it is never `wrong`.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from selfimprove.mining import clusters
from selfimprove.mining.first_wrong import first_wrong
from selfimprove.mining.posterior import Posterior
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Interval, Problem, Record, Verdict

Share = Annotated[float, Field(gt=0, lt=1)]
_SEVERAL = 3


class Kind(StrEnum):
    """What mining found; the last four are technical and have no verdict."""

    RIGHT = "right"
    LUCKY = "lucky"
    """The greedy attempt is right, but most samples are not."""
    INCONSISTENT = "inconsistent"
    """The greedy attempt is wrong; samples are right at times, or scatter over many answers."""
    WRONG = "wrong"
    """Wrong every time, or nearly so."""
    TRUNCATED = "truncated"
    UNPARSEABLE = "unparseable"
    TIMEOUT = "timeout"
    ERROR = "error"

    @property
    def technical(self) -> bool:
        """True when there is nothing to learn or to count as wrong."""
        return self in {Kind.TRUNCATED, Kind.UNPARSEABLE, Kind.TIMEOUT, Kind.ERROR}

    @property
    def failure(self) -> bool:
        """True for `lucky`, `inconsistent` and `wrong`."""
        return not self.technical and self is not Kind.RIGHT


class KindRule(Record):
    """Where the kinds part."""

    rare: Share = 0.2
    """A problem whose greedy attempt is wrong is solved at times when its pass rate is over this."""
    lucky: Share = 0.5
    """A right greedy attempt was luck when the pass rate is under this."""
    scattered: Share = 0.3
    """Samples scatter when their agreement (see `clusters.agreement`) is under this."""
    confidence: Share = 0.9
    """Sampling may stop when the posterior lies on one side of the bound with this chance."""


class Mined(Record):
    """What mining found out about one problem."""

    problem: str
    kind: Kind
    greedy: Verdict
    samples: int = 0
    """Sampled completions, the greedy one not counted."""
    passed: int = 0
    failed: int = 0
    """Wrong samples. Samples without a verdict are in neither."""
    pass_rate: float | None = None
    """Share of correct ones among the samples with a verdict; None where there is none."""
    posterior_mean: float
    """Of the pass rate, under Jeffreys' prior."""
    interval: Interval
    """95 % credible interval of the pass rate."""
    settled: bool
    """The posterior decides the kind; False: the cap was reached, or nothing was sampled."""
    consistency: float | None = None
    """Share of the largest cluster of equal answers among the samples."""
    entropy_bits: float | None = None
    """Of the samples' answers."""
    agreement: float | None = None
    """Consistency on a scale from the least that the answer space allows (0) to all the same (1)."""
    majority_right: bool | None = None
    """The largest cluster is the correct one; None where none is largest."""
    truncated: int = 0
    """Attempts without a verdict, the greedy one counted in, after any re-run."""
    unparseable: int = 0
    timeouts: int = 0
    errors: int = 0
    rerun: int = 0
    """Attempts that had no verdict and were tried again."""
    mean_logprob: float | None = None
    """Mean log-probability of the greedy attempt's tokens: a free signal of how hard the problem is."""
    first_wrong: int | None = None
    """The first wrong step of a wrong greedy attempt, counted from 1, where the task's steps can be checked exactly."""

    @property
    def posterior(self) -> Posterior:
        """What the samples say about the pass rate."""
        return Posterior(self.passed, self.failed)


def posterior_of(samples: Sequence[Attempt]) -> Posterior:
    """Count the samples that have a verdict."""
    passed = sum(a.verdict is Verdict.CORRECT for a in samples)
    return Posterior(passed, sum(a.verdict is Verdict.WRONG for a in samples))


def settled(attempts: Sequence[Attempt], rule: KindRule) -> bool:
    """Say whether more samples are not needed to tell the kind; the greedy attempt comes first.

    Where the greedy attempt has no verdict the kind is technical, whatever is sampled.
    """
    greedy, samples = attempts[0], attempts[1:]
    if not greedy.verdict.decided:
        return True
    bound = rule.lucky if greedy.verdict is Verdict.CORRECT else rule.rare
    return posterior_of(samples).settles(bound, rule.confidence)


def summarise(problem: Problem, attempts: Sequence[Attempt], task: Task, rule: KindRule, rerun: int = 0) -> Mined:
    """Sum a problem's attempts up, the greedy one first."""
    greedy, samples = attempts[0], attempts[1:]
    seen = posterior_of(samples)
    sizes = clusters.cluster_sizes(problem, samples, task)
    agreement = clusters.agreement(sizes, clusters.answer_space(problem))
    decided = int(seen.passed + seen.failed)
    counts = {verdict: sum(a.verdict is verdict for a in attempts) for verdict in Verdict}
    entropy = clusters.entropy_bits(sizes)
    return Mined(
        problem=problem.id,
        kind=_kind(greedy.verdict, seen, agreement, rule),
        greedy=greedy.verdict,
        samples=len(samples),
        passed=int(seen.passed),
        failed=int(seen.failed),
        pass_rate=round(seen.passed / decided, 6) if decided else None,
        posterior_mean=round(seen.mean, 6),
        interval=seen.interval(),
        settled=settled(attempts, rule),
        consistency=_rounded(clusters.consistency(sizes)),
        entropy_bits=_rounded(entropy),
        agreement=_rounded(agreement),
        majority_right=_majority_right(int(seen.passed), sizes),
        truncated=counts[Verdict.TRUNCATED],
        unparseable=counts[Verdict.UNPARSEABLE],
        timeouts=counts[Verdict.TIMEOUT],
        errors=counts[Verdict.ERROR],
        rerun=rerun,
        mean_logprob=greedy.completion.mean_logprob,
        first_wrong=first_wrong(problem, greedy),
    )


def _kind(greedy: Verdict, seen: Posterior, agreement: float | None, rule: KindRule) -> Kind:
    if not greedy.decided:
        return Kind(greedy.value)
    sampled = bool(seen.passed + seen.failed)
    if greedy is Verdict.CORRECT:
        return Kind.LUCKY if sampled and seen.above(rule.lucky) < 0.5 else Kind.RIGHT  # noqa: PLR2004 - more likely than not
    several = seen.passed + seen.failed >= _SEVERAL
    scatters = several and agreement is not None and agreement < rule.scattered
    at_times = sampled and seen.above(rule.rare) > 0.5  # noqa: PLR2004 - more likely than not
    return Kind.INCONSISTENT if at_times or scatters else Kind.WRONG


def _majority_right(passed: int, sizes: Sequence[int]) -> bool | None:
    if not sizes or sizes.count(sizes[0]) > 1:
        return None
    return passed == sizes[0]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)

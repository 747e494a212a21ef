"""Evaluate: greedy, strict and lenient, with intervals; no verdict is counted apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean

from selfimprove.mining.clusters import cluster_sizes, consistency
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Comparison, Evaluation, Interval, Problem, Sampled, Score, Split, Verdict
from selfimprove.stats import bootstrap_means, compare_means, compare_paired, quantiles, wilson


def score(verdicts: Sequence[Verdict]) -> Score:
    """Count correct ones among all, with Wilson's interval."""
    n, correct = len(verdicts), sum(v is Verdict.CORRECT for v in verdicts)
    return Score(
        n=n,
        correct=correct,
        accuracy=round(correct / n, 6) if n else 0.0,
        interval=wilson(correct, n),
        no_verdict=sum(not v.decided for v in verdicts),
    )


def evaluate(
    attempts: Sequence[Attempt],
    problems: Sequence[Problem],
    *,
    split: Split,
    round_: int,
    arm: str,
    program: str,
    render_hash: str,
    shots: int = 0,
    sampled: Sampled | None = None,
) -> Evaluation:
    """Sum up one model's attempts at one split, in the same order as the problems."""
    return Evaluation(
        split=split,
        round=round_,
        arm=arm,
        model=next((a.completion.model for a in attempts if a.completion.model), ""),
        program=program,
        render_hash=render_hash,
        shots=shots,
        lenient=score([a.verdict for a in attempts]),
        strict=score([a.strict for a in attempts]),
        truncated=sum(a.completion.finish_reason == "length" for a in attempts),
        by_label=_by_label(attempts, problems),
        completion_tokens=sum(a.completion.completion_tokens for a in attempts),
        sampled=sampled,
    )


def sum_samples(samples: Sequence[Sequence[Attempt]], problems: Sequence[Problem], task: Task) -> Sampled:
    """Sum up several samples a problem, shape `[P][K]`, in the same order as the problems.

    A problem whose samples are not all read has no agreement.
    """
    shares = [share(some) for some in samples]
    sizes = [cluster_sizes(problem, some, task) for problem, some in zip(problems, samples, strict=True)]
    agree = [sum(size) == len(some) and consistency(size) == 1 for size, some in zip(sizes, samples, strict=True)]
    low, high = quantiles(bootstrap_means(shares))
    if low == high:  # all problems are alike, so no resample differs
        between = wilson(round(len(shares) * fmean(shares)), len(shares))
        low, high = between.low, between.high
    return Sampled(
        samples=len(samples[0]),
        accuracy=round(fmean(shares), 6),
        interval=Interval(low=low, high=high),
        pass_at_k=round(fmean(s > 0 for s in shares), 6),
        consistency=round(fmean(agree), 6),
    )


def share(attempts: Sequence[Attempt]) -> float:
    """Give the share of correct ones."""
    return sum(a.verdict is Verdict.CORRECT for a in attempts) / len(attempts)


def _by_label(attempts: Sequence[Attempt], problems: Sequence[Problem]) -> Mapping[str, Mapping[str, Score]]:
    groups: dict[str, dict[str, list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    for attempt, problem in zip(attempts, problems, strict=True):
        for label, value in problem.labels.items():
            groups[label][value].append(attempt.verdict)
    return {label: {v: score(some) for v, some in sorted(values.items())} for label, values in sorted(groups.items())}


def compare(
    new: Sequence[Attempt], old: Sequence[Attempt], read: Callable[[Attempt], Verdict] = lambda a: a.verdict
) -> Comparison:
    """Compare two models' attempts at the same problems, one each or as many samples each, in any order.

    Several samples of a problem count as one score, their mean: what is drawn for a test is the problem.
    """
    right_new, right_old = _by_problem(new, read), _by_problem(old, read)
    pairs = [(right_new[problem], right_old[problem]) for problem in sorted(right_new)]
    if all(len(a) == len(b) == 1 for a, b in pairs):
        return compare_paired([a[0] for a, _ in pairs], [b[0] for _, b in pairs])
    return compare_means([fmean(a) for a, _ in pairs], [fmean(b) for _, b in pairs])


def _by_problem(attempts: Sequence[Attempt], read: Callable[[Attempt], Verdict]) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = defaultdict(list)
    for attempt in attempts:
        found[attempt.problem].append(read(attempt) is Verdict.CORRECT)
    return found

"""Evaluate: greedy, strict and lenient, with intervals; no verdict is counted apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import Final

from selfimprove.mining.clusters import cluster_sizes, consistency
from selfimprove.protocols import Task
from selfimprove.records import Attempt, Comparison, Evaluation, Interval, Problem, Sampled, Score, Split, Verdict
from selfimprove.stats import bootstrap_means, compare_means, compare_paired, quantiles, wilson

_ALONE: Final[Mapping[str, str]] = {}


def score(verdicts: Sequence[Verdict], groups: Sequence[str] = ()) -> Score:
    """Count correct ones among all, with Wilson's interval; a bootstrap's over groups where problems belong together.

    Over few groups it is too narrow: its 95 % are 84 % with five of them, 90 with ten, 94 with forty.

    Args:
        verdicts: one a problem, shape `[P]`.
        groups: which problems belong together, shape `[P]`; empty: each stands alone.
    """
    n, right = len(verdicts), [float(v is Verdict.CORRECT) for v in verdicts]
    correct = int(sum(right))
    return Score(
        n=n,
        correct=correct,
        accuracy=round(correct / n, 6) if n else 0.0,
        interval=_between(right, groups) if groups else wilson(correct, n),
        no_verdict=sum(not v.decided for v in verdicts),
    )


def _between(shares: Sequence[float], groups: Sequence[str]) -> Interval:
    """Give the interval of a mean of shares; Wilson's where all problems are alike, so that no resample differs."""
    low, high = quantiles(bootstrap_means(shares, groups=groups))
    if low == high:
        n = len(set(groups)) or len(shares)
        return wilson(round(n * fmean(shares)), n)
    return Interval(low=low, high=high)


def grouped(problems: Iterable[Problem]) -> dict[str, str]:
    """Give the group of each problem by its id, its own id where it has none; nothing where all stand alone."""
    found = {problem.id: problem.group or problem.id for problem in problems}
    return found if len(set(found.values())) < len(found) else {}


def _groups(ids: Sequence[str], groups: Mapping[str, str]) -> list[str]:
    """Give the group of each problem, shape `[P]`; nothing where no two of them belong together."""
    found = [groups.get(i, i) for i in ids] if groups else []
    return found if len(set(found)) < len(found) else []


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
    belong = grouped(problems)
    groups = _groups([problem.id for problem in problems], belong)
    return Evaluation(
        split=split,
        round=round_,
        arm=arm,
        model=next((a.completion.model for a in attempts if a.completion.model), ""),
        program=program,
        render_hash=render_hash,
        shots=shots,
        lenient=score([a.verdict for a in attempts], groups),
        strict=score([a.strict for a in attempts], groups),
        truncated=sum(a.completion.finish_reason == "length" for a in attempts),
        by_label=_by_label(attempts, problems, belong),
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
    return Sampled(
        samples=len(samples[0]),
        accuracy=round(fmean(shares), 6),
        interval=_between(shares, _groups([problem.id for problem in problems], grouped(problems))),
        pass_at_k=round(fmean(s > 0 for s in shares), 6),
        consistency=round(fmean(agree), 6),
    )


def share(attempts: Sequence[Attempt]) -> float:
    """Give the share of correct ones."""
    return sum(a.verdict is Verdict.CORRECT for a in attempts) / len(attempts)


def _by_label(
    attempts: Sequence[Attempt], problems: Sequence[Problem], belong: Mapping[str, str]
) -> Mapping[str, Mapping[str, Score]]:
    some: dict[str, dict[str, list[tuple[Verdict, str]]]] = defaultdict(lambda: defaultdict(list))
    for attempt, problem in zip(attempts, problems, strict=True):
        for label, value in problem.labels.items():
            some[label][value].append((attempt.verdict, problem.id))
    return {
        label: {
            value: score([verdict for verdict, _ in found], _groups([i for _, i in found], belong))
            for value, found in sorted(values.items())
        }
        for label, values in sorted(some.items())
    }


def compare(
    new: Sequence[Attempt],
    old: Sequence[Attempt],
    read: Callable[[Attempt], Verdict] = lambda a: a.verdict,
    groups: Mapping[str, str] = _ALONE,
) -> Comparison:
    """Compare two models' attempts at the same problems, one each or as many samples each, in any order.

    Several samples of a problem count as one score, their mean: what is drawn for a test is the problem, or the group
    of problems that belong together.

    Args:
        new: attempts of the new model.
        old: of the old one.
        read: which of an attempt's verdicts counts.
        groups: problem id to its group, as `grouped` gives them; one that is not named stands alone.
    """
    return compare_right(_by_problem(new, read), _by_problem(old, read), groups)


def compare_right(
    new: Mapping[str, Sequence[bool]], old: Mapping[str, Sequence[bool]], groups: Mapping[str, str] = _ALONE
) -> Comparison:
    """Compare as `compare` does, by problem id which of a problem's attempts are right."""
    ids = sorted(new)
    belong = _groups(ids, groups)
    if not belong and all(len(new[i]) == len(old[i]) == 1 for i in ids):
        return compare_paired([new[i][0] for i in ids], [old[i][0] for i in ids])
    return compare_means([fmean(new[i]) for i in ids], [fmean(old[i]) for i in ids], belong)


def _by_problem(attempts: Sequence[Attempt], read: Callable[[Attempt], Verdict]) -> dict[str, list[bool]]:
    found: dict[str, list[bool]] = defaultdict(list)
    for attempt in attempts:
        found[attempt.problem].append(read(attempt) is Verdict.CORRECT)
    return found

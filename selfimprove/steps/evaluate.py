"""Evaluate: greedy, strict and lenient, with intervals; no verdict is counted apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from selfimprove.records import Attempt, Comparison, Evaluation, Problem, Score, Split, Verdict
from selfimprove.stats import compare_paired, wilson


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
    )


def _by_label(attempts: Sequence[Attempt], problems: Sequence[Problem]) -> Mapping[str, Mapping[str, Score]]:
    groups: dict[str, dict[str, list[Verdict]]] = defaultdict(lambda: defaultdict(list))
    for attempt, problem in zip(attempts, problems, strict=True):
        for label, value in problem.labels.items():
            groups[label][value].append(attempt.verdict)
    return {label: {v: score(some) for v, some in sorted(values.items())} for label, values in sorted(groups.items())}


def compare(
    new: Sequence[Attempt], old: Sequence[Attempt], read: Callable[[Attempt], Verdict] = lambda a: a.verdict
) -> Comparison:
    """Compare two models' attempts at the same problems; both are sorted by problem first."""
    by_problem = {a.problem: read(a) is Verdict.CORRECT for a in old}
    ordered = sorted(new, key=lambda a: a.problem)
    return compare_paired([read(a) is Verdict.CORRECT for a in ordered], [by_problem[a.problem] for a in ordered])

"""Watch: what a promotion may not make worse, though the accuracy on dev has risen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Final

from selfimprove.records import Attempt, Problem, Verdict, Watched
from selfimprove.stats import bootstrap_means
from selfimprove.steps.evaluate import compare, compare_right, grouped

_MOST_VALUES: Final = 50
"""A label of more values, such as an id, groups nothing."""


def watch_labels(
    new: Sequence[Attempt], old: Sequence[Attempt], problems: Sequence[Problem], level: float
) -> list[Watched]:
    """Compare two models within each group of problems that share a label: a gain in one may hide a loss in another.

    Args:
        new: attempts of the new model, one or several a problem.
        old: of the old one, at the same problems.
        problems: with their labels.
        level: chance that any group seems to fall where none does; shared by the groups (Bonferroni).
    """
    belong = grouped(problems)
    groups = {
        f"{label} {value}": ids
        for label, values in sorted(_by_label(problems).items())
        if 1 < len(values) <= _MOST_VALUES
        for value, ids in sorted(values.items())
    }
    found = []
    for name, ids in groups.items():
        mine, before = ([a for a in attempts if a.problem in ids] for attempts in (new, old))
        p = compare(mine, before, groups=belong).p_worse
        found.append(Watched(name=name, before=_accuracy(before), after=_accuracy(mine), p_worse=p, fell=False))
    return [each.model_copy(update={"fell": each.p_worse <= level / len(groups)}) for each in found]


def _by_label(problems: Sequence[Problem]) -> Mapping[str, Mapping[str, set[str]]]:
    groups: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for problem in problems:
        for label, value in problem.labels.items():
            groups[label][value].add(problem.id)
    return groups


def _accuracy(attempts: Sequence[Attempt]) -> float:
    return round(fmean(a.verdict is Verdict.CORRECT for a in attempts), 6)


def watch_breadth(new: Sequence[Attempt], old: Sequence[Attempt], problems: Sequence[Problem], level: float) -> Watched:
    """Compare how many problems at least one of several samples solves: a student may get surer and narrower.

    Args:
        new: samples of the new model, as many of each problem.
        old: of the old one, at the same problems.
        problems: with their groups.
        level: chance that it seems to fall where it does not.
    """
    after, before = _any(new), _any(old)
    return _fell(f"pass@{len(new) // len(after)}", after, before, grouped(problems), level)


def _any(attempts: Sequence[Attempt]) -> dict[str, bool]:
    right = {a.problem for a in attempts if a.verdict is Verdict.CORRECT}
    return {a.problem: a.problem in right for a in attempts}


def _fell(
    name: str, new: Mapping[str, bool], old: Mapping[str, bool], groups: Mapping[str, str], level: float
) -> Watched:
    """Say whether fewer problems come out right, by id."""
    p = compare_right({i: [new[i]] for i in new}, {i: [old[i]] for i in new}, groups).p_worse
    before, after = (round(fmean(each[i] for i in new), 6) for each in (old, new))
    return Watched(name=name, before=before, after=after, p_worse=p, fell=p <= level)


def watch_text(new: Sequence[float], old: Sequence[float], rise: float, level: float) -> Watched:
    """Compare the loss on a text that nothing is trained on, by passages, in nats a token.

    Args:
        new: the new model's mean loss on each passage, shape `[W]`.
        old: the old one's.
        rise: that is let pass.
        level: chance that it seems to have risen by more where it has not.
    """
    means = bootstrap_means([a - b - rise for a, b in zip(new, old, strict=True)])
    p = float((1 + (means <= 0).sum()) / (1 + len(means)))
    return Watched(name="loss on the text", before=fmean(old), after=fmean(new), p_worse=p, fell=p <= level)


def watch_solved(
    new: Mapping[str, float], old: Mapping[str, float], problems: Sequence[Problem], fall: float, level: float
) -> Watched:
    """Compare how often problems are solved that were solved before, by problems, as shares of samples.

    Args:
        new: problem id to the share of the new model's samples that solve it.
        old: the same of the model that solved it before, by samples drawn after it was chosen for that.
        problems: with their groups.
        fall: that is let pass, as a share.
        level: chance that they seem to have fallen by more where they have not.
    """
    groups = grouped(problem for problem in problems if problem.id in new)
    means = bootstrap_means([new[i] - old[i] + fall for i in new], groups=[groups[i] for i in new] if groups else ())
    p = float((1 + (means >= 0).sum()) / (1 + len(means)))
    before, after = (round(fmean(each[i] for i in new), 6) for each in (old, new))
    return Watched(name="problems solved before", before=before, after=after, p_worse=p, fell=p <= level)


def watch_task(
    name: str, new: Mapping[str, bool], old: Mapping[str, bool], problems: Sequence[Problem], level: float
) -> Watched:
    """Compare which problems of another task two models solve.

    Args:
        name: the task's.
        new: problem id to whether the new model solves it.
        old: the same of the old one.
        problems: with their groups.
        level: chance that it seems to fall where it does not.
    """
    return _fell(name, new, old, grouped(problems), level)

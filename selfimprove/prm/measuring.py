"""Measure a step scorer beside the baselines that it must beat, on the same solutions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final, get_args

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.mining.levels import Aggregate, aggregated
from selfimprove.prm.solutions import Solution, hash_of
from selfimprove.protocols import StepScorer
from selfimprove.records import StepItem, Verdict, digest
from selfimprove.scorers.baselines import LOGPROB, LOWEST, MAJORITY, Certainty, Majority, key_of
from selfimprove.scorers.figures import Figures, Gap, Labels, Measured, Ranks, Scores, gap_of, step_figures
from selfimprove.scorers.labels import read_processbench
from selfimprove.scorers.metrics import best_threshold, first_below, processbench_of, spearman
from selfimprove.scorers.scoring import Judging, judged, threshold_of

_FEWEST_RANKED: Final = 10
_NOTHING: Final = -2
"""How ProcessBench's figures are told of a solution without a verdict."""
_EXACT: Final = "steps cannot be checked exactly on this task, so nothing is said of single steps"
_ALIKE: Final = "all known steps are right, or all are wrong, so nothing can be said of single steps"


def measure_on_solutions(
    scorer: StepScorer,
    solutions: Sequence[Solution],
    *,
    on: str,
    student: str = "",
    threshold: float | None = None,
    label: str = "kind",
) -> Measured:
    """Measure a scorer and the baselines on a student's solutions.

    Args:
        scorer: what is measured.
        solutions: see `solutions.solve_problems`.
        on: what they are, for people.
        student: identity of who wrote them.
        threshold: a step that scores below it is called wrong; None: what the scorer says, one half unless it does.
        label: of problems whose kinds are ranked apart.

    Raises:
        InputError: there are no solutions, or the scorer's scores do not fit the steps.
    """
    if not solutions:
        raise InputError(f"{on}: there is no solution with steps and a verdict; let a student that writes steps try")
    items = [one.item for one in solutions]
    labels: Labels = [one.right if one.right is not None else [None] * len(one.item.steps) for one in solutions]
    scorers: dict[str, StepScorer] = {"": scorer, MAJORITY: Majority.of(labels)}
    for name, known in _certainties(solutions):
        scorers[name] = Certainty(name, known)
    scores, figures = dict[str, Scores](), dict[str, Figures]()
    for name, one in scorers.items():
        scores[name], named = _scored(one, items)
        below = threshold_of(one) if threshold is None else threshold
        steps = step_figures(scores[name], labels, threshold=below, named=named)
        ranks = tuple(_ranks(scores[name], solutions, how, label) for how in get_args(Aggregate))
        missing = sum(some is None for some in scores[name])
        figures[name] = Figures(scorer=one.identity, no_verdict=missing, steps=steps, ranks=ranks)
    notes = [f"{name}: left out, as the engine gives none" for name in (LOGPROB, LOWEST) if name not in scorers]
    if figures[""].steps is None:
        notes.append(_EXACT if all(one.right is None for one in solutions) else _ALIKE)
    return Measured(
        on=on,
        data=hash_of(solutions),
        student=student,
        solutions=len(solutions),
        own=figures.pop(""),
        baselines=figures,
        gaps=_gaps(scores, labels),
        notes=tuple(notes),
    )


def _certainties(solutions: Sequence[Solution]) -> Iterator[tuple[str, dict[str, float]]]:
    """Give the free signals that the engine tells, each with its value of every solution."""
    told = {
        LOGPROB: [(one, one.mean_logprob) for one in solutions],
        LOWEST: [(one, one.lowest_logprob) for one in solutions],
    }
    for name, values in told.items():
        known = {key_of(one.item): value for one, value in values if value is not None}
        if known:
            yield name, known


def measure_on_processbench(
    scorer: StepScorer,
    rows: Sequence[tuple[StepItem, int]],
    *,
    on: str,
    threshold: float | None = None,
) -> Measured:
    """Measure a scorer and the majority label on ProcessBench (arXiv:2412.06559).

    Steps up to and with a solution's first wrong one have a label; what comes after is in no figure.

    Args:
        scorer: what is measured.
        rows: solutions, each with the index of its first wrong step, -1 for none; see `read_processbench`.
        on: what they are, for people.
        threshold: a step that scores below it is called wrong; to be chosen on other data (`best_threshold`); None:
            what the scorer says, one half unless it does. A judge names its first wrong step itself.

    Raises:
        InputError: there are no erroneous or no correct solutions.
    """
    items, wrong = [item for item, _ in rows], [index for _, index in rows]
    labels: Labels = [_labels(len(item.steps), index) for item, index in rows]
    found, scores = dict[str, Figures](), dict[str, Scores]()
    for name, one in {"": scorer, MAJORITY: Majority.of(labels)}.items():
        scores[name], named = _scored(one, items)
        below = threshold_of(one) if threshold is None else threshold
        said = [_NOTHING if some is None else _index(first_below(some, below)) for some in scores[name]]
        if named is not None:
            said = [_NOTHING if s is None else _index(n) for s, n in zip(scores[name], named, strict=True)]
        found[name] = Figures(
            scorer=one.identity,
            no_verdict=sum(some is None for some in scores[name]),
            steps=step_figures(scores[name], labels, threshold=below, named=named),
            processbench=processbench_of(said, wrong),
        )
    return Measured(
        on=on,
        data=digest([(item.problem.id, item.steps, index) for item, index in rows]),
        solutions=len(rows),
        own=found.pop(""),
        baselines=found,
        gaps=_gaps(scores, labels),
        notes=(f"{LOGPROB}, {LOWEST}: left out, as the solutions were written by other models",),
    )


def read_bench(path: Path, limit: int | None = None, seed: int = 0) -> list[tuple[StepItem, int]]:
    """Read a ProcessBench file, or draw `limit` of its rows.

    Raises:
        InputError: there is no such file, or it is not of the format.
    """
    rows = read_processbench(path)
    return rows if limit is None else Random(f"prm {seed}").sample(rows, min(limit, len(rows)))


def choose_threshold(scorer: StepScorer, rows: Sequence[tuple[StepItem, int]]) -> float:
    """Choose the threshold of highest F1 on rows that nothing is reported on, as the paper does on its GSM8K part."""
    scores, _ = _scored(scorer, [item for item, _ in rows])
    return best_threshold(scores, [index for _, index in rows])


def _scored(scorer: StepScorer, items: Sequence[StepItem]) -> tuple[Scores, list[int | None] | None]:
    """Give a scorer's scores, and the first wrong step of each solution where it names one itself."""
    progress.current().stage("score", len(items))
    found = judged(scorer, items)
    named = [None if one is None else one.first_wrong for one in found] if isinstance(scorer, Judging) else None
    return [None if one is None else one.scores for one in found], named


def _ranks(scores: Scores, solutions: Sequence[Solution], how: Aggregate, label: str) -> Ranks:
    """Rank solutions by their scores and problems by their pass rates."""
    pairs = [
        (one.item.problem.labels.get(label, ""), score, one.pass_rate, one.verdict)
        for some, one in zip(scores, solutions, strict=True)
        if some is not None and one.pass_rate is not None and (score := aggregated(some, how)) is not None
    ]
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for kind, score, rate, _ in pairs:
        groups[kind].append((score, rate))
    within = {kind: _correlation(some) for kind, some in sorted(groups.items()) if kind}
    told = [(rho, len(groups[kind])) for kind, rho in within.items() if rho is not None]
    weight = sum(count for _, count in told)
    failed = [(score, rate) for _, score, rate, verdict in pairs if verdict is Verdict.WRONG]
    return Ranks(
        aggregate=how,
        problems=len(pairs),
        all=_correlation([(score, rate) for _, score, rate, _ in pairs]),
        failed=_correlation(failed),
        failed_problems=len(failed),
        within=within,
        mean_within=sum(rho * count for rho, count in told) / weight if weight else None,
    )


def _correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    if len(pairs) < _FEWEST_RANKED or len({rate for _, rate in pairs}) == 1:
        return None
    return spearman([score for score, _ in pairs], [rate for _, rate in pairs])


def _gaps(scores: Mapping[str, Scores], labels: Labels) -> dict[str, Gap]:
    gaps = {name: gap_of(scores[""], some, labels) for name, some in scores.items() if name}
    return {name: gap for name, gap in gaps.items() if gap is not None}


def _labels(steps: int, wrong: int) -> list[bool | None]:
    if wrong < 0:
        return [True] * steps
    return [*[True] * wrong, False, *[None] * (steps - wrong - 1)]


def _index(step: int | None) -> int:
    return -1 if step is None else step

"""Grade: how hard each tried problem is for this student, from its own attempts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from selfimprove import progress
from selfimprove.mining.kinds import Mined
from selfimprove.mining.levels import Aggregate, Bins, Cuts, aggregated
from selfimprove.mining.library import Graded
from selfimprove.mining.patterns import steps_of
from selfimprove.mining.prior import Curve, expected_rates
from selfimprove.protocols import StepScorer
from selfimprove.records import Attempt, Problem, Record, StepItem, Verdict
from selfimprove.scorers.scoring import judged
from selfimprove.scorers.steps import split_steps

Split = Callable[[str], Sequence[str]]
"""Splits a completion into its reasoning steps."""


class GradeRule(Record):
    """How step scores become levels."""

    aggregate: Aggregate = "mean"
    """The last step of a wrong attempt is worth nothing to an exact check and to Monte Carlo, so that `min`, `product`
    and `last` of theirs put every failure at level 5."""
    bins: Bins = "width"


class ToGrade(NamedTuple):
    """A problem with what the student did; the greedy attempt comes first."""

    problem: Problem
    mined: Mined
    attempts: Sequence[Attempt]


class Scored(Record):
    """What the level of one problem is read off."""

    problem: str
    score: float | None = None
    """In [0, 1]; None where the greedy attempt is right or has no verdict."""
    scores: tuple[float, ...] = ()
    by: str = "pass_rate"
    first_wrong: int | None = None
    """The first step, counted from 1, that the scorer calls wrong."""


def grade_pool(
    tried: Sequence[ToGrade],
    student: str,
    *,
    scorer: StepScorer | None = None,
    split: Split | None = None,
    rule: GradeRule | None = None,
    curve: Curve | None = None,
) -> list[Graded]:
    """Grade a pool: level 0 where the greedy attempt is right, else 1 to 5.

    Args:
        tried: the mined problems, shape `[P]`.
        student: whose attempts they are, see `library.student_hash`.
        scorer: scores the steps of the failed attempts; None, and where an attempt has no steps: the pass rate.
        split: splits an attempt into steps; default: `split_steps`.
        rule: how scores become levels.
        curve: prior of the pass rate from the greedy attempt's log-probability, see `prior.fit_curve`.

    Returns:
        A row for each problem whose greedy attempt has a verdict: no verdict is not wrong, and has no level.

    Raises:
        InputError: the scorer's scores do not fit the steps.
    """
    rule = rule or GradeRule()
    found = score_pool(tried, scorer=scorer, split=split, rule=rule, curve=curve)
    return level_pool(tried, found, cuts_of(found, rule), student)


def score_pool(
    tried: Sequence[ToGrade],
    *,
    scorer: StepScorer | None = None,
    split: Split | None = None,
    rule: GradeRule | None = None,
    curve: Curve | None = None,
) -> list[Scored]:
    """Score the failed attempts of a pool, or a part of one; arguments as `grade_pool`, shape `[P]`."""
    rule, split = rule or GradeRule(), split or split_steps
    rates = expected_rates([t.mined for t in tried], curve)
    found = [
        Scored(problem=t.problem.id, score=_rate(t, rate, curve) if _failed(t) else None)
        for t, rate in zip(tried, rates, strict=True)
    ]
    if scorer is None:
        return found
    steps = {at: tuple(split(t.attempts[0].completion.text)) for at, t in enumerate(tried) if _failed(t)}
    places = [at for at, some in steps.items() if some]
    name, items = scorer.identity, [StepItem(problem=tried[at].problem, steps=steps[at]) for at in places]
    given = judged(scorer, items) if items else []
    scores = {at: one for at, one in zip(places, given, strict=True) if one is not None}
    for at, one in scores.items():
        found[at] = Scored(
            problem=tried[at].problem.id,
            score=aggregated(one.scores, rule.aggregate),
            scores=tuple(round(s, 6) for s in one.scores),
            by=name,
            first_wrong=None if one.first_wrong is None else one.first_wrong + 1,
        )
    if len(scores) < len(steps):
        progress.current().say(
            f"{len(steps) - len(scores)} of {len(steps)} failed attempts have no steps, or none that {name} could "
            "score; they are graded by pass rate"
        )
    return found


def cuts_of(scored: Iterable[Scored], rule: GradeRule) -> dict[str, Cuts]:
    """Fit the bins of the levels on a pool, those of step scores and of pass rates apart."""
    known: dict[str, list[float]] = {}
    for one in scored:
        if one.score is not None:
            known.setdefault(one.by, []).append(one.score)
    return {name: Cuts.of(rule.bins, scores) for name, scores in known.items()}


def level_pool(
    tried: Sequence[ToGrade], scored: Sequence[Scored], cuts: Mapping[str, Cuts], student: str
) -> list[Graded]:
    """Give a pool its levels, with bins already fitted; arguments as `grade_pool`."""
    rows = []
    for one, found in zip(tried, scored, strict=True):
        greedy, (passed, decided) = one.attempts[0], _counted(one)
        if not greedy.verdict.decided:
            continue
        rows.append(
            Graded(
                problem=one.problem.id,
                difficulty=0 if found.score is None else cuts[found.by].level(found.score),
                pass_rate=round(passed / decided, 6),
                samples=decided,
                by=found.by,
                student=student,
                kind=one.mined.kind,
                score=None if found.score is None else round(found.score, 6),
                scores=found.scores,
                first_wrong=one.mined.first_wrong or found.first_wrong,
                verdict=greedy.verdict,
                attempt=greedy.completion.text,
                call=greedy.completion.call,
                steps=steps_of(one.problem),
                labels=one.problem.labels,
            )
        )
    return rows


def _failed(one: ToGrade) -> bool:
    return one.attempts[0].verdict is Verdict.WRONG


def _rate(one: ToGrade, expected: float, curve: Curve | None) -> float:
    """Give the expected pass rate: by the fitted prior, else under a uniform one, the greedy attempt counted in."""
    if curve is not None and one.mined.mean_logprob is not None:
        return expected
    passed, decided = _counted(one)
    return (passed + 1) / (decided + 2)


def _counted(one: ToGrade) -> tuple[int, int]:
    """Count the right attempts and those with a verdict, the greedy one among them."""
    decided = [a for a in one.attempts if a.verdict.decided]
    return sum(a.verdict is Verdict.CORRECT for a in decided), len(decided)

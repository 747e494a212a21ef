"""Grade: how hard each tried problem is for this student, from its own attempts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from selfimprove import progress
from selfimprove.errors import InputError
from selfimprove.mining.kinds import Mined
from selfimprove.mining.levels import Aggregate, Bins, Cuts, aggregated
from selfimprove.mining.library import Graded
from selfimprove.mining.patterns import steps_of
from selfimprove.mining.prior import Curve, expected_rates
from selfimprove.protocols import StepScorer
from selfimprove.records import Attempt, Grade, Problem, Record, StepItem, Verdict
from selfimprove.scorers.steps import split_steps

_HARDEST = 5
_HALF: Final = 0.5

Split = Callable[[str], Sequence[str]]
"""Splits a completion into its reasoning steps."""


class GradeRule(Record):
    """How step scores become levels."""

    aggregate: Aggregate = "min"
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


def grade(problem: str, attempts: Sequence[Attempt]) -> Grade | None:
    """Grade one problem from its attempts, the greedy one first.

    0 when the greedy attempt is correct; else 1 to 5 by the pass rate's posterior mean under a uniform prior.
    None when no attempt was decided: no verdict is not wrong.
    """
    decided = [a for a in attempts if a.verdict.decided]
    if not decided:
        return None
    passed = sum(a.verdict is Verdict.CORRECT for a in decided)
    mean = (passed + 1) / (len(decided) + 2)
    easy = attempts[0].verdict is Verdict.CORRECT
    level = 0 if easy else min(_HARDEST, 1 + math.floor((1 - mean) * _HARDEST))
    return Grade(
        problem=problem,
        difficulty=level,
        pass_rate=round(passed / len(decided), 6),
        samples=len(decided),
        by="pass_rate",
    )


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
    given = scorer.score(items) if items else []
    _check(given, items, name)
    scores = {at: some for at, some in zip(places, given, strict=True) if some is not None}
    for at, some in scores.items():
        found[at] = Scored(
            problem=tried[at].problem.id,
            score=aggregated(some, rule.aggregate),
            scores=tuple(round(s, 6) for s in some),
            by=name,
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
        plain, greedy = grade(one.problem.id, one.attempts), one.attempts[0]
        if plain is None or not greedy.verdict.decided:
            continue
        wrong = [at for at, score in enumerate(found.scores, 1) if score < _HALF]
        rows.append(
            Graded(
                problem=plain.problem,
                difficulty=0 if found.score is None else cuts[found.by].level(found.score),
                pass_rate=plain.pass_rate,
                samples=plain.samples,
                by=found.by,
                student=student,
                kind=one.mined.kind,
                score=None if found.score is None else round(found.score, 6),
                scores=found.scores,
                first_wrong=wrong[0] if wrong else None,
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
    """Give the expected pass rate: by the fitted prior, else as `grade` does, the greedy attempt counted in."""
    if curve is not None and one.mined.mean_logprob is not None:
        return expected
    decided = [a for a in one.attempts if a.verdict.decided]
    return (sum(a.verdict is Verdict.CORRECT for a in decided) + 1) / (len(decided) + 2)


def _check(scores: Sequence[Sequence[float] | None], items: Sequence[StepItem], name: str) -> None:
    if len(scores) != len(items):
        raise InputError(
            f"{name} gave scores for {len(scores)} attempts of {len(items)}; "
            "a step scorer gives a list for each item, in order"
        )
    for some, item in zip(scores, items, strict=True):
        if some is not None and (len(some) != len(item.steps) or not all(0 <= score <= 1 for score in some)):
            raise InputError(
                f"{name} gave {str(list(some))[:80]} for {len(item.steps)} steps; "
                "a step scorer gives each step one score in [0, 1]"
            )

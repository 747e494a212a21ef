"""Grade: how hard each tried problem is for this student, from its own attempts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from selfimprove import progress
from selfimprove.mining.kinds import Mined
from selfimprove.mining.levels import HARDEST, Aggregate, Bins, Cuts, aggregated
from selfimprove.mining.library import Graded
from selfimprove.mining.patterns import steps_of
from selfimprove.mining.prior import Curve, expected_rates
from selfimprove.protocols import StepScorer
from selfimprove.records import Attempt, Problem, Record, StepItem, Verdict
from selfimprove.scorers.scoring import judged
from selfimprove.scorers.steps import split_steps

BY_RATE: Final = "pass_rate"
SCREENED: Final = "screen"
"""What graded an attempt that no scorer was asked about."""


class GradeRule(Record):
    """How step scores become levels."""

    aggregate: Aggregate = "mean"
    """The last step of a wrong attempt is worth nothing to an exact check and to Monte Carlo, so that `min`, `product`
    and `last` of theirs put every failure at level 5."""
    bins: Bins = "width"
    screen: float = 0.0
    """With a scorer: the share of failed attempts, those with the least `expectations`, that are level 5 unscored."""


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
    by: str = BY_RATE
    first_wrong: int | None = None
    """The first step, counted from 1, that the scorer calls wrong."""


def grade_pool(
    tried: Sequence[ToGrade],
    student: str,
    *,
    scorer: StepScorer | None = None,
    rule: GradeRule | None = None,
    curve: Curve | None = None,
) -> list[Graded]:
    """Grade a pool: level 0 where the greedy attempt is right, else 1 to 5.

    Args:
        tried: the mined problems, shape `[P]`.
        student: whose attempts they are, see `library.student_hash`.
        scorer: scores the steps of the failed attempts; None, and where an attempt has no steps: the pass rate.
        rule: how scores become levels.
        curve: prior of the pass rate from the greedy attempt's log-probability, see `prior.fit_curve`.

    Returns:
        A row for each problem whose greedy attempt has a verdict: no verdict is not wrong, and has no level.

    Raises:
        InputError: the scorer's scores do not fit the steps.
    """
    rule = rule or GradeRule()
    under = screen_under((t.mined for t in tried), curve, rule.screen)
    found = score_pool(tried, scorer=scorer, rule=rule, curve=curve, under=under)
    return level_pool(tried, found, cuts_of(found, rule), student)


def score_pool(
    tried: Sequence[ToGrade],
    *,
    scorer: StepScorer | None = None,
    rule: GradeRule | None = None,
    curve: Curve | None = None,
    under: float = 0.0,
) -> list[Scored]:
    """Score the failed attempts of a pool, or a part of one, but those expected under `under` to be right, shape `[P]`.

    Arguments as `grade_pool`, and `under` as `screen_under` gives it for the whole pool.
    """
    rule = rule or GradeRule()
    rates = expectations((t.mined for t in tried), curve)
    found = [Scored(problem=t.problem.id, score=rate) for t, rate in zip(tried, rates, strict=True)]
    if scorer is None:
        return found
    steps = dict[int, tuple[str, ...]]()
    for at, rate in enumerate(rates):
        if rate is None:
            continue
        if rate < under:
            found[at] = Scored(problem=tried[at].problem.id, score=0.0, by=SCREENED)
        else:
            steps[at] = tuple(split_steps(tried[at].attempts[0].completion.text))
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


def expectations(mined: Iterable[Mined], curve: Curve | None) -> list[float | None]:
    """Give the pass rate that mining alone says to expect of each problem, shape `[P]`; None: its attempt is not wrong.

    By the fitted prior where there is one, else under a uniform one, the greedy attempt counted in.
    """
    found: list[float | None] = []
    for one in mined:  # a pool may be read row by row
        if one.greedy is not Verdict.WRONG:
            found.append(None)
        elif curve is not None and one.mean_logprob is not None:
            found += expected_rates([one], curve)
        else:
            found.append((one.passed + 1) / (one.passed + one.failed + 1 + 2))
    return found


def screen_under(mined: Iterable[Mined], curve: Curve | None, share: float) -> float:
    """Give the expected pass rate under which the hardest `share` of a pool's failed attempts lie.

    Attempts that it cannot tell from the first one above are above, so that fewer than the share may be under.
    """
    rates = sorted(rate for rate in expectations(mined, curve) if rate is not None)
    return rates[int(share * len(rates))] if rates else 0.0


def cuts_of(scored: Iterable[Scored], rule: GradeRule) -> dict[str, Cuts]:
    """Fit the bins of the levels on a pool, those of step scores and of pass rates apart.

    What was screened counts as the lowest step scores, so that fifths are of all failed attempts.
    """
    known: dict[str, list[float]] = {}
    for one in scored:
        if one.score is not None:
            known.setdefault(one.by, []).append(one.score)
    screened = known.pop(SCREENED, [])
    for name in known.keys() - {BY_RATE}:
        known[name] += screened
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
                difficulty=_level(found, cuts),
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


def _level(found: Scored, cuts: Mapping[str, Cuts]) -> int:
    if found.by == SCREENED:
        return HARDEST
    return 0 if found.score is None else cuts[found.by].level(found.score)


def _counted(one: ToGrade) -> tuple[int, int]:
    """Count the right attempts and those with a verdict, the greedy one among them."""
    decided = [a for a in one.attempts if a.verdict.decided]
    return sum(a.verdict is Verdict.CORRECT for a in decided), len(decided)

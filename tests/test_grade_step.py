from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from selfimprove.mining.kinds import KindRule, summarise
from selfimprove.programs import program_for
from selfimprove.records import Completion, Problem, Request, StepItem, Verdict
from selfimprove.scorers.exact import ExactSteps, first_wrong
from selfimprove.scorers.montecarlo import MonteCarlo
from selfimprove.scorers.scoring import Judgement
from selfimprove.steps.grade import GradeRule, Scored, ToGrade, cuts_of, expectations, grade_pool, screen_under
from selfimprove.steps.verify import verify
from selfimprove.tasks.arithmetic import Arithmetic

TASK = Arithmetic(kinds=("sum",), levels=(8,), sizes={"train": 40})
PROBLEMS = list(TASK.problems("train"))
BY_ID = {problem.id: problem for problem in PROBLEMS}
UNKNOWN = Problem.of("Why?", "5")


class Mending:
    """Is right from every prefix without a wrong step, and from no other."""

    identity = "mending"

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        return [Completion(text=f"Answer: {self.answer(one)}") for one in requests]

    def answer(self, one: Request) -> str:
        problem = BY_ID[one.problem]
        wrong = first_wrong(StepItem(problem=problem, steps=tuple(one.prefix.splitlines())))
        return problem.answer if wrong is None else "-1"


class Fixed:
    """Gives two steps known scores; a step is wrong below `threshold`."""

    identity = "fixed"

    def __init__(self, *scores: float, threshold: float | None = None) -> None:
        self.scores = list(scores)
        if threshold is not None:
            self.threshold = threshold

    def score(self, items: Sequence[StepItem]) -> list[list[float]]:
        return [self.scores for _ in items]


class Names(Fixed):
    """Names the second step, whatever it scores."""

    def judge(self, items: Sequence[StepItem]) -> list[Judgement | None]:
        return [Judgement(scores=tuple(self.scores), first_wrong=1) for _ in items]


def tried(problem: Problem, text: str, samples: Sequence[str] = ()) -> ToGrade:
    attempts = [verify(TASK, problem, Completion(text=one)) for one in (text, *samples)]
    return ToGrade(problem, summarise(problem, attempts, TASK, KindRule()), attempts)


def spoiled(problem: Problem, at: int) -> ToGrade:
    steps = problem.rationale.splitlines()
    steps[at] = f"{steps[at].rpartition('= ')[0]}= 999"
    return tried(problem, "\n".join([*steps, "Answer: -1"]))


@pytest.mark.parametrize("kind", ["exact", "monte-carlo"])
def test_wrong_attempts_of_different_quality_get_different_levels(kind: str) -> None:
    """The later an attempt goes wrong the easier its problem, though its last step is worth nothing to either scorer."""
    rollouts = MonteCarlo(Mending(), TASK, program_for("solve", TASK), rollouts=2)
    scorer: Any = ExactSteps() if kind == "exact" else rollouts
    rows = grade_pool([spoiled(problem, at % 8) for at, problem in enumerate(PROBLEMS)], "s", scorer=scorer)
    by_step = {row.first_wrong: row.difficulty for row in rows}
    assert {row.verdict for row in rows} == {Verdict.WRONG}
    assert list(by_step) == list(range(1, 9))
    assert list(by_step.values()) == sorted(by_step.values(), reverse=True)
    assert len(set(by_step.values())) >= 3


@pytest.mark.parametrize(
    ("scorer", "named"),
    [
        (Fixed(0.25, 0.0), 1),
        (Fixed(0.25, 0.0, threshold=0.1), 2),
        (Fixed(0.9, 0.9), None),
        (Names(0.1, 0.9), 2),
    ],
)
def test_the_first_wrong_step_is_as_the_scorer_says(scorer: Any, named: int | None) -> None:
    """It is the first below the scorer's threshold, one half by default, or the one that a judge names."""
    (row,) = grade_pool([tried(UNKNOWN, "one\nAnswer: 4")], "s", scorer=scorer)
    assert (row.scores, row.first_wrong) == (tuple(scorer.scores), named)


def test_monte_carlo_calls_a_step_wrong_when_no_rollout_is_right() -> None:
    """One right rollout of eight is enough."""
    scorer = MonteCarlo(Mending(), TASK, program_for("solve", TASK), rollouts=8)
    assert 0 < scorer.threshold < 1 / 8


def test_an_exact_check_goes_before_a_scorer() -> None:
    """Where the first wrong step is known the scorer's opinion of it is not asked."""
    (row,) = grade_pool([spoiled(PROBLEMS[0], 3)], "s", scorer=Fixed(*[0.1] * 9))
    assert row.first_wrong == 4


def test_pass_rate_grades_without_a_scorer() -> None:
    """Right is level 0 whatever the samples say; wrong every time is harder than wrong at times; no verdict, no level."""
    rows = grade_pool(
        [
            tried(Problem.of("1", "5"), "Answer: 5", ["Answer: 6"]),
            tried(Problem.of("2", "5"), "Answer: 6", ["Answer: 5"] * 2),
            tried(Problem.of("3", "5"), "Answer: 6", ["Answer: 6"] * 8),
            tried(Problem.of("4", "5"), "nothing", ["Answer: 5"]),
        ],
        "s",
    )
    assert [(row.difficulty, row.samples) for row in rows] == [(0, 2), (3, 3), (5, 9)]
    assert [row.pass_rate for row in rows] == [0.5, 0.666667, 0.0]


def test_scores_that_do_not_fit_are_refused() -> None:
    """Too few scores, or one out of range, end in a sentence that names the scorer."""
    for wrong in (Fixed(0.5), Fixed(0.5, 1.5), Names(0.5)):
        with pytest.raises(Exception, match=r"fixed gave \[0\.5.*for 2 steps; a step scorer gives each step"):
            grade_pool([tried(UNKNOWN, "one\nAnswer: 4")], "s", scorer=wrong, rule=GradeRule(aggregate="min"))


class Counts(Fixed):
    """Also keeps the problems it was asked about."""

    def __init__(self) -> None:
        super().__init__(0.25, 0.75)
        self.asked = list[str]()

    def score(self, items: Any) -> Any:
        self.asked += [item.problem.question for item in items]
        return super().score(items)


def failed(rate: int) -> ToGrade:
    """A failed problem that `rate` of ten samples solve."""
    return tried(Problem.of(f"n{rate}", "5"), "one\nAnswer: 4", ["Answer: 5"] * rate + ["Answer: 6"] * (10 - rate))


def test_what_mining_holds_for_hopeless_is_not_scored() -> None:
    """The fifth that samples expect least of is level 5 without a call to the scorer; the rest share levels 4 to 1."""
    scorer, pool = Counts(), [failed(rate) for rate in range(10)]
    rows = grade_pool(pool, "s", scorer=scorer, rule=GradeRule(screen=0.2))
    assert [(row.by, row.difficulty, row.scores) for row in rows[:2]] == [("screen", 5, ())] * 2
    assert {row.by for row in rows[2:]} == {"fixed"}
    assert scorer.asked == [f"n{rate}" for rate in range(2, 10)]


def test_fifths_count_what_was_screened() -> None:
    """With quantile bins the scored attempts share levels 1 to 4, as level 5 is taken."""
    rows = [Scored(problem=str(at), score=at / 10, by="fixed") for at in range(1, 9)]
    rows += [Scored(problem=name, score=0.0, by="screen") for name in "ab"]
    cuts = cuts_of([*rows, Scored(problem="r", score=0.9)], GradeRule(bins="quantiles"))
    assert sorted(cuts) == ["fixed", "pass_rate"]
    assert [cuts["fixed"].level(at / 10) for at in range(1, 9)] == [4, 4, 3, 3, 2, 2, 1, 1]


def test_a_screen_spares_what_it_cannot_tell_apart() -> None:
    """Where all failed attempts look alike none is screened."""
    assert screen_under([failed(0).mined] * 10, None, 0.5) == expectations([failed(0).mined], None)[0]
    scorer = Counts()
    grade_pool([failed(0)] * 10, "s", scorer=scorer, rule=GradeRule(screen=0.5))
    assert len(scorer.asked) == 10


def test_without_a_scorer_nothing_is_screened() -> None:
    """The pass rate costs nothing more."""
    rows = grade_pool([failed(rate) for rate in range(10)], "s", rule=GradeRule(screen=0.5))
    assert {row.by for row in rows} == {"pass_rate"}

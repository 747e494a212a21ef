from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from selfimprove.errors import InputError
from selfimprove.prm.evaluating import OnProcessBench, OnTask, evaluate
from selfimprove.prm.measuring import measure_on_processbench, measure_on_solutions, read_bench
from selfimprove.prm.solutions import Solution, draw_problems, hash_of, solve_problems
from selfimprove.prm.table import written
from selfimprove.records import Completion, Problem, Request, StepItem, Verdict, digest
from selfimprove.scorers.baselines import LOGPROB, LOWEST, MAJORITY, key_of
from selfimprove.scorers.exact import ExactSteps
from selfimprove.scorers.scoring import Judgement
from selfimprove.tasks.arithmetic import Arithmetic

TASK = Arithmetic(kinds=("sum", "story"), levels=(3, 5), sizes={"train": 160})
DATA = Path(os.environ.get("SELFIMPROVE_DATA", Path(__file__).parents[3] / "shared" / "data")) / "processbench"


class Writer:
    """Writes worked solutions; each problem has a chance of its own, of which it is as sure as it should be."""

    identity = "writer"

    def __init__(self, task: Arithmetic = TASK) -> None:
        self.known = {p.id: p for p in task.problems("train")}
        self.asked = 0

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.asked += len(requests)
        return [self.one(self.known[request.problem], request.sample) for request in requests]

    def one(self, problem: Problem, sample: int) -> Completion:
        rng = Random(f"{problem.id} {sample}")
        chance = int(digest("chance", problem.id), 16) / 16**16
        steps, answer = problem.rationale.splitlines(), int(problem.answer)
        if rng.random() > chance:
            at = rng.randrange(len(steps))
            steps[at] = f"{steps[at].rpartition('= ')[0]}= {answer + 90}"
            answer += 91
        return Completion(
            text=TASK.conclude("\n".join(steps), str(answer)),
            mean_logprob=math.log(0.4 + chance / 2),
            lowest_logprob=math.log(0.1 + chance / 4),
            sample=sample,
        )


@pytest.fixture(scope="module")
def solutions() -> list[Solution]:
    return solve_problems(list(TASK.problems("train")), Writer(), TASK, samples=8)


def test_solutions_know_their_steps_and_their_problems_pass_rate(solutions: list[Solution]) -> None:
    """Each greedy attempt is split, checked exactly, and ranked by the pass rate of samples drawn beside it."""
    assert len(solutions) == 160
    for one in solutions:
        assert one.right is not None
        assert len(one.right) == len(one.item.steps) == len(one.item.problem.rationale.splitlines()) + 1
        assert all(one.right) == (one.verdict is Verdict.CORRECT)
    right = [one.pass_rate or 0.0 for one in solutions if one.verdict is Verdict.CORRECT]
    wrong = [one.pass_rate or 0.0 for one in solutions if one.verdict is Verdict.WRONG]
    assert sum(right) / len(right) > 0.5 > sum(wrong) / len(wrong)


def test_attempts_without_steps_or_verdict_are_left_out() -> None:
    """A truncated, an empty and a failed completion are no solutions."""
    problems = list(TASK.problems("train"))[:4]
    made = {
        problems[0].id: Completion(text="1 + 1 = 2", finish_reason="length"),
        problems[1].id: Completion(text=""),
        problems[2].id: Completion(text="", finish_reason="error", error="down"),
        problems[3].id: Completion(text="2 + 3 = 5\nAnswer: 5"),
    }

    class Fixed(Writer):
        def one(self, problem: Problem, sample: int) -> Completion:
            return made[problem.id]

    found = solve_problems(problems, Fixed(), TASK, samples=0)
    assert [one.item.problem for one in found] == problems[3:]
    assert found[0].pass_rate is None


def test_a_scorer_is_measured_beside_the_baselines(solutions: list[Solution]) -> None:
    """The exact check beats both; the honest certainty ranks solutions well, over all and within kinds."""
    found = measure_on_solutions(ExactSteps(), solutions, on="test", student="writer")
    assert found.own.steps is not None
    assert found.own.steps.enough
    assert (found.own.steps.auc, found.own.steps.first_error) == (1.0, 1.0)
    assert set(found.baselines) == {LOGPROB, LOWEST, MAJORITY} == set(found.gaps)
    sure, blind = found.baselines[LOGPROB], found.baselines[MAJORITY]
    assert sure.steps is not None
    assert found.baselines[LOWEST].steps is not None
    assert found.baselines[LOWEST].steps.auc == sure.steps.auc  # this writer is as sure by the one as by the other
    assert blind.steps is not None
    assert 0.55 < sure.steps.auc < 1.0
    assert blind.steps.auc == 0.5
    assert all(gap.interval.low > 0 for gap in found.gaps.values())
    ranks = {one.aggregate: one for one in sure.ranks}["min"]
    assert ranks.problems == 160
    assert ranks.all is not None
    assert ranks.all > 0.8
    assert set(ranks.within) == {"sum", "story"}
    assert ranks.mean_within is not None
    assert ranks.mean_within > 0.8
    assert {one.aggregate: one for one in blind.ranks}["min"].all == 0.0


def test_failed_attempts_are_ranked_apart(solutions: list[Solution]) -> None:
    """Who only knows which attempts are right ranks all well and the failed ones, which get the levels, not at all."""

    class OnlyWhether(ExactSteps):
        def score(self, items: Sequence[StepItem]) -> list[list[float]]:
            return [[min(some)] * len(some) for some in super().score(items)]

    found = measure_on_solutions(OnlyWhether(), solutions, on="test")
    wrong = sum(one.verdict is Verdict.WRONG for one in solutions)
    own, sure = ({r.aggregate: r for r in some.ranks}["mean"] for some in (found.own, found.baselines[LOGPROB]))
    assert own.failed_problems == sure.failed_problems == wrong > 40
    assert own.all is not None
    assert own.all > 0.4
    assert own.failed == 0.0
    assert sure.failed is not None
    assert sure.failed > 0.6


def test_a_scorers_own_threshold_is_used_unless_another_is_given(solutions: list[Solution]) -> None:
    """A scorer whose lowest right score is a tenth says so, and its first wrong steps are found by that."""

    class Low(ExactSteps):
        threshold = 0.05

        def score(self, items: Sequence[StepItem]) -> list[list[float]]:
            return [[score / 10 for score in some] for some in super().score(items)]

    own, given = (measure_on_solutions(Low(), solutions, on="test", threshold=t).own.steps for t in (None, 0.5))
    assert own is not None
    assert given is not None
    assert (own.threshold, own.first_error) == (0.05, 1.0)
    assert given.first_error is not None
    assert given.first_error < 0.5


def test_the_card_says_what_it_was_measured_on(solutions: list[Solution]) -> None:
    """The data's hash follows labels and steps, the student is named, and the table shows scorer and baselines."""
    card = evaluate(ExactSteps(), on_task=OnTask(TASK, Writer(), problems=80, samples=4))
    (found,) = card.measured
    assert (card.scorer, found.student, found.solutions) == ("exact/arithmetic", "writer", 80)
    again = evaluate(ExactSteps(), on_task=OnTask(TASK, Writer(), problems=80, samples=4))
    assert again == card
    other = evaluate(ExactSteps(), on_task=OnTask(TASK, Writer(), problems=80, samples=4, seed=1))
    assert other.measured[0].data != found.data
    assert hash_of(solutions) != hash_of(solutions[1:])
    assert card.proof == found
    table = written(card)
    assert "1.000 (1.000 to 1.000)" in table
    assert "mean log-probability" in table
    assert "beats it" in table
    assert "rank within" in table
    assert "among failed" in table


def test_what_a_scorer_was_trained_on_is_not_drawn() -> None:
    """Problems that it learned from are left out of the draw."""
    problems = list(TASK.problems("train"))
    seen = {problem.id for problem in problems[:100]}
    drawn = draw_problems(TASK, "train", 100, 0, without=seen)
    assert len(drawn) == 60
    assert not seen & {problem.id for problem in drawn}

    @dataclass(frozen=True)
    class Trained(ExactSteps):
        trained_on: frozenset[str] = frozenset(seen)

    assert evaluate(Trained(), on_task=OnTask(TASK, Writer(), samples=0)).measured[0].solutions == 60


def test_steps_that_cannot_be_checked_are_said_to_be_unknown(solutions: list[Solution]) -> None:
    """Without labels of steps only the ranking is told, and the card proves nothing."""
    plain = [one.model_copy(update={"right": None}) for one in solutions]
    found = measure_on_solutions(ExactSteps(), plain, on="test")
    assert found.own.steps is None
    assert found.gaps == {}
    assert found.own.ranks[0].all is not None
    assert any("cannot be checked exactly" in note for note in found.notes)
    with pytest.raises(InputError, match="no solution with steps"):
        measure_on_solutions(ExactSteps(), [], on="test")


def test_scores_that_do_not_fit_are_refused(solutions: list[Solution]) -> None:
    """Too few scores, and scores out of range, end in a sentence that names the scorer."""

    class Odd(ExactSteps):
        def score(self, items: Sequence[StepItem]) -> list[list[float]]:
            return [[1.5] * len(item.steps) for item in items]

    with pytest.raises(InputError, match=r"exact/arithmetic gave .*gives each step one score in"):
        measure_on_solutions(Odd(), solutions, on="test")


def bench(count: int = 60) -> list[tuple[StepItem, int]]:
    rng = Random(0)
    rows = []
    for at in range(count):
        item = StepItem(problem=Problem.of(f"Question {at}", ""), steps=tuple(f"step {i}" for i in range(5)))
        rows.append((item, rng.randrange(5) if at % 2 else -1))
    return rows


class Judge:
    """Names the first wrong step rightly, though its scores are all the same; has no verdict on the first few."""

    identity = "judge"

    def __init__(self, rows: Sequence[tuple[StepItem, int]], lost: int) -> None:
        self.wrong = {item.problem.id: wrong for item, wrong in rows}
        self.lost = {item.problem.id for item, _ in rows[:lost]}

    def judge(self, items: Sequence[StepItem]) -> list[Judgement | None]:
        found = [None if (w := self.wrong[i.problem.id]) < 0 else w for i in items]
        return [
            None if i.problem.id in self.lost else Judgement(scores=(0.9,) * 5, first_wrong=w)
            for i, w in zip(items, found, strict=True)
        ]

    def score(self, items: Sequence[StepItem]) -> list[list[float] | None]:
        raise AssertionError("a judge is asked once")


def test_processbench_takes_what_a_judge_names_and_counts_no_verdict_as_missed() -> None:
    """30 of 30 erroneous and 30 of 30 correct, less four without a verdict, give the harmonic mean of 28/30 each."""
    rows = bench()
    found = measure_on_processbench(Judge(rows, lost=4), rows, on="made up")
    assert found.own.processbench is not None
    figures = found.own.processbench
    assert (figures.erroneous, figures.correct, figures.no_verdict) == (28 / 30, 28 / 30, 4)
    assert figures.f1 == pytest.approx(28 / 30)
    assert found.own.steps is not None
    assert (found.own.steps.auc, found.own.steps.first_error) == (0.5, 1.0)
    blind = found.baselines[MAJORITY].processbench
    assert blind is not None
    assert (blind.erroneous, blind.correct, blind.f1) == (0.0, 1.0, 0.0)


def test_steps_behind_the_error_have_no_label() -> None:
    """Scores behind the first wrong step change no figure."""
    rows = bench()

    class Late:
        identity = "late"

        def score(self, items: Sequence[StepItem]) -> list[list[float]]:
            wrong = {item.problem.id: at for item, at in rows}
            return [[0.1 if s == wrong[i.problem.id] else 0.9 for s in range(5)] for i in items]

    found = measure_on_processbench(Late(), rows, on="made up").own
    assert found.steps is not None
    assert found.steps.auc == 1.0
    assert found.processbench is not None
    assert found.processbench.f1 == 1.0


@pytest.mark.skipif(not (DATA / "gsm8k.json").is_file(), reason=f"{DATA} holds no ProcessBench")
def test_real_processbench_files_are_measured() -> None:
    """A scorer that finds every error but none in the first step has the F1 that its misses make, on the real file."""
    rows = read_bench(DATA / "gsm8k.json")
    assert len(rows) == 400
    wrong = {key_of(item): at for item, at in rows}

    class NotTheFirst:
        identity = "not the first"

        def score(self, items: Sequence[StepItem]) -> list[list[float]]:
            return [[0.0 if s == wrong[key_of(i)] and s > 0 else 1.0 for s in range(len(i.steps))] for i in items]

    card = evaluate(NotTheFirst(), on_processbench=OnProcessBench([DATA / "gsm8k.json"]))
    figures = card.measured[0].own.processbench
    assert figures is not None
    erroneous = [at for _, at in rows if at >= 0]
    assert (figures.n_erroneous, figures.n_correct) == (207, 193)
    assert figures.erroneous == sum(at > 0 for at in erroneous) / 207
    assert figures.f1 == pytest.approx(2 * figures.erroneous / (figures.erroneous + 1))
    assert len(read_bench(DATA / "gsm8k.json", 50)) == 50


def test_a_threshold_is_chosen_on_other_rows(tmp_path: Path) -> None:
    """A scorer whose scores lie under 0.5 is judged by the threshold of another file, never of the same."""
    rows = [{"problem": f"q{at}", "steps": ["a", "b"], "label": 1 if at % 2 else -1} for at in range(60)]
    for name in ("one.json", "two.json"):
        (tmp_path / name).write_text(json.dumps(rows))

    class Low:
        identity = "low"

        def score(self, items: Sequence[StepItem]) -> list[list[float]]:
            return [[0.3, 0.1 if int(i.problem.question[1:]) % 2 else 0.3] for i in items]

    files = [tmp_path / "one.json"]
    plain = evaluate(Low(), on_processbench=OnProcessBench(files)).measured[0].own.processbench
    chosen = evaluate(Low(), on_processbench=OnProcessBench(files, tmp_path / "two.json")).measured[0].own
    assert plain is not None
    assert chosen.processbench is not None
    assert (plain.f1, chosen.processbench.f1) == (0.0, 1.0)
    with pytest.raises(InputError, match="no threshold may be chosen on it"):
        evaluate(Low(), on_processbench=OnProcessBench(files, tmp_path / "one.json"))
    with pytest.raises(InputError, match="nothing to measure the scorer on"):
        evaluate(Low())

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from selfimprove.mining.kinds import Kind
from selfimprove.programs import program_for
from selfimprove.records import Attempt, Completion, Problem, Request, Verdict
from selfimprove.steps.grade import GradeRule, ToGrade, grade_pool
from selfimprove.steps.mine import MiningRule, drawing, mine
from selfimprove.steps.rerun import reread
from selfimprove.tasks.arithmetic import Arithmetic

TASK = Arithmetic(sizes={"train": 30})
PROBLEMS = list(TASK.problems("train"))


class Scripted:
    """A student whose every reply is given by problem, sample and token limit; it remembers what it was asked."""

    identity = "scripted"

    def __init__(self, reply: object) -> None:
        self.reply, self.batches = reply, list[list[Request]]()

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        self.batches.append(list(requests))
        return [self._one(r) for r in requests]

    def _one(self, request: Request) -> Completion:
        problem = next(p for p in PROBLEMS if p.id == request.problem)
        said = self.reply(problem, request.sample, request.sampling.max_tokens)  # type: ignore[operator]
        if isinstance(said, Completion):
            return said.model_copy(update={"sample": request.sample, "sampling": request.sampling})
        right = f"{problem.rationale}\nAnswer: {problem.answer}"
        return Completion(text=right if said else "Answer: 0", sample=request.sample, sampling=request.sampling)


def run(reply: object, problems: Sequence[Problem] = PROBLEMS, **rule: object):
    student = Scripted(reply)
    draw = drawing(student, program_for("solve", TASK), TASK, max_tokens=64, longer_tokens=128, temperature=0.7, seed=1)
    return mine(problems, draw, TASK, MiningRule.model_validate(rule)), student


def test_sampling_stops_where_the_posterior_decides() -> None:
    """A problem that is always wrong gets six samples, one that is half right goes on, and neither more than the cap."""
    half = {p.id for p in PROBLEMS[:10]}
    found, _ = run(lambda p, sample, _: p.id in half and sample % 5 == 1)
    drawn = {one.mined.problem: one.mined.samples for one in found}
    assert {drawn[p.id] for p in PROBLEMS[10:]} == {6}
    assert all(6 < drawn[i] <= 16 for i in half)
    assert all(one.mined.settled for one in found if one.mined.problem not in half)


def test_each_pass_is_one_batch_over_all_open_problems() -> None:
    """Greedy attempts are one batch, first samples another, and later ones hold every problem still open."""
    _, student = run(lambda p, sample, _: sample % 2)
    assert [len(batch) for batch in student.batches[:2]] == [30, 120]
    assert all(len(batch) == 60 for batch in student.batches[2:])
    assert {r.sampling.temperature for r in student.batches[0]} == {0.0}


def test_sample_indices_and_seeds_differ() -> None:
    """Each sample has an index of its own, from the rule's first on, and a seed of its own."""
    _, student = run(lambda p, sample, _: True, samples=4, most=4, first=33)
    drawn = [r for r in student.batches[0] if r.problem == PROBLEMS[0].id]
    assert [r.sample for r in drawn] == [0, 33, 34, 35, 36]
    assert len({r.seed for r in drawn[1:]}) == 4


def test_fixed_samples_are_one_batch_with_the_greedy_attempts() -> None:
    """Where the number of samples is fixed nothing has to be waited for, so that there is one batch and one tail."""
    _, student = run(lambda p, sample, _: sample % 2, samples=4, most=4)
    assert [len(batch) for batch in student.batches] == [150]
    assert Counter(r.sampling.temperature for r in student.batches[0]) == {0.0: 30, 0.7: 120}


def test_second_chances_are_drawn_beside_the_samples_of_others() -> None:
    """What was cut off waits for the next pass; its samples come when its greedy attempt has a verdict."""
    cut = Completion(text="1 + 1 = 2 and then", finish_reason="length")
    late = PROBLEMS[0].id
    _, student = run(lambda p, sample, most: cut if p.id == late and sample == 0 and most == 64 else False)
    assert [len(batch) for batch in student.batches[:3]] == [30, 1 + 29 * 4, 4 + 29 * 2]
    assert [r.sampling.max_tokens for r in student.batches[1] if r.problem == late] == [128]


def test_truncated_attempts_are_drawn_again_and_are_no_failures() -> None:
    """An attempt cut off at the limit is drawn with the longer one; what is right then was never a failure."""
    cut = Completion(text="1 + 1 = 2 and then", finish_reason="length")
    found, student = run(lambda p, sample, most: cut if most == 64 and sample == 0 else True)
    assert {one.mined.kind for one in found} == {Kind.RIGHT}
    assert {one.mined.rerun for one in found} == {1}
    assert {r.sampling.max_tokens for r in student.batches[1]} == {128}
    assert len(student.batches[1]) == 30


def test_still_truncated_is_truncated_and_gets_no_samples() -> None:
    """Cut off again: the problem is technical, not wrong, and no samples are spent on it."""
    cut = Completion(text="1 + 1 = 2 and then", finish_reason="length")
    found, student = run(lambda p, sample, _: cut)
    assert {one.mined.kind for one in found} == {Kind.TRUNCATED}
    assert {(one.mined.samples, one.mined.truncated, one.mined.failed) for one in found} == {(0, 1, 0)}
    assert len(student.batches) == 2


def test_without_a_second_chance_nothing_is_drawn_again() -> None:
    """Turned off, a truncated attempt stays as it is after one batch."""
    cut = Completion(text="and then", finish_reason="length")
    found, student = run(lambda p, sample, _: cut, again=False, samples=0, most=0)
    assert len(student.batches) == 1
    assert {one.mined.rerun for one in found} == {0}


def test_failed_requests_are_drawn_again() -> None:
    """An engine's error is asked for once more, and then is an error, which is no failure."""
    broken = Completion(text="", finish_reason="error", error="overloaded")
    found, student = run(lambda p, sample, _: broken, samples=0, most=0)
    assert [len(batch) for batch in student.batches] == [30, 30]
    assert {one.mined.kind for one in found} == {Kind.ERROR}


def test_unreadable_text_is_read_as_the_references_kind() -> None:
    """A reply that the task cannot read is read as the kind of answer that the reference is, and only if that decides."""
    problem = Problem.of("Is it so?", "yes")

    def silent(text: str) -> Attempt:
        none = Verdict.UNPARSEABLE
        return Attempt(problem=problem.id, completion=Completion(text=text), verdict=none, strict=none)

    assert reread(problem, silent("The answer is yes."), TASK).verdict is Verdict.CORRECT
    assert reread(problem, silent("Who knows?"), TASK).verdict is Verdict.UNPARSEABLE
    words = Problem.of("Where?", "in the old town of Bath")
    assert reread(words, silent("I cannot say."), TASK).verdict is Verdict.UNPARSEABLE


def test_slow_comparison_is_done_once_more() -> None:
    """A comparison that timed out is made again; a second timeout stays one, and is no failure."""
    calls: Counter[str] = Counter()

    class Slow(Arithmetic):
        def compare(self, answer: str, problem: Problem) -> Verdict:
            calls[problem.id] += 1
            slow = calls[problem.id] == 1 or problem.id == PROBLEMS[0].id
            return Verdict.TIMEOUT if slow else super().compare(answer, problem)

    student, task = Scripted(lambda p, sample, _: True), Slow()
    draw = drawing(student, program_for("solve", task), task, max_tokens=64, longer_tokens=128, temperature=0.7)
    found = mine(PROBLEMS[:3], draw, task, MiningRule(samples=0, most=0))
    assert [one.mined.kind for one in found] == [Kind.TIMEOUT, Kind.RIGHT, Kind.RIGHT]


class Steps:
    """A scorer that knows the arithmetic's first step only."""

    identity = "steps"

    def score(self, items: Sequence[object]) -> list[list[float] | None]:
        return [[0.9 if n == 0 else 0.1 for n, _ in enumerate(item.steps)] for item in items]  # type: ignore[attr-defined]


def to_grade(reply: object) -> list[ToGrade]:
    found, _ = run(reply)
    return [ToGrade(p, one.mined, one.attempts) for p, one in zip(PROBLEMS, found, strict=True)]


def test_grades_follow_step_scores() -> None:
    """Right is level 0; wrong is as hard as its aggregated step scores say."""
    wrong = Completion(text="1 + 1 = 2\n2 + 2 = 5\nAnswer: 0")
    tried = to_grade(lambda p, sample, _: True if p.id == PROBLEMS[0].id else wrong)
    lowest = GradeRule(aggregate="min")
    rows = {g.problem: g for g in grade_pool(tried, "s", scorer=Steps(), rule=lowest)}  # type: ignore[arg-type]
    assert rows[PROBLEMS[0].id].difficulty == 0
    assert rows[PROBLEMS[0].id].scores == ()
    other = rows[PROBLEMS[1].id]
    assert (other.difficulty, other.by, other.score, other.scores, other.first_wrong) == (
        5,
        "steps",
        0.1,
        (0.9, 0.1, 0.1),
        1,  # which the exact check finds
    )
    mean = grade_pool(tried, "s", scorer=Steps())  # type: ignore[arg-type]
    assert {g.difficulty for g in mean} == {0, 4}


def test_attempts_without_steps_are_graded_by_pass_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the student wrote no steps the pass rate's posterior grades, and the row says so."""
    tried = to_grade(lambda p, sample, _: Completion(text="Answer: 0"))
    monkeypatch.setattr("selfimprove.steps.grade.split_steps", lambda _: [])
    rows = grade_pool(tried, "s", scorer=Steps())  # type: ignore[arg-type]
    assert {(g.by, g.difficulty) for g in rows} == {("pass_rate", 5)}


def test_no_verdict_gets_no_level() -> None:
    """A truncated greedy attempt is in no library, as nothing was shown by it."""
    cut = Completion(text="and then", finish_reason="length")
    tried = to_grade(lambda p, sample, _: cut if p.id == PROBLEMS[0].id else sample == 0)
    assert PROBLEMS[0].id not in {g.problem for g in grade_pool(tried, "s")}
    assert len(grade_pool(tried, "s")) == len(PROBLEMS) - 1

from __future__ import annotations

from random import Random

import pytest

from selfimprove.errors import InputError
from selfimprove.records import Problem, StepItem
from selfimprove.scorers.exact import ExactSteps, first_wrong
from selfimprove.scorers.steps import split_steps
from selfimprove.tasks.arithmetic import Arithmetic


def made(kind: str, level: int = 3, count: int = 40) -> list[Problem]:
    return list(Arithmetic(kinds=(kind,), levels=(level,), sizes={"train": count}).problems("train"))


def with_form(canonical: str, answer: int = 0) -> Problem:
    return Problem.of("?", str(answer), canonical=canonical)


@pytest.mark.parametrize("kind", ["sum", "story", "product", "bracket", "equation"])
@pytest.mark.parametrize("level", [1, 2, 5])
def test_reference_solutions_have_no_wrong_step(kind: str, level: int) -> None:
    """Every worked solution that the task writes is right in all its steps."""
    task = Arithmetic()
    for problem in made(kind, level, 25):
        steps = split_steps(task.conclude(problem.rationale, problem.answer))
        assert first_wrong(StepItem(problem=problem, steps=tuple(steps))) is None, problem


@pytest.mark.parametrize("kind", ["sum", "story", "product", "bracket", "equation"])
def test_a_spoiled_result_is_found_where_it_is(kind: str) -> None:
    """When one step's result is changed, that step is the first wrong one."""
    rng = Random(0)
    for problem in made(kind):
        steps = problem.rationale.splitlines()
        spoiled = rng.randrange(len(steps))
        left, _, right = steps[spoiled].rpartition("= ")
        steps[spoiled] = f"{left}= {int(right) + rng.choice([-10, -1, 1, 10])}"
        assert first_wrong(StepItem(problem=problem, steps=tuple(steps))) == spoiled


@pytest.mark.parametrize("kind", ["sum", "bracket", "equation"])
def test_a_true_equation_with_a_foreign_number_is_wrong(kind: str) -> None:
    """A step whose sum is right but whose number is not in the problem is a wrong step."""
    for problem in made(kind):
        first, *rest = problem.rationale.splitlines()
        left = int(first.split()[0])
        strange = f"{left} + 1000 = {left + 1000}"
        assert first_wrong(StepItem(problem=problem, steps=(first, strange, *rest))) == 1


def test_other_orders_are_right() -> None:
    """Any order of the same numbers is right, and so are several additions in one step."""
    problem = with_form("sum -8 +5 +17", 14)
    for steps in (
        ("17 - 8 = 9", "9 + 5 = 14"),
        ("5 - 8 = -3", "17 + -3 = 14"),
        ("5 + 17 = 22", "22 - 8 = 14", "Answer: 14"),
        ("So 17 + 5 - 8 = 14.",),
        ("17 + 5 = 22 - 8 = 14",),
    ):
        assert first_wrong(StepItem(problem=problem, steps=steps)) is None


def test_a_bracket_may_be_opened_and_a_product_split() -> None:
    """The distributive law is right: each number of a bracket, or each part of a factor, by itself."""
    bracket = StepItem(problem=with_form("bracket [3, 4] 2 -5"), steps=("3 * 2 = 6", "4 * 2 = 8", "6 + 8 = 14"))
    product = StepItem(problem=with_form("product 23 4 +5"), steps=("20 * 4 = 80", "3 * 4 = 12", "80 + 12 = 92"))
    whole = StepItem(problem=with_form("product 23 4 +5"), steps=("4 x 23 = 92", "92 + 5 = 97"))
    assert [first_wrong(one) for one in (bracket, product, whole)] == [None, None, None]


def test_numbers_are_used_up() -> None:
    """A number that was used cannot be used again, but the same equation may be written twice."""
    problem = with_form("sum +5 +6 +17", 28)
    assert first_wrong(StepItem(problem=problem, steps=("17 + 5 = 22", "22 + 5 = 27"))) == 1
    assert first_wrong(StepItem(problem=problem, steps=("17 + 5 = 22", "17+5 = 22", "22 + 6 = 28"))) is None


def test_an_equation_is_divided_only_at_its_end() -> None:
    """What is left of an equation is divided by the factor when all terms are moved, not before."""
    problem = with_form("equation 3 +4 = 19", 5)
    assert first_wrong(StepItem(problem=problem, steps=("19 - 4 = 15", "15 / 3 = 5"))) is None
    assert first_wrong(StepItem(problem=problem, steps=("18 / 3 = 6",))) == 0


def test_words_are_no_error_and_a_wrong_answer_is() -> None:
    """A line without an equation is never wrong; an answer line is, when it is not the answer."""
    problem = with_form("sum +5 +17", 22)
    assert first_wrong(StepItem(problem=problem, steps=("We add up.", "17 + 5 = 22", "Answer: 22"))) is None
    assert first_wrong(StepItem(problem=problem, steps=("We add up.", "17 + 5 = 22", "Answer: 23"))) == 2


def test_scores_are_zero_from_the_first_wrong_step_on() -> None:
    """The scores say up to where a solution is right."""
    problem = with_form("sum -8 +5 +17", 14)
    items = [
        StepItem(problem=problem, steps=("17 + 5 = 22", "22 - 8 = 13", "Answer: 13")),
        StepItem(problem=problem, steps=()),
    ]
    assert ExactSteps().score(items) == [[1.0, 0.0, 0.0], []]


def test_other_tasks_are_refused() -> None:
    """A problem of another task cannot be checked, and the error says so."""
    with pytest.raises(InputError, match="not from the arithmetic task"):
        first_wrong(StepItem(problem=Problem.of("Who?", "me"), steps=("1 + 1 = 2",)))

"""The reference teacher answers with what the data set knows, and never with the answer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from selfimprove.answers.giveaway import gives_away
from selfimprove.protocols import Task, Teacher
from selfimprove.records import Problem, Question, Verdict
from selfimprove.steps.verify import verify_rationale
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.tasks.gsm8k import Gsm8k
from selfimprove.tasks.strategyqa import StrategyQa
from selfimprove.teachers import ReferenceTeacher

DATA = Path(os.environ.get("SELFIMPROVE_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared" / "data")
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="no data folder: set SELFIMPROVE_DATA")

ROLLS = Problem.of(
    "Rosa bakes 4 trays of 12 rolls, gives away 15 and sells the rest for $2 each. How much money does she make?",
    "66",
    rationale="She bakes 4 * 12 = 48 rolls.\nShe sells 48 - 15 = 33 rolls.\nShe makes 33 * 2 = $66.",
)
CATS = Problem.of(
    "Can a cat outrun a runner?",
    "yes",
    facts=("A house cat reaches 48 km/h.", "A good runner reaches 36 km/h."),
    decomposition=("How fast is a cat?", "The cat's speed is compared with the runner's."),
)


def reply(problem: Problem, text: str, task: Task | None = None, attempt: int = 0) -> str:
    """Give the teacher's answer to one question."""
    asked = [Question(problem=problem, text=text, attempt=attempt)]
    return ReferenceTeacher(task or Gsm8k()).answer(asked)[0].text


def test_it_is_a_teacher() -> None:
    """It satisfies the protocol."""
    assert isinstance(ReferenceTeacher(Gsm8k()), Teacher)


def test_the_line_that_matches_answers() -> None:
    """Rare words of a question choose the line."""
    assert reply(ROLLS, "How many rolls does she bake?") == "She bakes 4 * 12 = 48 rolls."
    assert reply(CATS, "How fast is the runner?", StrategyQa()) == "A good runner reaches 36 km/h."


def test_the_conclusion_is_never_told() -> None:
    """The line with the final answer is not used, however well it matches."""
    assert "66" not in reply(ROLLS, "How much money does she make?")


def test_a_refused_answer_is_not_given_again() -> None:
    """A second attempt takes the next best line, and then none."""
    first = reply(ROLLS, "How many rolls?", attempt=0)
    second = reply(ROLLS, "How many rolls?", attempt=1)
    assert {first, second} == {"She bakes 4 * 12 = 48 rolls.", "She sells 48 - 15 = 33 rolls."}
    assert reply(ROLLS, "How many rolls?", attempt=2) == ""


def test_nothing_known_is_an_empty_answer() -> None:
    """A question about something else, or a problem without lines, gets no text and no error."""
    teacher = ReferenceTeacher(Gsm8k())
    bare = Problem.of("What is 2 + 2?", "4")
    asked = [Question(problem=ROLLS, text="What is the weather like?"), Question(problem=bare, text="What is 2?")]
    assert [(a.text, a.error, a.usd) for a in teacher.answer(asked)] == [("", "", 0.0)] * 2


def test_reasoning_is_the_verified_reference() -> None:
    """The rationale ends in the strict form and is correct; without one there is none."""
    teacher = ReferenceTeacher(Gsm8k())
    ((made,), nothing) = teacher.reason([ROLLS, Problem.of("What is 2 + 2?", "4")], 3)
    assert nothing == []
    assert (made.source, made.rationalised) == ("reference", False)
    assert made.text.endswith("#### 66")
    assert verify_rationale(Gsm8k(), ROLLS, made).verdict is Verdict.CORRECT


def test_facts_stand_in_for_a_rationale() -> None:
    """A problem with facts alone is reasoned from them."""
    ((made,),) = ReferenceTeacher(StrategyQa()).reason([CATS], 1)
    assert made.text.splitlines() == ["A house cat reaches 48 km/h. A good runner reaches 36 km/h.", "Answer: yes"]


def test_no_samples_no_rationales() -> None:
    """Zero samples are none."""
    assert ReferenceTeacher(Gsm8k()).reason([ROLLS], 0) == [[]]


def test_arithmetic_teaches_from_its_own_steps() -> None:
    """The built-in task's rationales verify."""
    task = Arithmetic(sizes={"train": 20, "dev": 5, "test": 5})
    problems = list(task.problems("train"))
    for problem, made in zip(problems, ReferenceTeacher(task).reason(problems, 1), strict=True):
        assert verify_rationale(task, problem, made[0]).verdict is Verdict.CORRECT


@needs_data
def test_real_sub_questions_find_facts() -> None:
    """Real sub-questions get an answer mostly, never one that gives the solution away."""
    task = StrategyQa(data_dir=DATA)
    asked = [Question(problem=p, text=step) for p in task.problems("test") for step in p.decomposition]
    answers = ReferenceTeacher(task).answer(asked)
    found = [(q, a.text) for q, a in zip(asked, answers, strict=True) if a.text]
    assert len(found) >= 0.6 * len(asked)
    assert not any(gives_away(text, q.problem, q.text, task) for q, text in found)

"""The student as its own teacher: its samples, and the majority where nothing else decides."""

from __future__ import annotations

import pytest
from scripted_model import ScriptedModel

from selfimprove.ledger import Journaled, Ledger
from selfimprove.programs import Item, program_for, run, stated
from selfimprove.protocols import Teacher
from selfimprove.records import Completion, Problem, Question, Sampling, Verdict
from selfimprove.tasks.gsm8k import Gsm8k
from selfimprove.teachers.self_taught import SelfTeacher, majority

TASK = Gsm8k()
KNOWN = Problem.of("What is 2 + 2?", "4")
UNKNOWN = Problem.of("What is 3 + 4?", "")
DRAWN = Sampling(temperature=0.7, max_tokens=40)


def says(*answers: str) -> ScriptedModel:
    """Give a student whose sample n ends in the n-th answer, counted from 1."""
    return ScriptedModel(lambda request: f"So.\n#### {answers[request.sample - 1]}")


def teacher(student: ScriptedModel) -> SelfTeacher:
    """Give the teacher of that student."""
    return SelfTeacher(student, TASK, {}, DRAWN)


def test_its_samples_are_the_rationales() -> None:
    """Samples from index 1 on, each with its own seed and its own answer."""
    student = says("4", "5", "4")
    made = teacher(student)
    assert isinstance(made, Teacher)
    ((a, b, c),) = made.reason([KNOWN], 3)
    assert [r.answer for r in (a, b, c)] == ["4", "5", "4"]
    assert {r.source for r in (a, b, c)} == {"self"}
    assert [r.sample for r in student.asked] == [1, 2, 3]
    assert len({r.seed for r in student.asked}) == 3


def test_samples_drawn_before_are_found_in_the_ledger() -> None:
    """Samples of the solve program are not drawn a second time for reasoning."""
    student = says("4", "5")
    journaled = Journaled(student, Ledger(":memory:"))
    items = [Item(KNOWN.id, {"problem": stated(KNOWN)}, i) for i in (1, 2)]
    run(program_for("solve", TASK), items, journaled, DRAWN)
    SelfTeacher(journaled, TASK, {}, DRAWN).reason([KNOWN], 2)
    assert len(student.asked) == 2


def test_the_majority_decides_without_a_reference() -> None:
    """Most samples' answer, compared by value, marks them all."""
    ((a, b, c),) = teacher(says("7", "8", "7.0")).reason([UNKNOWN], 3)
    assert [r.source for r in (a, b, c)] == ["self:majority"] * 3
    assert [r.verdict for r in (a, b, c)] == [Verdict.CORRECT, Verdict.WRONG, Verdict.CORRECT]


@pytest.mark.parametrize(
    ("answers", "winner"),
    [(["1"], None), (["1", "2"], None), (["1", "2", "2", "1"], None), (["1", "2", "2"], "2"), ([], None)],
)
def test_majority_needs_one(answers: list[str], winner: str | None) -> None:
    """One vote is no majority and a tie is none."""
    assert majority(TASK, UNKNOWN, answers) == winner


def test_a_truncated_sample_has_no_answer_and_no_vote() -> None:
    """What was cut off is no verdict, even where a number stands in it."""
    student = ScriptedModel(lambda _: Completion(text="#### 7", finish_reason="length"))
    ((a, b),) = teacher(student).reason([UNKNOWN], 2)
    assert (a.answer, b.answer) == (None, None)
    assert (a.verdict, a.source) == (Verdict.TRUNCATED, "self")


def test_it_answers_its_own_questions() -> None:
    """Questions go through the answering program, greedy first and sampled after a refusal."""
    student = ScriptedModel(lambda request: f"temperature {request.sampling.temperature}")
    asked = [Question(problem=KNOWN, text="Why?"), Question(problem=KNOWN, text="Why?", attempt=1)]
    answers = teacher(student).answer(asked)
    assert [a.text for a in answers] == ["temperature 0.0", "temperature 0.7"]
    assert all("Why?" in r.messages[-1].content and r.role == "answer" for r in student.asked)

"""A teacher made of programs: what it asks its models, and what it makes of their replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from scripted_model import ScriptedModel

from selfimprove.config import TeacherConfig
from selfimprove.programs import program_for
from selfimprove.protocols import Rationaliser, Teacher
from selfimprove.records import Completion, Problem, Question, Request, Verdict
from selfimprove.tasks.gsm8k import Gsm8k
from selfimprove.teachers.litellm_teacher import LiteLLMTeacher

TASK = Gsm8k()
FOUR = Problem.of("What is 2 + 2?", "4")
FIVE = Problem.of("What is 2 + 3?", "5")


def build(script: Callable[[Request], str | Completion], **config: Any) -> tuple[LiteLLMTeacher, ScriptedModel]:
    """Give a teacher over one scripted model."""
    model = ScriptedModel(script)
    return LiteLLMTeacher(TASK, {}, model, model, TeacherConfig(**config)), model


def test_it_is_a_teacher_and_explains() -> None:
    """It satisfies both protocols."""
    made, _ = build(lambda _: "")
    assert isinstance(made, Teacher)
    assert isinstance(made, Rationaliser)


def test_answers_come_in_order_with_their_calls() -> None:
    """First tries and repeated ones are told apart and put back in order."""
    made, model = build(lambda r: f"{r.attempt} {r.sampling.temperature}", temperature=0.9)
    asked = [Question(problem=FOUR, text=f"Q{i}?", attempt=i % 2) for i in range(4)]
    answers = made.answer(asked)
    assert [a.text for a in answers] == ["0 0.0", "1 0.9"] * 2
    assert len({a.calls for a in answers}) == 4
    assert {r.role for r in model.asked} == {"answer"}


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Completion(text="", finish_reason="error", error="no luck"), "no luck"),
        (Completion(text="half a sen", finish_reason="length", completion_tokens=9), "cut off after 9 tokens"),
    ],
)
def test_a_failed_answer_is_empty_with_its_reason(reply: Completion, said: str) -> None:
    """What did not come whole is not let through."""
    (answer,) = build(lambda _: reply)[0].answer([Question(problem=FOUR, text="Q?")])
    assert (answer.text, answer.error) == ("", said)


def test_an_empty_answer_is_asked_for_once_more() -> None:
    """With what was wrong, and both calls are its origin; one that stays empty is empty."""
    made, model = build(lambda r: "Two of each." if r.attempt and r.problem == FOUR.id else "")
    answers = made.answer([Question(problem=FOUR, text="Q?"), Question(problem=FIVE, text="Q?")])
    assert [(a.text, len(a.calls)) for a in answers] == [("Two of each.", 2), ("", 2)]
    assert [r.attempt for r in model.asked] == [0, 0, 1, 1]
    assert "holds no answer" in model.asked[2].messages[-1].content


def test_one_rationale_is_greedy_and_several_are_sampled() -> None:
    """Samples differ by index and seed; each ends in its own answer."""
    made, model = build(lambda r: f"Add.\n#### {r.sample}", temperature=0.8)
    ((one,),) = made.reason([FOUR], 1)
    assert (one.answer, model.asked[0].sampling.temperature) == ("0", 0.0)
    rows = made.reason([FOUR, FIVE], 3)
    assert [[r.answer for r in row] for row in rows] == [["0", "1", "2"]] * 2
    assert {r.sampling.temperature for r in model.asked[1:]} == {0.8}
    assert len({r.seed for r in model.asked[1:]}) == 6


def test_the_answer_is_shown_only_when_explaining() -> None:
    """Explaining puts the reference into the prompt and marks the rationale; reasoning does neither."""
    problem = Problem.of("How many?", "48151623")
    made, model = build(lambda _: "Because.\n#### 48151623")
    ((reasoned,),), ((explained,),) = made.reason([problem], 1), made.rationalise([problem], 1)
    first, second = ("".join(m.content for m in r.messages) for r in model.asked)
    assert "48151623" not in first
    assert "48151623" in second
    assert (reasoned.rationalised, explained.rationalised) == (False, True)


@pytest.mark.parametrize(
    ("finish", "verdict"), [("length", Verdict.TRUNCATED), ("error", Verdict.ERROR), ("stop", Verdict.UNPARSEABLE)]
)
def test_no_verdict_is_kept_apart(finish: Any, verdict: Verdict) -> None:
    """Cut off, failed and unreadable rationales have no answer and say why."""
    text = "It is 4" if finish == "stop" else "#### 4"
    ((one,),) = build(lambda _: Completion(text=text, finish_reason=finish))[0].reason([FOUR], 1)
    assert (one.answer, one.verdict) == (None, verdict)


@pytest.mark.parametrize(("thinking", "text"), [("keep", "two and two\n#### 4"), ("drop", "#### 4")])
def test_hidden_reasoning_is_kept_or_dropped(thinking: Any, text: str) -> None:
    """`thinking` decides whether what a thinking model wrote first is part of the rationale."""
    reply = Completion(text="#### 4", reasoning="two and two")
    ((one,),) = build(lambda _: reply, thinking=thinking)[0].reason([FOUR], 1)
    assert one.text == text


def test_compiled_programs_are_used() -> None:
    """A program given by name stands in for the plain one."""
    model = ScriptedModel(lambda _: "#### 4")
    compiled = program_for("reason", TASK).with_demos([{"problem": "What is 1 + 1?", "solution": "#### 2"}])
    made = LiteLLMTeacher(TASK, {"reason": compiled}, model, model, TeacherConfig())
    made.reason([FOUR], 1)
    assert any(m.content == "What is 1 + 1?" for m in model.asked[0].messages)


def test_nothing_asked_is_nothing_sent() -> None:
    """Empty batches make no call."""
    made, model = build(lambda _: "")
    assert (made.answer([]), made.reason([], 2), made.reason([FOUR], 0)) == ([], [], [[]])
    assert model.asked == []

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "teachers"))
from scripted_model import ScriptedModel

from selfimprove.programs import Complaint, Item, plain, program_for, run_read
from selfimprove.programs.forms import read_form, read_verdict
from selfimprove.records import Completion, Request, Sampling
from selfimprove.tasks.arithmetic import Arithmetic

TASK = Arithmetic()
GREEDY = Sampling()


def read(_: int, outputs: Mapping[str, Any], reply: Completion) -> str | Complaint:
    text = str(outputs["answer"])
    return text if text.isdecimal() else Complaint("That is no number.")


def test_only_what_could_not_be_read_is_asked_again_with_the_complaint() -> None:
    """The second batch holds the unread items alone, each behind its first reply and what was wrong with it."""
    model = ScriptedModel(lambda request: "4" if request.attempt or "two" in request.messages[1].content else "four")
    items = [Item("a", {"problem": "two"}), Item("b", {"problem": "three"})]
    first, second = run_read(plain("answer_only"), items, model, GREEDY, read)
    assert (first.value, second.value) == ("4", "4")
    assert (len(first.calls), len(second.calls)) == (1, 2)
    assert [len(request.messages) for request in model.asked] == [2, 2, 4]
    assert model.asked[2].messages[2].content == "four"
    assert "That is no number." in model.asked[2].messages[3].content


def test_unread_twice_is_no_verdict_with_the_last_complaint() -> None:
    """There is no value, and the complaint says why."""
    model = ScriptedModel(lambda _: "four")
    (found,) = run_read(plain("answer_only"), [Item("a", {"problem": "two"})], model, GREEDY, read)
    assert found.value is None
    assert found.complaint == "That is no number."
    assert len(model.asked) == 2


def test_a_program_with_a_field_for_complaints_is_told_there() -> None:
    """Such a program's second prompt is its own, without the earlier reply."""

    def refuse(_: int, outputs: Mapping[str, Any], reply: Completion) -> Complaint:
        return Complaint("One line a step.")

    model = ScriptedModel(lambda _: "hm")
    inputs = {"problem": "p", "steps": ["1 = 1"], "complaint": ""}
    run_read(plain("judge_steps"), [Item("a", inputs)], model, GREEDY, refuse)
    assert [len(request.messages) for request in model.asked] == [2, 2]
    assert "Complaint:\nOne line a step." in model.asked[1].messages[1].content


def test_the_form_of_each_kind_of_program_is_seen() -> None:
    """An answer in the task's form, a verdict, something at all, and an end."""

    def form(name: str, text: str, end: str = "stop") -> object:
        program = program_for(name, TASK)
        reply = Completion(text=text, finish_reason=end)  # type: ignore[arg-type]
        return read_form(program, program.parse(text), reply, TASK)

    assert "no answer in the form" in str(form("reason", "It is four."))
    assert not isinstance(form("reason", TASK.conclude("2 + 2 = 4", "4")), Complaint)
    assert "Verdict: yes" in str(form("judge", "Looks good."))
    assert "cut off" in str(form("judge", "Verdict: yes", "length"))
    assert "holds no answer" in str(form("answer_question", " "))


def test_verdicts_are_read_from_the_last_line_that_holds_one() -> None:
    """An earlier verdict that was thought better of does not count."""
    assert read_verdict("Verdict: yes? No: step 2 is off.\nVerdict: no") is False
    assert read_verdict("**Verdict**: correct") is True
    assert read_verdict("yes") is True


def test_the_teacher_asks_once_more_for_an_answer_in_form() -> None:
    """A rationale that states no answer is asked for again, and both calls are its origin."""
    from selfimprove.config import TeacherConfig
    from selfimprove.teachers.litellm_teacher import LiteLLMTeacher

    problem = next(TASK.problems("train"))

    def script(request: Request) -> str:
        return TASK.conclude("So.", problem.answer) if request.attempt else "I think I have it."

    model = ScriptedModel(script)
    ((made,),) = LiteLLMTeacher(TASK, {}, model, model, TeacherConfig()).reason([problem], 1)
    assert made.answer == problem.answer
    assert len(made.calls) == 2

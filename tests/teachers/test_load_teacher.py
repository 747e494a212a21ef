"""The configuration's teacher: by name, by model, or plugged in."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest
from fake_server import Reply, serving

from selfimprove.config import TeacherConfig
from selfimprove.errors import InputError
from selfimprove.ledger import Ledger
from selfimprove.protocols import Teacher
from selfimprove.records import Problem, Question
from selfimprove.tasks.gsm8k import Gsm8k
from selfimprove.teachers import ReferenceTeacher, load_teacher, price_of
from selfimprove.teachers.litellm_teacher import LiteLLMTeacher

TASK = Gsm8k()
FOUR = Problem.of("What is 2 + 2?", "4", rationale="2 + 2 = 4")


def load(model: str, **config: Any) -> Teacher:
    """Load by the model's name."""
    return load_teacher(TeacherConfig(model=model, **config), TASK, {}, Ledger(":memory:"))


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module of somebody's own teachers."""
    mine = SimpleNamespace(
        __name__="my_teachers",
        Class=ReferenceTeacher,
        Object=ReferenceTeacher(TASK),
        function=ReferenceTeacher,
        bare=lambda: ReferenceTeacher(TASK),
        Half=type("Half", (), {"answer": lambda _self, asked: asked}),
        number=7,
    )
    monkeypatch.setitem(sys.modules, "my_teachers", mine)  # type: ignore[arg-type]


def test_built_in_names() -> None:
    """`reference` needs nothing, `self` the student."""
    assert isinstance(load("reference"), ReferenceTeacher)
    with pytest.raises(InputError, match="student"):
        load("self")


@pytest.mark.parametrize(("typo", "meant"), [("refrence", "reference"), ("Reference", "reference"), ("selff", "self")])
def test_a_typo_is_told(typo: str, meant: str) -> None:
    """A misspelt name gets the right one."""
    with pytest.raises(InputError, match=f'did you mean "{meant}"'):
        load(typo)


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize("name", ["Class", "Object", "function", "bare"])
def test_own_teachers_plug_in(name: str) -> None:
    """A class, an object, and functions of the task or of nothing are taken."""
    made = load(f"my_teachers:{name}")
    assert made.reason([FOUR], 1)[0][0].answer == "4"


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("my_teachers:Half", "lacks the method reason"),
        ("my_teachers:number", "lacks the method answer and reason"),
        ("my_teachers:Clas", 'did you mean "Class"'),
        ("no_such_module_here:Name", "no module no_such_module_here"),
    ],
)
def test_what_is_no_teacher_is_refused(path: str, said: str) -> None:
    """The missing method, name or module is said."""
    with pytest.raises(InputError, match=said):
        load(path)


def test_a_whole_teacher_over_a_server() -> None:
    """Questions and problems go to the models of their roles, behind one ledger."""
    with serving(lambda body: Reply("two" if body["model"] == "small" else "Add.\n#### 4")) as server:
        made = load("openai/large", base_url=server.url, answer={"model": "openai/small"})
        assert isinstance(made, LiteLLMTeacher)
        made.check()
        assert made.answer([Question(problem=FOUR, text="How many?")])[0].text == "two"
        assert made.reason([FOUR], 2)[0][1].answer == "4"
        assert server.models() == ["small", "large", "large"]


def test_roles_share_their_slots() -> None:
    """A deployment that two roles use has one gate: its provider counts them together."""
    made = load("openai/x", base_url="http://127.0.0.1:9/v1")
    assert isinstance(made, LiteLLMTeacher)
    gates = [list(each._asking.gates.values()) for each in (made.answer_model, made.reason_model)]  # type: ignore[attr-defined]
    assert gates[0] == gates[1]


def test_a_vendor_model_with_a_colon_is_no_import() -> None:
    """A model tag such as `ollama/llama3:8b` is not taken for a module."""
    made = load("ollama/llama3:8b", base_url="http://127.0.0.1:9")
    assert isinstance(made, LiteLLMTeacher)


def test_prices_for_the_plan_need_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dearest of all roles and fallbacks counts; what has no model is free; unknown is refused."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    dear = price_of(TeacherConfig(model="openai/gpt-4o-mini", fallbacks=("openai/gpt-4o",)))
    assert (dear.input_usd, dear.output_usd) == pytest.approx((2.5e-6, 1e-5))
    assert price_of(TeacherConfig(model="reference")).free
    with pytest.raises(InputError, match="input_price"):
        price_of(TeacherConfig(model="openai/my-own"))

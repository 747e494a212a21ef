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
from selfimprove.teachers import ReferenceTeacher, load_model, load_teacher, price_of
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


HERE = "http://127.0.0.1:9/v1"
GATEWAY = "https://gateway.example/v1"
CLAUDE = "anthropic/claude-sonnet-4-5"


def test_a_roles_model_of_another_provider_is_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key, address and price are those of `teacher.model`: another provider gets none of them, first or fallback."""
    monkeypatch.setenv("MYKEY", "marker-key-1")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "marker-key-2")
    for first, fallbacks in (("openai/mine", (CLAUDE,)), (CLAUDE, ("openai/mine",))):
        config = TeacherConfig.model_validate(
            {"model": "openai/mine", "base_url": HERE, "api_key_env": "MYKEY", "fallbacks": fallbacks}
            | {"reason": {"model": first}}
        )
        made = load_model(config, "reason", Ledger(":memory:")).deployments
        found = {each.model: (each.base_url, each.api_key, each.price.free) for each in made}
        assert found == {"openai/mine": (HERE, "marker-key-1", True), CLAUDE: (None, None, False)}
        assert price_of(config, ("reason",)).output_usd == pytest.approx(1.5e-5)


def test_where_the_teacher_is_no_model_address_and_key_are_its_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge beside the reference has them, and the price."""
    monkeypatch.setenv("MYKEY", "marker-key-1")
    config = TeacherConfig.model_validate(
        {"base_url": GATEWAY, "api_key_env": "MYKEY", "input_price": 1, "output_price": 2}
        | {"judge": {"model": "openai/mine"}}
    )
    (made,) = load_model(config, "judge", Ledger(":memory:")).deployments
    assert (made.base_url, made.api_key, made.price.output_usd) == (GATEWAY, "marker-key-1", 2e-6)


@pytest.mark.parametrize(
    ("model", "base_url", "output_price", "other", "expected"),
    [
        ("openai/my-finetune", None, 0.2, "openai/gpt-4o", 10),
        ("openai/my-finetune", None, 0.2, CLAUDE, 15),
        ("openai/my-finetune", None, 0.2, "openai/another", 0.2),
        ("openai/gpt-4o-mini", GATEWAY, 0.6, "openai/gpt-4o", 10),
        ("openai/gpt-4o-mini", GATEWAY, 30, "openai/gpt-4o", 30),
        ("openai/gpt-4o-mini", GATEWAY, 0.6, "openai/another", 0.6),
        ("openai/first", HERE, 0.2, "openai/second", 0.2),
    ],
)
def test_a_given_price_is_that_of_the_named_model(
    model: str, base_url: str | None, output_price: float, other: str, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Elsewhere a listed price holds, where there is one; at the same address the higher, in a role or a fallback."""
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "marker-key")
    given = {"model": model, "base_url": base_url, "input_price": 0.1, "output_price": output_price}
    of_role = TeacherConfig.model_validate(given | {"reason": {"model": other}})
    behind = TeacherConfig.model_validate(given | {"fallbacks": [other]})
    for config in (of_role, behind):
        *_, last = load_model(config, "reason", Ledger(":memory:")).deployments
        assert last.model == other
        assert last.price.output_usd == pytest.approx(expected * 1e-6)
        assert price_of(config).output_usd == pytest.approx(max(expected, output_price) * 1e-6)
    (first,) = load_model(of_role, "answer", Ledger(":memory:")).deployments
    assert first.price.output_usd == pytest.approx(output_price * 1e-6)


def test_prices_for_the_plan_need_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dearest of all roles and fallbacks counts; what has no model is free; unknown is refused."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    dear = price_of(TeacherConfig(model="openai/gpt-4o-mini", fallbacks=("openai/gpt-4o",)))
    assert (dear.input_usd, dear.output_usd) == pytest.approx((2.5e-6, 1e-5))
    assert price_of(TeacherConfig(model="reference")).free
    with pytest.raises(InputError, match="input_price"):
        price_of(TeacherConfig(model="openai/my-own"))

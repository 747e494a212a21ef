"""Who teaches the first round, and by which settings."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from selfimprove.config import TeacherConfig
from selfimprove.teachers.by_round import first_of

LOCAL = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("given", "own"),
    [
        (
            {"model": "openai/ft-mine", "input_price": 0.1, "output_price": 0.4, "first": "openai/gpt-4o"},
            {"input_price": None, "output_price": None},
        ),
        (
            {"model": "openai/qwen", "base_url": LOCAL, "first": "mistral/mistral-large-latest"},
            {"base_url": None},
        ),
        (
            {"model": "openai/gpt-4o", "api_key_env": "MINE", "first": "mistral/mistral-large-latest"},
            {"api_key_env": None},
        ),
        ({"model": "openai/small", "base_url": LOCAL, "first": "openai/large"}, {"base_url": LOCAL}),
        ({"model": "self", "base_url": LOCAL, "first": "openai/large", "input_price": 1.0}, {"input_price": 1.0}),
        ({"model": "openai/gpt-4o", "first": "reference", "input_price": 1.0}, {"input_price": 1.0}),
        ({"model": "openai/gpt-4o", "fallbacks": ("openai/gpt-4",), "first": "openai/gpt-4o-mini"}, {"fallbacks": ()}),
    ],
    ids=["price", "address", "key", "the same server", "later the student", "no model", "fallbacks"],
)
def test_the_first_teacher_does_not_take_what_is_the_later_ones_own(
    given: Mapping[str, object], own: Mapping[str, object]
) -> None:
    """Another model's price would bill it wrongly, another provider's address or key would send it elsewhere."""
    first = first_of(TeacherConfig.model_validate({**given, "max_tokens": 77}))
    assert first.model == given["first"]
    assert first.max_tokens == 77
    assert {name: getattr(first, name) for name in own} == own


def test_models_of_roles_are_the_later_teachers() -> None:
    """Else nobody would ask the first; their caps are of both."""
    role = {"model": "openai/gpt-4", "max_calls": 5}
    first = first_of(TeacherConfig.model_validate({"model": "openai/gpt-4o", "first": "openai/o1", "reason": role}))
    assert (first.reason.model, first.reason.max_calls) == (None, 5)

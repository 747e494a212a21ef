from __future__ import annotations

import pytest

from selfimprove.errors import InputError
from selfimprove.leakage.public import FAMILIES, PublicSet, families_of, public_tests
from selfimprove.records import Problem


def problems(*answers: str, question: str = "How many?", **rest: object) -> list[Problem]:
    return [Problem.of(f"{question} {at}", answer, **rest) for at, answer in enumerate(answers)]


@pytest.mark.parametrize(
    ("task", "some", "families"),
    [
        ("gsm8k", [], ("gsm8k",)),
        ("my_sums", problems("3", "1,200", "-0.5"), ("gsm8k", "math")),
        ("my_shares", problems("3", "1/2", "10%", "$5"), ("gsm8k", "math")),
        ("my_facts", problems("yes", "no"), ("strategyqa",)),
        ("my_quiz", problems("A", "B", choices=("x", "y")), ("mmlu",)),
        ("my_formulas", problems("x^2", question="What is $x$?"), ("math",)),
        ("my_poems", problems("a rose", "the sea"), ()),
        ("arithmetic", problems("3", canonical="1+2"), ()),
    ],
)
def test_family_of_a_task(task: str, some: list[Problem], families: tuple[str, ...]) -> None:
    """A known name has its own test sets, other tasks go by their answers, procedural ones have none."""
    assert families_of(task, some) == families


def test_set_that_cannot_be_read_is_named_with_the_reason() -> None:
    """What can be read is guarded under its name, what cannot is listed and does not stop the campaign."""

    def read(public: PublicSet) -> list[dict[str, object]]:
        if public.name != "MATH-500":
            raise InputError("no network")
        return [{"problem": "What is the tenth prime number?", "answer": "29"}, {"problem": None}]

    guarded, missing = public_tests(["math"], read)
    assert [(each.name, [h.text for h in each.held_out]) for each in guarded] == [
        ("MATH-500", ["What is the tenth prime number?"])
    ]
    assert {each.name: each.why for each in missing} == dict.fromkeys(["MATH test", "ProcessBench MATH"], "no network")


def test_set_without_questions_is_not_guarded() -> None:
    """A file whose rows have no such field guards nothing, and says so."""
    guarded, missing = public_tests(["gsm8k"], lambda _: [{"text": "a"}])
    assert not guarded
    assert len(missing) == len(FAMILIES["gsm8k"])

import pytest

from selfimprove.answers.kinds import KindName, guess, kind
from selfimprove.records import Problem, Verdict


@pytest.mark.parametrize(
    ("references", "choices", "expected"),
    [
        (["12", "$1,000", "3.5 kg"], False, "number"),
        (["12", "x^2"], False, "expression"),
        ([r"\frac{1}{2}", "0.5"], False, "number"),
        ([r"\sqrt{2}"], False, "expression"),
        (["3x + 2", "7"], False, "expression"),
        (["yes", "No", "true"], False, "yes_no"),
        (["A", "B"], True, "choice"),
        (["Paris", "12"], False, "text"),
        (["the 12 apostles of the lake"], False, "text"),
    ],
)
def test_guess(references: list[str], choices: bool, expected: str):  # noqa: FBT001 - a table
    """The narrowest kind that fits all references is taken."""
    assert guess(references, choices=choices) == expected


@pytest.mark.parametrize(
    ("name", "answer"),
    [("number", "18"), ("yes_no", "no"), ("choice", "B"), ("text", "Paris"), ("expression", r"\frac{1}{2}")],
)
@pytest.mark.parametrize("rationale", ["", "First this.\nThen that.", "Hm.\nAnswer: something else"])
def test_conclusion_is_read_back(name: KindName, answer: str, rationale: str):
    """What a kind writes at the end of a rationale, it reads strictly and finds correct."""
    each = kind(name)
    problem = Problem.of("q", answer, choices=("x", "y") if name == "choice" else ())
    parsed = each.read(each.conclude(rationale, answer))
    assert parsed.strict is not None
    assert parsed.answer == parsed.strict
    assert each.compare(parsed.strict, problem) is Verdict.CORRECT

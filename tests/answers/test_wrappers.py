"""What stands around an answer says nothing, whichever kind of answer it is."""

import pytest

from selfimprove.answers.kinds import KindName, kind
from selfimprove.records import Problem, Verdict

RIGHT: dict[KindName, str] = {"number": "18", "yes_no": "yes", "choice": "B", "text": "Paris", "expression": "x^2"}
WRONG: dict[KindName, str] = {"number": "17", "yes_no": "no", "choice": "A", "text": "Rome", "expression": "x^3"}
STRICT = (
    "Answer: <answer>{}</answer>",
    "Answer: {}</s>",
    "Answer: {}<|im_end|>",
    r"Answer: \boxed{{{}}}",
    r"Answer: $\boxed{{{}}}$",
    r"Answer: \boxed{{\text{{{}}}}}",
)
LENIENT = (
    "<answer>{}</answer>",
    "I reason.\n<answer>\n{}\n</answer>",
    r"The answer is \boxed{{\text{{{}}}}}.",
    "\\[\n\\boxed{{{}}}\n\\]",
    "The answer is '{}'.",
)
TWO = (
    "<answer>{}</answer>\n<answer>{}</answer>",
    "<answer>{}</answer> or <answer>{}</answer>",
    r"Answer: \text{{{}}} or \text{{{}}}",
)


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("written", STRICT + LENIENT)
def test_wrappers_say_nothing(name: KindName, written: str):
    """Tags, end marks, boxes and quotes are taken off: the right answer is right, another wrong."""
    if name == "expression":
        pytest.importorskip("math_verify")
    each, problem = kind(name), Problem.of("?", RIGHT[name], choices=("red", "green") if name == "choice" else ())
    for said, verdict in ((RIGHT[name], Verdict.CORRECT), (WRONG[name], Verdict.WRONG)):
        parsed = each.read(written.format(said))
        assert parsed.answer is not None
        assert each.compare(parsed.answer, problem) is verdict
        if name != "expression":  # strictly in a box
            assert (parsed.strict is not None) is (written in STRICT)


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("written", TWO)
def test_two_in_wrappers_are_no_answer(name: KindName, written: str):
    """What is offered beside another is not chosen by its wrapper."""
    if name == "expression":
        pytest.importorskip("math_verify")
    each, problem = kind(name), Problem.of("?", RIGHT[name], choices=("red", "green") if name == "choice" else ())
    for said in ((RIGHT[name], WRONG[name]), (WRONG[name], RIGHT[name])):
        found = each.read(written.format(*said)).answer
        assert found is None or each.compare(found, problem) is not Verdict.CORRECT

"""Whatever is written, reading comes back quickly, and what is read can be compared."""

import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfimprove.answers import choice, expression, gsm8k, latex, marks, number, signs, text, yes_no
from selfimprove.answers.kinds import KindName, kind
from selfimprove.records import Parsed, Verdict
from selfimprove.tasks.arithmetic import Arithmetic

READERS = {
    "number": number.read,
    "gsm8k": gsm8k.read,
    "yes_no": yes_no.read,
    "choice": choice.read,
    "expression": expression.read,
    "text": text.read,
    "arithmetic": Arithmetic().parse,
}
PIECES = (
    *(
        "Answer:",
        "answer is",
        "The answer is ",
        "#### ",
        "####",
        "\\boxed{",
        "}",
        "{",
        "\\frac{1}{2}",
        "$",
        "\n",
        " ",
        ". ",
    ),
    *(
        "4",
        "5",
        "-",
        "1,000",
        "1.5",
        "1/2",
        "10^",
        "%",
        " or ",
        " and ",
        "not ",
        "n't ",
        "but ",
        "=",
        "yes",
        "no",
        "true",
    ),
    *("A", "(B)", "C.", "**", "\u200b", "\u202e", "½", "٤", "−", "Wait, ", "if ", "\\text{", "a b", "!", "²"),  # noqa: RUF001
)
written = st.one_of(st.text(max_size=300), st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
relaxed = settings(deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", READERS)
@relaxed
@given(completion=written)
def test_any_text_is_read(name: str, completion: str):
    """Reading never raises, takes no time to speak of, never gives an empty answer, and strict implies lenient."""
    started = time.process_time()
    parsed = READERS[name](completion)
    assert time.process_time() - started < 1
    assert isinstance(parsed, Parsed)
    assert parsed.answer != ""
    assert parsed.strict in {None, parsed.answer}


@relaxed
@given(completion=written, reference=st.sampled_from(["4", "-1/2", "1,000", "50%"]))
def test_any_number_read_is_compared(completion: str, reference: str):
    """What a reader gives as a number is one: its verdict is right or wrong, never missing."""
    for read in (number.read, gsm8k.read):
        found = read(completion).answer
        assert found is None or number.compare(found, reference).decided


@relaxed
@given(reference=written)
@pytest.mark.parametrize("name", ["number", "yes_no", "choice", "text", "expression"])
def test_canonical_form_is_the_same_answer(name: KindName, reference: str):
    """A reference that is accepted keeps its meaning and form in canonical form, whichever kind it is."""
    options = ("red", "green", "blue", "four", "five", "six")
    each = kind(name)
    form = each.canonical(reference, options)
    if form is None:
        return
    assert each.canonical(form, options) == form
    compare = {
        "number": number.compare,
        "yes_no": yes_no.compare,
        "choice": lambda a, b: choice.compare(a, b, options),
        "text": text.compare,
        "expression": expression.compare,
    }[name]
    assert compare(form, reference) is Verdict.CORRECT
    assert compare(reference, form) is Verdict.CORRECT


@relaxed
@given(reference=written)
def test_latex_canonical_form_stays(reference: str):
    """Writing an expression plainly twice is writing it plainly once."""
    once = expression.canonical(reference)
    if once is not None and latex.whole(once):
        assert latex.plain(once) == once


@relaxed
@given(completion=written)
def test_helpers_take_any_text(completion: str):
    """The places of answers and the visible text are found in anything."""
    assert signs.visible(signs.visible(completion)) == signs.visible(completion)
    assert all(marks.stated(completion))
    assert all(marks.boxed(completion))
    assert isinstance(signs.clean(completion), str)

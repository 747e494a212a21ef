import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimprove.answers import gsm8k
from selfimprove.records import Verdict


@pytest.mark.parametrize(
    ("text", "reference", "strict", "lenient"),
    [
        ("#### 18", "18", "correct", "correct"),
        ("#### 18.", "18", "correct", "correct"),
        ("#### 18.00", "18", "correct", "correct"),
        ("#### 1,080", "1080", "correct", "correct"),
        ("#### -5", "-5", "correct", "correct"),
        ("#### 18\nThat is 3 times 6.", "18", "correct", "correct"),
        ("#### 17\n#### 18\n#### 19", "18", "unparseable", "unparseable"),
        ("#### 2 hours 30 minutes", "2", "unparseable", "unparseable"),
        ("#### 2 hours 30 minutes", "150", "unparseable", "unparseable"),
        ("The answer is 18.", "18", "unparseable", "correct"),
        ("The answer is $18.", "18", "unparseable", "correct"),
        ("It costs $18.00...", "18", "unparseable", "correct"),
        ("so 18 ...", "18", "unparseable", "correct"),
        ("so 3 + 15 = 18", "18", "unparseable", "correct"),
        ("so 18 of 20", "18", "unparseable", "wrong"),
        ("nothing", "18", "unparseable", "unparseable"),
    ],
)
def test_read_and_compare(text: str, reference: str, strict: str, lenient: str):
    """A final period, a dollar sign or cents never make a right number wrong."""
    parsed = gsm8k.read(text)
    verdicts = [
        gsm8k.compare(found, reference) if found is not None else Verdict.UNPARSEABLE
        for found in (parsed.strict, parsed.answer)
    ]
    assert verdicts == [Verdict(strict), Verdict(lenient)]


def test_conclude_replaces_a_final_line():
    """A rationale that already ends in a number is given the right one, once."""
    written = gsm8k.conclude("3 + 15 = 18\n#### 17", "18")
    assert written == "3 + 15 = 18\n#### 18"


@given(st.text(alphabet=st.sampled_from("0123456789.,-$# \nabc"), max_size=80))
def test_read_never_raises(text: str):
    """Whatever is read can be compared."""
    parsed = gsm8k.read(text)
    assert parsed.answer is None or gsm8k.compare(parsed.answer, "3") in {Verdict.CORRECT, Verdict.WRONG}

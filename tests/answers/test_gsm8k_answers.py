import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimprove.answers import gsm8k
from selfimprove.records import Verdict


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        ("She sold 72.\n#### 72", "72", "72"),
        ("#### 1,080.", "1,080.", "1,080."),
        ("#### $18", None, "$18"),
        ("####18", None, "18"),
        ("#### 18\n\nQuestion: 4?\n#### 5", "18", "5"),
        ("It is 7", None, "7"),
        ("It is 12-5", None, "-5"),
        ("Hm ... 18 ...", None, "..."),
        ("nothing", None, None),
    ],
)
def test_extraction_is_the_harness_own(text: str, strict: str | None, flexible: str | None):
    """Both filters give what lm-evaluation-harness gives, oddities included."""
    assert (gsm8k.harness_strict(text), gsm8k.harness_flexible(text)) == (strict, flexible)


@pytest.mark.parametrize(
    ("extracted", "equal"),
    [("1,080.", True), ("$1080", True), ("1080.00", False), ("1081", False), (None, False)],
)
def test_equality_is_the_harness_own(extracted: str | None, equal: bool):  # noqa: FBT001 - a table
    """Strings are compared after taking out what the harness ignores."""
    assert gsm8k.harness_equal(extracted, "12 * 90 = <<12*90=1080>>1080\n#### 1,080") is equal


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

# ruff: noqa: RUF001 - these are the signs that people write
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimprove.answers import text
from selfimprove.records import Verdict


@pytest.mark.parametrize(
    ("written", "lenient", "strict"),
    [
        ("It lies in France.\nAnswer: Paris.", "Paris", "Paris"),
        ("Answer: St. Louis", "St. Louis", "St. Louis"),
        ("The answer is the Eiffel Tower.", "the Eiffel Tower", None),
        ("Paris", "Paris", None),
        ("I think so.\n\n**Paris**\n", "Paris", None),
        ("Answer: Paris\nAnswer: London", None, None),
        ("Answer: Paris\nNo, wait.\nAnswer: London", "London", "London"),
        ("Answer:\nParis", "Paris", None),
        ("Answer: The answer is Paris.", "Paris", "Paris"),
        ("Final Answer: The final answer is St. Louis. I hope it is correct.", "St. Louis", "St. Louis"),
        ("The answer is Paris. I hope this helps!", "Paris", None),
        ("The answer is Paris. Or London.", "Paris. Or London", None),
        ("The answer is Paris. Wait, it is London.", "Paris. Wait, it is London", None),
        ("The answer is Montejo v. Louisiana.", "Montejo v. Louisiana", None),
        ("Answer: J. Doe. He wrote it.", "J. Doe. He wrote it", "J. Doe. He wrote it"),
        ("Answer: +", "+", "+"),
        ("Answer: Mr. Church\nAnswer: Blue", None, None),
        ("Answer: Montejo v. Louisiana\nAnswer: Blue", None, None),
        ("Answer: 1969 until 1974\nAnswer: Paris", None, None),
        ("If the answer is Rome, I err.\nAnswer: Paris", "Paris", "Paris"),
        ("Answer: The answer is Paris\nAnswer: London", None, None),
        ("  \n ", None, None),
    ],
)
def test_read(written: str, lenient: str | None, strict: str | None):
    """The labelled line, the last mark or the last line is the answer."""
    parsed = text.read(written)
    assert (parsed.answer, parsed.strict) == (lenient, strict)


def test_multiline_answer_goes_to_the_end():
    """A grid after "Answer:" is read whole."""
    assert text.read("I rotate it.\nAnswer:\n1 2\n3 4\n", multiline=True).strict == "1 2\n3 4"


@pytest.mark.parametrize(
    ("answer", "reference", "verdict"),
    [
        ("the U.S. Army", "US army", "correct"),
        ("Paris!", "paris", "correct"),
        ("London", "Paris", "wrong"),
        ("A", "A", "correct"),
        ("A", "The", "wrong"),
        ("+", "-", "wrong"),
        ("1.5", "15", "wrong"),
        ("-5", "5", "wrong"),
        ("3/4", "34", "wrong"),
        ("C", "C++", "wrong"),
        ("A+", "A", "wrong"),
        ("the Queen’s Gambit", "Queen's gambit", "correct"),
        ("Beyonce\u0301", "Beyonc\u00e9", "correct"),
        ("Par\u200bis", "Paris", "correct"),
        ("1,000", "1000", "correct"),
        (" ", "Paris", "unparseable"),
        ("Paris", "", "error"),
    ],
)
def test_compare(answer: str, reference: str, verdict: str):
    """Case, punctuation and articles make no difference, all else does."""
    assert text.compare(answer, reference) == Verdict(verdict)


@given(st.text(max_size=100))
def test_read_never_raises(written: str):
    """Whatever a model writes, reading comes back."""
    found = text.read(written).answer
    assert found is None or text.compare(found, found) in {
        Verdict.CORRECT,
        Verdict.UNPARSEABLE,
        Verdict.ERROR,
    }

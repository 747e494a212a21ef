import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimprove.answers import yes_no
from selfimprove.records import Verdict

READ = [
    ("Answer: yes", "yes", "yes"),
    ("Whales breathe.\nAnswer: No.", "no", "no"),
    ("**Answer:** Yes", "yes", "yes"),
    ("Answer: **no**", "no", "no"),
    ("Answer: no\nAnswer: yes", None, None),
    ("Answer: no\nWait, it did.\nAnswer: yes", "yes", "yes"),
    ("Answer: Yes, it is", "yes", None),
    ("Answer: true", "yes", None),
    ("Yes", "yes", None),
    ("no.", "no", None),
    ("Yes, because it is hot.", "yes", None),
    ("No, whales are mammals.", "no", None),
    ("No it is not", "no", None),
    ("So the answer is no.", "no", None),
    ("The answer is: Yes.", "yes", None),
    ("The answer is \\boxed{yes}", "yes", None),
    ("Yes, it seems. But it never happened. So no.", "no", None),
    ("It is cold. Therefore, yes.", "yes", None),
    ("True", "yes", None),
    ("Based on the facts, the answer would be no.", "no", None),
    ("The statement is false.", "no", None),
    ("It is true that he lived there. Nobody knows more.", None, None),
    ("It is not true.", None, None),
    ("The answer is false.", "no", None),
    ("No one knows who lived there.", None, None),
    ("There is no evidence for it.", None, None),
    ("The answer is yes and no.", None, None),
    ("Answer: yes or no", None, None),
    ("Yes or no", None, None),
    ("The answer is yes, or maybe no.", None, None),
    ("The answer is no (alternatively yes).", None, None),
    ("Yes, or possibly no.", None, None),
    ("Answer: true / false", None, None),
    ("The answer is not yes", None, None),
    ("The answer is no longer yes", None, None),
    ("Nobody", None, None),
    ("Yesterday it rained", None, None),
    ("", None, None),
]


@pytest.mark.parametrize(("text", "lenient", "strict"), READ)
def test_read(text: str, lenient: str | None, strict: str | None):
    """The decision is found; a determiner, a hedge and a negation are none."""
    parsed = yes_no.read(text)
    assert (parsed.answer, parsed.strict) == (lenient, strict)


@pytest.mark.parametrize(
    ("answer", "reference", "verdict"),
    [
        ("yes", "yes", "correct"),
        ("Yes.", "yes", "correct"),
        ("true", "yes", "correct"),
        ("no", "yes", "wrong"),
        ("maybe", "yes", "unparseable"),
        ("yes", "maybe", "error"),
    ],
)
def test_compare(answer: str, reference: str, verdict: str):
    """Decisions are compared by meaning; anything else is no verdict."""
    assert yes_no.compare(answer, reference) == Verdict(verdict)


@given(st.text(alphabet=st.sampled_from("yesnotruefalse .,:*\nanswer\"'(-"), max_size=80))
def test_read_never_raises(text: str):
    """Whatever is read is yes, no or nothing."""
    assert yes_no.read(text).answer in {"yes", "no", None}

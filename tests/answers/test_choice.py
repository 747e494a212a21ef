import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimprove.answers import choice
from selfimprove.records import Verdict

OPTIONS = ("the nucleus", "Mitochondria", "a dog", "B")
LISTED = "A. the nucleus\nB. Mitochondria\nC. a dog\nD. B"

READ = [
    ("Answer: B", "B", "B"),
    ("It is hot.\nAnswer: (C).", "C", "C"),
    ("**Answer: D**", "D", "D"),
    ("Answer: B. Mitochondria", "B", None),
    ("B", "B", None),
    ("B.", "B", None),
    ("(B)", "B", None),
    ("b)", "B", None),
    ("b", "B", None),
    ("B) Mitochondria", "B", None),
    ("The answer is B.", "B", None),
    ("The answer is (B) because it is hot", "B", None),
    ("The correct answer is **B**.", "B", None),
    ("The answer is option C", "C", None),
    ("The answer is A because it is hot", "A", None),
    ("The answer is B, not A", "B", None),
    ("the answer is \\boxed{C}", "C", None),
    ("The answer is A. Wait, the answer is D.", "D", None),
    ("Both (B) and again (B) fit best here, I think\nindeed.", "B", None),
    ("Option A is too cold.\nSo I choose\nC.", "C", None),
    ("The answer is a dog", "a dog", None),
    ("Mitochondria", "Mitochondria", None),
    ("The answer is A, B, C and D", None, None),
    ("The answer is A or B", None, None),
    ("Answer: A, B", None, None),
    ("A, B, C, D", None, None),
    ("A) Paris is in France. B) Rome is in Italy. So B.", None, None),
    ("A) Paris is in France.", "A", None),
    ("(A) is incorrect", "(A) is incorrect", None),
    ("(A) is not it.\nSo it has to be (B).", "B", None),
    ("Answer: A is wrong", None, None),
    ("Answer: (A) is wrong", None, None),
    ("Answer: A... wait, B", None, None),
    ("The answer is A. Actually, it is (B).", None, None),
    ("The answer is B, but A is wrong", "B", None),
    ("The answer is B. However, A cell needs energy.", "B", None),
    ("The answer is B, but I think it is hard", "B", None),
    ("(A) or (B) might both\nbe it, hard to say", None, None),
    ("The answer is B. I hope this helps!", "B", None),
    ("The answer is (B). I am confident.", "B", None),
    ("The answer is B, I think.", "B", None),
    ("The correct answer is B. A cell needs energy.", "B", None),
    ("The answer is B. The A option is wrong.", "B", None),
    ("The answer is A. B. C.", None, None),
    ("The answer is A. Or B.", None, None),
    ("The answer is A or maybe B", None, None),
    ("The answer is A (alternatively B)", None, None),
    ("The answer is B, I and A", None, None),
    ("Answer: (A) (B) are both right", None, None),
    (f"{LISTED}\n\nThe correct option is B.", "B", None),
    (f"{LISTED}\nB. Mitochondria", "B", None),
    (f"{LISTED}\nIt has to be (B).", "B", None),
    (f"{LISTED}\nWho knows?", "Who knows?", None),
    (LISTED, None, None),
    ("", None, None),
]


@pytest.mark.parametrize(("text", "lenient", "strict"), READ)
def test_read(text: str, lenient: str | None, strict: str | None):
    """One letter is found in every usual form; several letters are no answer."""
    parsed = choice.read(text)
    assert (parsed.answer, parsed.strict) == (lenient, strict)


@pytest.mark.parametrize(
    ("answer", "reference", "verdict"),
    [
        ("B", "B", "correct"),  # the letter that was asked for goes before option D, whose text it also is
        ("A", "A", "correct"),
        ("C", "A", "wrong"),
        ("J", "A", "wrong"),
        ("mitochondria", "B", "correct"),
        ("A dog", "C", "correct"),
        ("B. Mitochondria", "B", "correct"),
        ("nucleus", "A", "correct"),
        ("ribosome", "A", "unparseable"),
    ],
)
def test_compare(answer: str, reference: str, verdict: str):
    """A letter or an option's text is compared with the reference letter."""
    assert choice.compare(answer, reference, OPTIONS) == Verdict(verdict)


@given(st.text(alphabet=st.sampled_from("ABCDabc ().,:*\nanswerisodx\\{}"), max_size=60))
def test_read_never_raises(text: str):
    """Whatever a model writes, reading and comparing come back."""
    found = choice.read(text).answer
    assert found is None or choice.compare(found, "A", OPTIONS) in set(Verdict)

# ruff: noqa: RUF001 - these are the signs that people write
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimprove.answers import number
from selfimprove.records import Parsed, Verdict

VALUES = [
    ("18", Fraction(18)),
    ("-18", Fraction(-18)),
    ("−18", Fraction(-18)),
    ("–18", Fraction(-18)),
    ("minus 18", Fraction(-18)),
    ("negative 3", Fraction(-3)),
    ("+7", Fraction(7)),
    ("1,234", Fraction(1234)),
    ("1,234,567.50", Fraction("1234567.5")),
    ("12,34,567", Fraction(1234567)),
    ("1{,}234", Fraction(1234)),
    ("11,\\! 111", Fraction(11111)),
    ("10\\,000", Fraction(10000)),
    ("10\u202f000", Fraction(10000)),
    (".5", Fraction(1, 2)),
    ("0.50", Fraction(1, 2)),
    ("18.", Fraction(18)),
    ("$18", Fraction(18)),
    ("$ 18.00", Fraction(18)),
    ("-$5", Fraction(-5)),
    ("$-5", Fraction(-5)),
    ("\\$18", Fraction(18)),
    ("€3.20", Fraction("3.2")),
    ("18 dollars", Fraction(18)),
    ("18 apples", Fraction(18)),
    ("18\\text{ cm}", Fraction(18)),
    ("1/2", Fraction(1, 2)),
    ("-1/2", Fraction(-1, 2)),
    ("3 / 4", Fraction(3, 4)),
    ("1 1/2", Fraction(3, 2)),
    ("1 and 1/2", Fraction(3, 2)),
    ("1-1/2", Fraction(3, 2)),
    ("2½", Fraction(5, 2)),
    ("½", Fraction(1, 2)),
    ("\\frac{1}{2}", Fraction(1, 2)),
    ("\\dfrac{3}{4}", Fraction(3, 4)),
    ("\\frac12", Fraction(1, 2)),
    ("-\\frac{1}{2}", Fraction(-1, 2)),
    ("2\\frac{1}{2}", Fraction(5, 2)),
    ("\\frac{-7}{2}", Fraction(-7, 2)),
    ("-\\dfrac{7}{2}", Fraction(-7, 2)),
    ("\\frac{2.5}{5}", Fraction(1, 2)),
    ("\\frac{1,000}{3}", Fraction(1000, 3)),
    ("18 and a half", Fraction(37, 2)),
    ("18 hours and a quarter", Fraction(73, 4)),
    ("1.2e3", Fraction(1200)),
    ("1.2E-3", Fraction("0.0012")),
    ("1.2 × 10^3", Fraction(1200)),
    ("1.2 x 10^{3}", Fraction(1200)),
    ("1.2\\times 10^{-3}", Fraction("0.0012")),
    ("1.2*10**3", Fraction(1200)),
    ("5·10³", Fraction(5000)),
    ("10^6", Fraction(10**6)),
    ("x = 18", Fraction(18)),
    ("3 + 4 = 7", Fraction(7)),
    ("90^\\circ", Fraction(90)),
    ("**18**", Fraction(18)),
    ("$18$", Fraction(18)),
]

UNREADABLE = [
    "",
    "apples",
    "18 or 19",
    "1,2,3",
    "3,14",
    "1/0",
    "-\\frac{-7}{2}",
    "2\\frac{-1}{2}",
    "4\\text{or}5",
    "12 and 13",
    "1e999",
    "5-7",
    "12 + 6",
    "\\sqrt{2}",
    "3\\pi",
    "√2",
    "x^2",
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_quantity_reads(text: str, value: Fraction):
    """One number with its signs and units is read exactly."""
    found = number.quantity(text)
    assert found is not None
    assert found.value == value


@pytest.mark.parametrize("text", UNREADABLE)
def test_quantity_refuses(text: str):
    """A text that is not one number has no value."""
    assert number.quantity(text) is None


COMPARED = [
    ("18", "18", "correct"),
    ("18.0", "18", "correct"),
    ("$18.00", "18", "correct"),
    ("1,080", "1080", "correct"),
    ("1/2", "0.5", "correct"),
    ("0.333", "1/3", "wrong"),
    ("50%", "50", "correct"),
    ("50", "50%", "correct"),
    ("50%", "0.5", "correct"),
    ("0.5", "50%", "correct"),
    ("50%", "1/2", "correct"),
    ("50 percent", "50%", "correct"),
    ("0.5%", "50%", "wrong"),
    ("0.5", "50", "wrong"),
    ("3 million", "3000000", "correct"),
    ("3 million", "3", "correct"),
    ("3", "3 million", "correct"),
    ("5 Million", "5000000", "correct"),
    ("2.5 MILLION", "2500000", "correct"),
    ("30 Percent", "0.3", "correct"),
    ("30 per cent", "0.3", "correct"),
    ("3 thousands", "3000", "correct"),
    ("18M", "18", "unparseable"),
    ("1.5B", "1500000000", "unparseable"),
    ("3 thousand", "3 million", "wrong"),
    ("12K", "12000", "correct"),
    ("12k", "12 million", "wrong"),
    ("12K", "1200", "wrong"),
    ("-18", "18", "wrong"),
    ("18 or 19", "18", "unparseable"),
    ("many", "18", "unparseable"),
    ("18", "many", "error"),
]


@pytest.mark.parametrize(("answer", "reference", "verdict"), COMPARED)
def test_compare(answer: str, reference: str, verdict: str):
    """Numbers are equal by value, with the documented policy for percent and scale words."""
    assert number.compare(answer, reference) == Verdict(verdict)


READ = [
    ("Answer: 18", "18", "18"),
    ("3 + 4 = 7\nAnswer: $1,200.", "1200", "1200"),
    ("**Answer:** 18 apples", "18", "18"),
    ("Final answer: 5", "5", "5"),
    ("Final Answer: The final answer is $5$. I hope it is correct.", "5", "5"),
    ("Final Answer: The final answer is 5 or 6. I hope it is correct.", None, None),
    ("Answer: 5\nWait.\nAnswer: 6", "6", "6"),
    ("Answer:\n\n18", "18", None),
    ("The answer is 18.", "18", None),
    ("The answer is: **18**", "18", None),
    ("The answer is 12 + 6 = 18 dollars.", "18", None),
    ("The answer is 18 because 12 + 6 = 18", "18", None),
    ("The answer is $12$ when $n = 3$, as required.", "12", None),
    ("The answer is 12 for $n=3$.", "12", None),
    ("The answer is 18, so 20 - 18 = 2 are left.", "18", None),
    ("The answer is 3 for Tom + 4 for Jim = 7.", "7", None),
    ("The answer is, as 3 + 4 = 7, seven: 7.", "7", None),
    ("Answer: x = 7 or x = 8", None, None),
    ("The answer is 7, but it could be 8.", None, None),
    ("The answer is 7. Wait, it is 8.", None, None),
    ("The answer is 7, but not 8.", "7", None),
    ("The answer is 7. Let me check: 3 + 4 = 7.", "7", None),
    ("Answer: x = 7, y = 8", None, None),
    ("The answer is $\\boxed{18}$.", "18", None),
    ("The answer is 18. That leaves 20 of 30.", "18", None),
    ("\\boxed{17} \\boxed{18}", None, None),
    ("\\boxed{17} is wrong, so \\boxed{18}", "18", None),
    ("#### 18", "18", None),
    ("She has 3 + 4 = 7 eggs", "7", None),
    ("She has 12-5 eggs, so 7", "7", None),
    ("From 5-7", "7", None),
    ("The temperature fell to -5", "-5", None),
    ("The answer is seven.", "7", None),
    ("The answer is 18 or 19", None, None),
    ("The answer is 17, 18, 19, 20", None, None),
    ("The answer is between 5 and 7", None, None),
    ("The answer is 12 + 6", None, None),
    ("Answer: 18 or 19", None, None),
    ("\\boxed{17, 18, 19}", None, None),
    ("The answer is 18 dollars and 50 cents", None, None),
    ("Answer: 2 hours 30 minutes", None, None),
    ("Answer: 2h 30min", None, None),
    ("Answer: 5 feet 6 inches", None, None),
    ("Answer: 3 weeks, 2 days", None, None),
    ("Answer: 5 ft 6 in", None, None),
    ("The answer is 3 in 5 minutes.", "3", None),
    ("Answer: 2 hours 30 minutes = 150 minutes", "150", "150"),
    ("The answer is 3 days of 24 hours.", "3", None),
    ("2 + 3 = 5\nAnswer: 18M", None, None),
    ("Answer: 5 Million", "5 Million", "5 Million"),
    ("No idea", None, None),
    ("", None, None),
    ("Answer:", None, None),
    ("It costs x2 and v1", None, None),
    ("\\boxed{18", "18", None),
]


@pytest.mark.parametrize(("text", "lenient", "strict"), READ)
def test_read(text: str, lenient: str | None, strict: str | None):
    """The number a careful person would take is found, and none where several are offered."""
    parsed = number.read(text)
    assert (parsed.answer, parsed.strict) == (lenient, strict)


@given(st.text(alphabet=st.sampled_from("0123456789.,-+/ $%e^{}\\=answer:isoxb×10½#\n"), max_size=80))
def test_read_never_raises(text: str):
    """Whatever a model writes, reading and comparing come back, and what is read can be compared."""
    parsed = number.read(text)
    assert number.compare(text, "3") in set(Verdict)
    if parsed.answer is not None:
        assert number.quantity(parsed.answer) is not None


@given(st.fractions(max_denominator=1000))
def test_fractions_round_trip(value: Fraction):
    """A fraction written as Python writes it is read back."""
    found = number.quantity(str(value))
    assert found is not None
    assert found.value == value


@given(st.integers(-(10**12), 10**12))
def test_grouped_integers_round_trip(value: int):
    """An integer with thousands commas is read back."""
    assert number.compare(f"{value:,}", str(value)) is Verdict.CORRECT


def test_hostile_exponent_takes_no_memory():
    """A number too large to hold is no number."""
    assert number.read("Answer: 1e99999999").strict is None
    assert number.quantity("9" * 5000) is None


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("16 - 3 - 4 = 9 eggs. 9 * 2 = 18 dollars.", "18"),
        ("Natalia sold 48/2 = 24 clips in May. She sold 48+24 = 72 clips in all.", "72"),
        (r"She sold \(48 / 2 = 24\) clips in May. She sold \(48 + 24 = 72\) in all.", "72"),
        ("The second tank is 48 / 2 = 24 gallons (24 = 48 - 24). It holds 24 / 3 = 8 fish.", "8"),
        ("He saved 95 + 15 = 110 because he mowed. He shoveled 110 / 10 = 11 driveways.", "11"),
        ("She has 24 eggs, so she earns 24 * 2 = 48 dollars.", "48"),
        ("It holds 14 towels, which means there are 84 / 14 = 6 loads.", "6"),
        ("Tom has 3 apples. Ann has 4 apples. 3 + 4 = 7. So they have 7 apples.", "7"),
        ("Each pan holds 12 cupcakes. 288 / 12 = 24. She bakes 24 pans.", "24"),
        ("Step 1: She eats 16 - 3 = 13. Step 2: She sells 13 * 2 = 26.", "26"),
    ],
)
def test_a_working_on_the_answers_line_goes_on(said: str, meant: str):
    """A step that takes up the first result, or is said again at the end, goes on to the answer."""
    assert number.read(f"Answer: {said}").strict == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Natalia sold 72 clips. (48 / 2 = 24 in May)", "72"),
        ("Janet makes $18 a day. 16 - 7 = 9", "18"),
        ("Janet makes 18 dollars every day. This is because 16 - 3 - 4 = 9.", "18"),
        ("She earned $10. Note that 1 hour = 60 minutes.", "10"),
        ("There are 18 students, which is more than x = 5", "18"),
        ("24 eggs, so 24 * 2 = 48 dollars", "24"),
        ("3 + 4 = 7 apples. Check: 7 - 4 = 3.", "7"),
        ("She sold 24. To check: 24 + 48 = 72.", "24"),
        ("9 * 2 = 18 dollars. 16 - 3 - 4 = 9 eggs.", "18"),
        ("9 * 2 = 18 dollars (16 - 3 - 4 = 9 eggs).", "18"),
    ],
)
def test_an_answer_that_comes_first_is_not_what_its_reason_ends_in(said: str, meant: str):
    """Steps that do not use what was said before them are its reason, and so are brackets and checks."""
    assert number.read(f"Answer: {said}").strict == meant


@pytest.mark.parametrize(
    "said",
    [
        "There are 7 apples. 7 - 4 = 3.",
        "Tom has 3 apples. Ann has 4 apples. 3 + 4 = 7",
        "She is 72 inches tall, which is 72 / 12 = 6 feet",
        "48 + 24 = 72 clips. 72 - 24 = 48.",
    ],
)
def test_an_answer_and_a_working_that_look_alike_are_not_read(said: str):
    """A step from the first number may be the check of an answer or the way to it: there is no verdict."""
    assert number.read(f"Answer: {said}") == Parsed()


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Given 3 boxes with n = 4 each, 3 * 4 = 12", "12"),
        ("As there were 5 cats, and each has 4 legs, because 5 * 4 = 20.", "20"),
        ("If 3 are red, and 4 blue, since 3 + 4 = 7", "7"),
        ("When x = 3, y = 9.", "9"),
        ("Because each costs $3 and n = 4, the total is 3 * 4 = 12 (n = 4)", "12"),
    ],
)
def test_a_condition_that_opens_the_answers_line_does_not_end_it(said: str, meant: str):
    assert number.read(f"Answer: {said}").strict == meant

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfimprove.answers import expression
from selfimprove.answers.killable import UsedUpError
from selfimprove.records import Verdict

READ = [
    (r"so $x = \boxed{\frac{1}{2}}$.", r"\frac{1}{2}", r"\frac{1}{2}"),
    (r"\boxed{3} and finally \boxed{4}", "4", "4"),
    (r"\boxed{\{1, 2\}}", r"\{1, 2\}", r"\{1, 2\}"),
    (r"\boxed{4} \boxed{}", "4", "4"),
    (r"\boxed{$x^2$}", "x^2", "x^2"),
    (r"Answer: $x^2$", "x^2", None),
    (r"The answer is $2\sqrt{3}$ meters.", r"2\sqrt{3}", None),
    (r"The answer is 12.", "12", None),
    (r"The answer is $12$ when $n = 3$, as required.", "12", None),
    (r"The answer is 12 for $n=3$.", "12", None),
    (r"the answer is $\frac{1}{2}$, where $x>0$ is assumed.", r"\frac{1}{2}", None),
    (r"The answer is $x+1$ (for $x \neq 2$).", "x+1", None),
    (r"The answer is the fraction $\frac12$.", r"\frac12", None),
    (r"The answer is not $4$ but $5$.", "5", None),
    (r"The answer is 12 or $13$.", None, None),
    (r"The answer is $4$ (or $5$).", None, None),
    (r"The answer is $4$. Wait, it is $5$.", None, None),
    (r"The answer is $4$. Indeed $2 + 2 = 4$.", "4", None),
    (r"The answer is $\$18.90$.", r"\$18.90", None),
    (r"Then $a = 1$ and so $b = 2$.", "b = 2", None),
    (r"We get 3 and 4", "4", None),
    (r"\boxed{4", "4", None),
    ("", None, None),
]


@pytest.mark.parametrize(("text", "lenient", "strict"), READ)
def test_read(text: str, lenient: str | None, strict: str | None):
    """The last closed, non-empty box counts; without a box only the lenient reading finds something."""
    parsed = expression.read(text)
    assert (parsed.answer, parsed.strict) == (lenient, strict)


COMPARED = [
    (r"\dfrac12", r"\frac{1}{2}", "correct"),
    ("0.5", r"\frac12", "correct"),
    (r"2\sqrt2", r"\sqrt{8}", "correct"),
    ("(x-1)(x+1)", "x^2-1", "correct"),
    ("4i+8", "8+4i", "correct"),
    ("x=3", "3", "correct"),
    (r"11,\! 111", "11111", "correct"),
    (r"10\text{ cm}", "10", "correct"),
    *((f"5 {unit}", "5", "correct") for unit in ("dollars", "people", "red marbles", "km/h", "m/s", "cm^2", "sq. ft")),
    (r"\frac{1}{2} weeks", r"\frac12", "correct"),
    (r"12\pi square inches", r"12\pi", "correct"),
    ("5 dollars", "6", "wrong"),
    ("5 dollars", r"5\text{ cents}", "wrong"),
    *((f"5 {word}", "5", "wrong") for word in ("pi", "theta", "squared", "million", "abc", "halves")),
    (r"90^\circ", "90", "correct"),
    (r"50\%", "50", "correct"),
    (r"\text{(B)}", "B", "correct"),
    (r"\text{evelyn}", r"\text{Evelyn}", "correct"),
    ("Evelyn", r"\text{Evelyn}", "correct"),
    (r"\text{Bob}", r"\text{Evelyn}", "wrong"),
    ("(2,1)", "(1,2)", "wrong"),
    ("2,1", "1,2", "correct"),
    ("4", "3", "wrong"),
    ("1, 2, 3", "3", "wrong"),
    (r"3 \text{ or } 4", "3", "wrong"),
    ("1$ $2$ $3", "3", "wrong"),
    (r"\text{none of it}", "3", "wrong"),
    ("", "3", "unparseable"),
    (r"\frac{", "3", "unparseable"),
    (r"\emptyset", r"\{\}", "correct"),
    (r"\{ \}", r"\varnothing", "correct"),
    ("∅", r"\emptyset", "correct"),
    ("5", r"\{\}", "wrong"),
    (r"\{\}", "5", "wrong"),
    (r"\{5\}", r"\emptyset", "wrong"),
    ("9" * 2000, "3", "unparseable"),
]


@pytest.mark.parametrize(("answer", "reference", "verdict"), COMPARED)
def test_compare(answer: str, reference: str, verdict: str):
    """Expressions are equal by meaning; listing several answers does not help."""
    pytest.importorskip("math_verify")
    assert expression.compare(answer, reference) == Verdict(verdict)


def test_endless_algebra_is_a_timeout_and_the_next_comparison_works():
    """An expansion of 100,000 terms is killed at its deadline, and is no verdict; the worker starts again by itself."""
    pytest.importorskip("math_verify")
    started = time.monotonic()
    verdict = expression.compare("(x+1)^{100000}", "(1+x)^{100001}", timeout_s=1.0)
    assert verdict is Verdict.TIMEOUT
    assert time.monotonic() - started < 30
    assert expression.compare("2+2", "4") is Verdict.CORRECT


def test_a_timeout_is_paid_for_once(monkeypatch: pytest.MonkeyPatch):
    """The strict and the lenient reading, and every later student, share the verdict of one hang."""
    pytest.importorskip("math_verify")
    asked: list[object] = []

    class Hanging:
        def call(self, *arguments: object, timeout_s: float) -> object:
            asked.append(arguments)
            raise UsedUpError

    monkeypatch.setattr(expression, "shared", Hanging)
    verdicts = [expression.compare("7^{7^{7^{7}}}", "8") for _ in range(5)]
    assert verdicts == [Verdict.TIMEOUT] * 5
    assert not verdicts[0].decided
    assert len(asked) == 1


def test_a_busy_machine_is_asked_again(monkeypatch: pytest.MonkeyPatch):
    """Where the clock ran out and not the processor time, the next comparison of the two is made."""
    pytest.importorskip("math_verify")
    replies: list[object] = [TimeoutError(), "correct"]

    class Busy:
        def call(self, *_: object, timeout_s: float) -> object:
            reply = replies.pop(0)
            if isinstance(reply, Exception):
                raise reply
            return reply

    monkeypatch.setattr(expression, "shared", Busy)
    assert [expression.compare("6^{6^{6}}", "9") for _ in range(3)] == [Verdict.TIMEOUT, *[Verdict.CORRECT] * 2]


@given(st.text(alphabet=st.sampled_from("\\boxed{}$x^2frac10 .=\n"), max_size=80))
def test_read_never_raises(text: str):
    """Whatever a model writes, reading comes back with a non-empty answer or none."""
    assert expression.read(text).answer != ""


def test_many_open_boxes_are_read_quickly():
    """Unclosed boxes cost time that grows with the text, not with its square."""
    started = time.monotonic()
    assert expression.read("\\boxed{" * 2_000).strict is None
    assert time.monotonic() - started < 3


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("The answer is the value of $x$, which is $5$.", "5"),
        ("The answer is the number of divisors of $60$, which is $12$.", "12"),
        ("The answer is the coefficient of $x^3$, namely $20$.", "20"),
        ("The answer is the distance between $A$ and $B$, which is exactly $5$.", "5"),
        ("The answer is the number of $n$ with $n^2<60$, which is $15$, that is $2^4-1$.", "15"),
        ("The answer is the area of $ABC$, which is less than $15$, that is, $12$.", "12"),
        ("The answer is $5$, which is $2+3$.", "5"),
        ("The answer is the value $5$, which is $f(2)$.", "5"),
        ("The answer is a total of $5$, which is $2+3$.", "5"),
        ("The answer is of course $5$, which is $2+3$.", "5"),
        ("The answer is therefore $12$, which is less than $15$.", "12"),
        (r"The answer is the polynomial $x^2+1$, which is irreducible over $\mathbb{Q}$.", "x^2+1"),
        ("The answer is the minimum value of $12$, which is attained at $x=3$.", "12"),
        ("The final answer is clearly $7$, that is the number of divisors of $64$.", "7"),
        ("The answer is exactly $n=7$, since $7$ is the only prime that is a divisor of $49$.", "n=7"),
    ],
)
def test_what_an_answer_is_of_is_not_the_answer(said: str, meant: str):
    assert expression.read(said).answer == meant


@pytest.mark.parametrize(
    "words",
    [
        "2 to the fifth power",
        "2 divided by two",
        "2 times three",
        "2 times two",
        "2 apples divided by two",
        "2 raised to the fourth",
        "2 dozens",
        "2 quarters",
        "2 sevenths",
        "2 square roots of two",
        "2 inverse",
    ],
)
def test_words_that_make_another_number_are_no_unit(words: str):
    assert expression.compare(words, "2") is not Verdict.CORRECT


@pytest.mark.parametrize(
    "words",
    [
        "2 times",
        "2 times as many",
        "2 times each week",
        "2 roots",
        "2 real roots",
        "2 negative integers",
        "2 miles to school",
        "2 trips by bus",
        "2 infinite series",
        "2 raised beds",
    ],
)
def test_what_is_counted_is_a_unit(words: str):
    """A word that makes another number elsewhere may be part of what is counted."""
    pytest.importorskip("math_verify")
    assert expression.compare(words, "2") is Verdict.CORRECT
    assert expression.compare(words, "3") is Verdict.WRONG

"""Right answers from the text of a question alone, however a teacher words it; None where it cannot be read.

A teacher's own problems have no generator behind them, so only types whose questions can be worked out are measured.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction

from selfimprove.curating.checks import arithmetic
from selfimprove.records import Problem

Oracle = Callable[[Problem], bool | None]
_WHOLE = re.compile(r"(?<![\w.])-?\d+(?![\w.]*\d)")


def whole_numbers(text: str) -> list[int]:
    """Give the whole numbers of a text, those of a worked example in brackets left out."""
    return [
        int(found)
        for found in _WHOLE.findall(re.sub(r"\([^)]*(?:example|e\.g\.)[^)]*\)", "", text, flags=re.IGNORECASE))
    ]


def _same(answer: str, right: int | Fraction | str) -> bool:
    if isinstance(right, str):
        return re.sub(r"[\s,]+", " ", answer).strip() == re.sub(r"[\s,]+", " ", right).strip()
    try:
        return Fraction(answer.replace(",", "").replace(" ", "")) == right
    except (ValueError, ZeroDivisionError):
        return False


def _sum(problem: Problem) -> bool | None:
    asked = problem.question
    for written, sign in (("\\times", "*"), ("\\div", "/"), ("\\(", ""), ("\\)", "")):
        asked = asked.replace(written, sign)
    found = re.search(r"(?=[-(\d])[-(]*\d[.\d]*[\s)]*[-+*/][-+*/().\d\s]*[\d)]", asked)
    return arithmetic(problem.model_copy(update={"question": f"What is {found[0].strip()}?"})) if found else None


def _of_numbers(work: Callable[[list[int]], int | Fraction | None], fewest: int = 2) -> Oracle:
    def oracle(problem: Problem) -> bool | None:
        numbers = whole_numbers(problem.question)
        right = work(numbers) if len(numbers) >= fewest else None
        return None if right is None else _same(problem.answer, right)

    return oracle


def _fraction(problem: Problem) -> bool | None:
    found = re.search(r"(\d+)\s*/\s*(\d+)", problem.question)
    if found is None or not int(found[2]):
        return None
    right = Fraction(int(found[1]), int(found[2]))
    return problem.answer.replace(" ", "") in {f"{right.numerator}/{right.denominator}", str(right)}


def _factors(problem: Problem) -> bool | None:
    found = re.search(r"factori[sz]ation of (\d+)", problem.question, re.IGNORECASE)
    if found is None:
        return None
    left, factors = int(found[1]), list[int]()
    for divisor in range(2, math.isqrt(left) + 1):
        while left % divisor == 0:
            factors.append(divisor)
            left //= divisor
    factors += [left] if left > 1 else []
    return sorted(map(int, re.findall(r"\d+", problem.answer))) == factors


def _primes(numbers: list[int]) -> int | None:
    low, high = numbers[0], numbers[1]
    if len(numbers) != 2 or high > 1_000_000:
        return None
    return sum(n > 1 and all(n % d for d in range(2, math.isqrt(n) + 1)) for n in range(low, high + 1))


def _letters(problem: Problem) -> bool | None:
    letter = re.search(r"letter [\"'“](\w)[\"'”]", problem.question)
    text = re.search(r"(?:text|sentence|phrase|word)s?:?\s*[\"“](.+)[\"”]", problem.question, re.DOTALL)
    return _same(problem.answer, text[1].lower().count(letter[1].lower())) if letter and text else None


def _backward(problem: Problem) -> bool | None:
    found = re.search(r":\s*[\"“']?(\w+)[\"”']?\s*\.?$", problem.question.strip())
    return problem.answer.strip() == found[1][::-1] if found else None


def _reversed_list(problem: Problem) -> bool | None:
    found = re.search(r"(?:list of words|words):\s*(.+)$", problem.question.strip(), re.DOTALL)
    words = [word.strip(" .") for word in found[1].split(",")] if found else []
    return _same(problem.answer, ", ".join(reversed(words))) if len(words) > 1 else None


ORACLES: Mapping[str, Oracle] = {
    "chain_sum": _sum,
    "basic_arithmetic": _sum,
    "products": _sum,
    "decimal_chain_sum": _sum,
    "gcd": _of_numbers(lambda numbers: math.gcd(*numbers)),
    "lcm": _of_numbers(lambda numbers: math.lcm(*numbers)),
    "fraction_simplification": _fraction,
    "prime_factorization": _factors,
    "count_bits": _of_numbers(lambda numbers: numbers[-1].bit_count(), fewest=1),
    "count_primes": _of_numbers(_primes),
    "letter_counting": _letters,
    "spell_backward": _backward,
    "word_sequence_reversal": _reversed_list,
}
"""By family; of the families of bench-curate that are not here a teacher's own question cannot be worked out."""

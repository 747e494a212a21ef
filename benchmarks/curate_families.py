"""The 21 procedural types of bench-curate: reasoning-gym's generators, whose answers are certain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from selfimprove.tasks.cuts import squeezed
from selfimprove.tasks.reasoning_gym import split_of

NAMES: Final = (
    "chain_sum",
    "basic_arithmetic",
    "products",
    "gcd",
    "lcm",
    "fraction_simplification",
    "prime_factorization",
    "leg_counting",
    "count_bits",
    "number_filtering",
    "letter_counting",
    "spell_backward",
    "word_sorting",
    "simple_equations",
    "calendar_arithmetic",
    "word_sequence_reversal",
    "decimal_arithmetic",
    "count_primes",
    "time_intervals",
    "decimal_chain_sum",
    "number_format",
)
SETTINGS: Final[Mapping[str, Mapping[str, int]]] = {"prime_factorization": {"max_value": 100_000}}
"""The generator's own default of 1,000 has too few questions for 1,000 rows."""
STREAM: Final = 1_000_000
"""Items of a family's endless stream that are drawn from."""

Drawn = tuple[str, str]
"""Question and right answer."""
Draw = Callable[[int], Drawn]


def families(names: tuple[str, ...] = NAMES) -> Mapping[str, Draw]:
    """Give what draws the item at any index of each family's stream."""
    return {name: _drawer(name) for name in names}


def _drawer(name: str) -> Draw:
    def draw(index: int) -> Drawn:
        item = _stream(name)[index % STREAM]
        return str(item["question"]).strip(), str(item["answer"])

    return draw


@cache
def _stream(name: str) -> Any:
    import reasoning_gym

    return reasoning_gym.create_dataset(name, seed=7, size=STREAM, **SETTINGS.get(name, {}))


def is_test(question: str) -> bool:
    """Say whether a question belongs to the family's test split."""
    return split_of(squeezed(question)) == "test"

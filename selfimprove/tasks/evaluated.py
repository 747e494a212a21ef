"""Answers that a scorer of reasoning-gym would run as a program: it hands what it is given to Python's `eval`."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_BY_PYTHON: Final = frozenset({"binary_matrix", "n_queens", "spiral_matrix", "string_insertion"})
_BY_SYMPY: Final = frozenset(
    {"countdown", "intermediate_integration", "polynomial_multiplication", "puzzle24", "simple_integration"}
)
_FUNCTION: Final = re.compile(
    r"\b(?:a?(?:sin|cos|tan|cot|sec|csc)h?|exp|ln|log|sqrt|cbrt|Abs|abs|factorial|floor|ceiling)\s*(?=\()"
)
_CALL: Final = re.compile(  # a bracket that follows neither an operator nor another bracket that opens
    r"__|[#\\]|[^\s+*/%^,=(\[{<>:|&~-]\s*\("
)
_QUOTED: Final = re.compile("[\"']")  # sympy's functions evaluate text too


def would_run(dataset: str, answer: str) -> bool:
    """Say whether a data set's scorer evaluates its answers, and would call something but mathematics in this one.

    >>> would_run("countdown", "sqrt(16) * (2 + 4)"), would_run("countdown", "exit(1)"), would_run("chain_sum", "f(1)")
    (False, True, False)
    """
    shown = unicodedata.normalize("NFKC", answer)  # as Python reads names
    if dataset in _BY_SYMPY:
        return _QUOTED.search(shown) is not None or _CALL.search(_FUNCTION.sub("", shown)) is not None
    return dataset in _BY_PYTHON and _CALL.search(shown) is not None

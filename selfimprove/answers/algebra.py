"""Symbolic comparison; imported in the worker process only, before the clock starts."""

from __future__ import annotations

import logging

from math_verify import LatexExtractionConfig, parse, verify

from selfimprove.records import Verdict


def judge(answer: str, reference: str) -> str:
    """Compare two formulas with math-verify and give a verdict's name."""
    logging.disable(logging.CRITICAL)  # it warns about its own timeout, which the worker's deadline replaces
    gold, target = (parse(f"${side}$", [LatexExtractionConfig()], parsing_timeout=None) for side in (reference, answer))
    for side, reading in ((Verdict.ERROR, gold), (Verdict.UNPARSEABLE, target)):
        if all(isinstance(each, str) for each in reading):  # only as letters, not as mathematics
            return side
    return Verdict.CORRECT if verify(gold, target, timeout_seconds=None) else Verdict.WRONG

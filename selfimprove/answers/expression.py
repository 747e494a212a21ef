r"""Mathematical expressions: found in `\boxed{...}`, compared by math-verify in a process that can be killed.

Equal writing needs no algebra, so most comparisons cost microseconds. The rest goes to math-verify
(Kydlíček 2025, github.com/huggingface/Math-Verify), in a child process with a deadline: symbolic algebra
on model text can run for hours. Too slow is `timeout`, which is no verdict.
"""

from __future__ import annotations

import importlib.util
import re

from selfimprove.answers import number
from selfimprove.answers.killable import WorkerError, shared
from selfimprove.answers.marks import boxed, concluded, tidy
from selfimprove.errors import MissingDependencyError
from selfimprove.records import Parsed, Verdict

TIMEOUT_S = 5.0
_LONGEST = 1_000  # characters; an answer longer than this is no final answer
_INLINE = re.compile(r"\$([^$\n]{1,300})\$|\\\(([^\n]{1,300}?)\\\)")
_WORDS_ONLY = re.compile(r"\(?[A-Za-z][A-Za-z .,'()-]*\)?")
_SPACING = re.compile(r"(?<!\\)\\[,;:!> ]|\\left(?![a-z])|\\right(?![a-z])|[\s~]|\\(?=[$%])")


def read(text: str) -> Parsed:
    r"""Find the final expression of a completion.

    Strictly the last `\boxed{...}`. Leniently the last mark (see `marks.concluded`), else the last inline
    mathematics, else the last number.

    >>> read(r"so $x = \boxed{\frac{1}{2}}$").strict
    '\\frac{1}{2}'
    """
    boxes = [box for box in (tidy(content) for content in boxed(text)) if box]
    if boxes:
        return Parsed(answer=boxes[-1], strict=boxes[-1])
    inline = [left or right for left, right in _INLINE.findall(text)]
    span = concluded(text)
    if span is not None and re.search(r"\w", span):
        within = [left or right for left, right in _INLINE.findall(span)]
        return Parsed(answer=tidy(within[-1]) or span if within else span)
    found = [formula for formula in map(tidy, inline) if formula]
    return Parsed(answer=found[-1] if found else number.read(text).answer)


def compare(answer: str, reference: str, timeout_s: float = TIMEOUT_S) -> Verdict:
    """Compare two expressions by meaning.

    Args:
        answer: what the completion ends in, LaTeX or plain.
        reference: the reference answer, LaTeX or plain.
        timeout_s: seconds that the algebra may take.

    Raises:
        MissingDependencyError: math-verify is needed and not installed.
    """
    if not answer.strip() or len(answer) > _LONGEST:
        return Verdict.UNPARSEABLE
    if canonical(answer) == canonical(reference):
        return Verdict.CORRECT
    if _is_words(reference):  # a name or a weekday: algebra would multiply its letters
        return Verdict.WRONG
    if importlib.util.find_spec("math_verify") is None:
        raise MissingDependencyError(
            'comparing expressions needs math-verify; install it with: pip install "selfimprove[tasks]"'
        )
    try:
        found = shared().call("selfimprove.answers.expression:judge", answer, reference, timeout_s=timeout_s)
    except TimeoutError:
        return Verdict.TIMEOUT
    except WorkerError:
        return Verdict.ERROR
    return Verdict(str(found))


def canonical(reference: str) -> str | None:
    r"""Write an expression without spacing, text wrappers and equivalent commands, None when nothing is left.

    >>> canonical(r"\dfrac{1}{2}\text{ cm}") == canonical(r"\frac12 \mathrm{cm}")
    True
    """
    text = tidy(reference).replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    text = re.sub(r"\\(?:text|mathrm|mbox|textbf|mathbf|textrm)\s?\{([^{}]{0,200})\}", r"\1", text)
    text = re.sub(r"\\frac\s?([0-9a-z])\s?([0-9a-z])", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\sqrt\s?([0-9a-z])", r"\\sqrt{\1}", text)
    text = re.sub(r"\^\{?\\circ\}?", "", _SPACING.sub("", text)).replace("{,}", ",")
    text = re.sub(r"(?<=[0-9]),(?=[0-9]{3}(?:[^0-9]|$))", "", text) if _is_one_number(text) else text
    return text.removesuffix(".") or None


def _is_one_number(text: str) -> bool:
    return re.fullmatch(r"[$-]{0,2}[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?", text) is not None


def _is_words(reference: str) -> bool:
    """True for text such as `Evelyn` or `(B)`; a single letter may be a variable and is left to the algebra."""
    plain = re.sub(r"\\(?:text|mathrm|mbox|textbf|textrm)\s?\{([^{}]*)\}", r"\1", reference).strip()
    wrapped = plain != reference.strip()
    return bool(_WORDS_ONLY.fullmatch(plain)) and (wrapped or len(plain.strip("()")) > 3)  # noqa: PLR2004 - xyz is a product


def judge(answer: str, reference: str) -> str:
    """Compare with math-verify and give a verdict's name; runs inside the worker."""
    import logging

    from math_verify import LatexExtractionConfig, parse, verify

    logging.disable(logging.CRITICAL)  # it warns about its own timeout, which the worker's deadline replaces
    sides = []
    for side in (reference, answer):
        plain = side.replace("\\$", "").replace("$", "")  # a dollar sign inside would end the formula
        sides.append(parse(f"${plain}$", [LatexExtractionConfig()], parsing_timeout=None))
    gold, target = sides
    if not gold:
        return Verdict.ERROR
    if all(isinstance(reading, str) for reading in target):  # only as letters, not as mathematics
        return Verdict.UNPARSEABLE
    return Verdict.CORRECT if verify(gold, target, timeout_seconds=None) else Verdict.WRONG

r"""Mathematical expressions: found in `\boxed{...}`, compared by math-verify in a process that can be killed.

Equal writing needs no algebra, so most comparisons cost microseconds. The rest goes to math-verify
(Kydlíček 2025, github.com/huggingface/Math-Verify), in a child process with a deadline: symbolic algebra
on model text can run for hours. Too slow is `timeout`, which is no verdict. Words, letters of options, numbers with a
base and units are compared here (`latex`): algebra would multiply their letters or drop them.
"""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache

from selfimprove.answers import latex, number
from selfimprove.answers.killable import UsedUpError, WorkerError, shared
from selfimprove.answers.marks import boxed_last, disagree, sentence, stated, tidy
from selfimprove.answers.offered import Thing, denied, first_meant, nothing_between
from selfimprove.answers.signs import visible
from selfimprove.errors import MissingDependencyError
from selfimprove.records import Parsed, Verdict

TIMEOUT_S = 5.0
_INLINE = re.compile(r"(?<!\\)\$((?:\\.|[^\\$\n]){1,300})\$|\\\(([^\n]{1,300}?)\\\)")
_NUMBER_FIRST = re.compile(r"(?:(?![^\W\d]{2})[^0-9])*[0-9]")  # before any word
_OF = re.compile(  # the first formula is what the answer is of; but "a total of $12$" is the answer
    r"(?!.*\ban?\s[a-z]+\sof\s*$).*\b(?:of(?!\scourse)|between|from|with|for)\b", re.IGNORECASE | re.DOTALL
)
_NAMELY = re.compile(
    r"(?:\b(?:which|that)\s(?:is|equals)(?:,|\s(?:equal\sto|exactly|just|simply)\b)?|\bnamely\b,?)\s*(?=\$|\\\()",
    re.IGNORECASE,
)
_WORKER = "selfimprove.answers.algebra:judge"


def read(text: str) -> Parsed:
    r"""Find the final expression of a completion.

    Strictly the last `\boxed{...}`; boxes with nothing between them are a list. Leniently the last mark (see
    `marks.stated`), else the last inline mathematics, else the last number.

    >>> read(r"so $x = \boxed{\frac{1}{2}}$").strict
    '\\frac{1}{2}'
    """
    text = visible(text)
    boxes = [box for box in boxed_last(text) if latex.plain(box)]
    if boxes:
        listed = ", ".join({latex.plain(box): box for box in boxes}.values())
        return Parsed(answer=listed, strict=listed)
    said = stated(text)
    if disagree(said, _within):
        return Parsed()
    if said and re.search(r"\w", said[-1]):
        return Parsed(answer=_within(said[-1]))
    return Parsed(answer=_last_formula(text) if _INLINE.search(text) else number.last(text))


def _within(span: str) -> str | None:
    """Give the first formula of a mark's text, the number before it, or its sentence when it holds none."""
    formulas = list(_INLINE.finditer(span))
    if not formulas:
        return sentence(span) or None
    if _NUMBER_FIRST.match(span[: formulas[0].start()]):
        return number.offered(span)
    namely = _NAMELY.search(span, formulas[0].end()) if _OF.match(span[: formulas[0].start()]) else None
    if namely:  # "the coefficient of $x^3$, which is $20$"
        formulas = [formula for formula in formulas if formula.start() >= namely.end()]
    meant = first_meant(span, [Thing(*formula.span(), _content(formula)) for formula in formulas])
    return str(meant.value) or None if meant else None


def _last_formula(text: str) -> str | None:
    """Give the last formula that is not ruled out, None when it is one of two to choose from."""
    found = [formula for formula in _INLINE.finditer(text) if not denied(text, formula.start())]
    if not found:
        return None
    if len(found) > 1 and nothing_between(text, found[-2].end(), found[-1].start()):
        return None
    return _content(found[-1]) or None


def _content(formula: re.Match[str]) -> str:
    return tidy(formula[1] or formula[2])


def compare(answer: str, reference: str, timeout_s: float = TIMEOUT_S) -> Verdict:
    """Compare two expressions by meaning.

    Args:
        answer: what the completion ends in, LaTeX or plain.
        reference: the reference answer, LaTeX or plain.
        timeout_s: seconds of processor time that the algebra may take.

    Raises:
        MissingDependencyError: math-verify is needed and not installed.
    """
    theirs = canonical(reference)
    if theirs is None:
        return Verdict.ERROR
    mine = canonical(answer)
    if mine is None:
        return Verdict.UNPARSEABLE
    if mine == theirs or latex.alike(answer, reference):
        return Verdict.CORRECT
    same = latex.compared_as_written(answer, reference)
    if same is not None:
        return Verdict.CORRECT if same else Verdict.WRONG
    if importlib.util.find_spec("math_verify") is None:
        raise MissingDependencyError(
            'comparing expressions needs math-verify; install it with: pip install "selfimprove[tasks]"'
        )
    try:
        return _by_algebra(latex.prepared(answer), latex.prepared(reference), timeout_s)
    except TimeoutError:  # of the clock, as the machine was busy: nothing to remember
        return Verdict.TIMEOUT


@lru_cache(4096)  # students write the same wrong answer often, and a timeout is to be paid for once
def _by_algebra(answer: str, reference: str, timeout_s: float) -> Verdict:
    try:
        return Verdict(str(shared().call(_WORKER, answer, reference, timeout_s=timeout_s)))
    except UsedUpError:
        return Verdict.TIMEOUT
    except WorkerError:
        return Verdict.ERROR


def canonical(reference: str) -> str | None:
    r"""Write an expression without spacing, text wrappers and equivalent commands.

    None when it is no expression: nothing is left, braces do not match, it ends in the middle, or it is too long or too
    deeply nested to be a final answer.

    >>> canonical(r"\dfrac{1}{2}\text{ cm}") == canonical(r"\frac12 \mathrm{cm}")
    True
    """
    return latex.plain(reference) if latex.whole(reference) else None

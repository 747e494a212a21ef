"""Our equivalence of MATH answers beside that of the data set's authors and of PRM800K's grader, on real answers.

Both references are written anew from what their authors say they do: Hendrycks et al. compare strings after taking out
spacing, sizes and units and writing fractions one way; PRM800K's grader goes on to compare tuples part by part and values
by algebra, but wants integers as integers and fractions reduced. Values are compared by number here, not by algebra.
"""

import json
import math
import os
import re
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from selfimprove.answers import expression
from selfimprove.records import Verdict

DATA = Path(
    os.environ.get("SELFIMPROVE_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
).resolve()
pytest.importorskip("math_verify")
pytestmark = pytest.mark.skipif(not (DATA / "math").is_dir(), reason="no MATH rows: set SELFIMPROVE_DATA")
PER_FORM = 14
INTEGER = re.compile(r"-?[0-9]+")
FRACTION = re.compile(r"(-?)\\d?frac\{([0-9]+)\}\{([0-9]+)\}")


def hendrycks(text: str) -> str:
    """Write an answer as the authors' comparison sees it."""
    for gone in ("\n", "\\!", "\\left", "\\right", "^{\\circ}", "^\\circ", "\\$", "\\%", "%"):
        text = text.replace(gone, "")
    text = re.sub(r"\\[dt]frac", r"\\frac", text).replace("\\\\", "\\")
    text = re.sub(r"(^|[ {])\.", r"\g<1>0.", text.split("\\text{ ")[0])
    left, equals, right = text.partition("=")
    text = right if equals and len(left.strip()) <= 2 and "=" not in right else text
    text = re.sub(r"\\sqrt\s*([^{\s])", r"\\sqrt{\1}", text).replace(" ", "")
    text = re.sub(r"\\frac([^{])([^{])", r"\\frac{\1}{\2}", text)
    text = re.sub(r"\\frac([^{])\{", r"\\frac{\1}{", text)
    text = re.sub(r"^(-?[0-9]+)/([0-9]+)$", r"\\frac{\1}{\2}", text)
    return "\\frac{1}{2}" if text == "0.5" else text


def hendrycks_equal(answer: str, reference: str) -> bool:
    """Equal strings."""
    return hendrycks(answer) == hendrycks(reference)


def value(text: str) -> float | None:
    """Work out an answer as a number, letters standing for odd values; None where that cannot be done."""
    for pattern in (r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"\\sqrt\{([^{}]*)\}"):
        while re.search(pattern, text):
            into = r"((\1)/(\2))" if "frac" in pattern else r"((\1)**0.5)"
            text = re.sub(pattern, into, text)
    text = (
        text.replace("\\pi", "(3.14159265358979)")
        .replace("\\cdot", "*")
        .replace("^", "**")
        .replace("{", "(")
        .replace("}", ")")
    )
    text = re.sub(r"(?<=[0-9a-z)])(?=[a-z(])|(?<=[a-z)])(?=[0-9])", "*", text)
    text = re.sub(r"[a-z]", lambda found: f"({ord(found.group()) / 37.7})", text)
    if not re.fullmatch(r"[-+*/(). 0-9]{1,120}", text) or text.count("**") > 3:
        return None
    try:
        return float(eval(text))  # noqa: S307 - digits and operators only, see above
    except (SyntaxError, TypeError, ArithmeticError):
        return None


def prm800k(text: str) -> str:
    """Write an answer as PRM800K's grader sees it before it compares."""
    text = re.sub(r"\\(?:text|mbox)\{([^{}]*)\}", r"\1", re.sub(r"(?:,|\s)*\\text\{\s?(?:and|or)\s?\}", ", ", text))
    text = re.sub(r"(?<=[0-9])(?:,|\\!|\{,\})+(?=[0-9]{3}(?![0-9]))", "", text)
    text = re.sub(r"(?<=[0-9])\s(?:cm|degrees?|inch(?:es)?|feet|units|square units|dollars|meters?)$", "", text)
    return hendrycks(re.sub(r"\.0+$", "", text).rstrip(".")).lower()


def prm800k_equal(answer: str, reference: str) -> bool:
    """Equal strings, or equal parts, or equal values in an allowed form."""
    if hendrycks_equal(answer, reference):
        return True
    mine, theirs = prm800k(answer), prm800k(reference)
    if mine == theirs:
        return True
    brackets = re.compile(r"([(\[])(.*)([)\]])")
    sides = [brackets.fullmatch(side) for side in (mine, theirs)]
    if len({(side[1], side[3]) for side in sides if side}) > 1:
        return False
    parts = [(side[2] if side else whole).split(",") for side, whole in zip(sides, (mine, theirs), strict=True)]
    if bool(sides[0]) != bool(sides[1]) or len(parts[0]) != len(parts[1]):
        return False
    return all(_part_equal(a, b) for a, b in zip(*parts, strict=True))


def _part_equal(mine: str, theirs: str) -> bool:
    if mine == theirs:
        return True
    if INTEGER.fullmatch(theirs) or (FRACTION.fullmatch(theirs) and FRACTION.fullmatch(mine)):
        return False  # an integer is to be written as one, a fraction reduced
    values = value(mine), value(theirs)
    return values[0] is not None and values[1] is not None and math.isclose(values[0], values[1], rel_tol=1e-9)


class Form(NamedTuple):
    """A way to write a real answer otherwise, to whom it applies, and why ours is right where another differs."""

    write: Callable[[str], str | None]
    right: bool = True
    hendrycks: str = ""
    prm800k: str = ""


def _if(pattern: re.Pattern[str], into: Callable[[re.Match[str]], str]) -> Callable[[str], str | None]:
    return lambda text: into(found) if (found := pattern.fullmatch(text)) else None


def _replaced(old: str, new: str) -> Callable[[str], str | None]:
    return lambda text: text.replace(old, new) if old in text else None


PAIR = re.compile(r"\(([^(),]+),\s?([^(),]+)\)")
LIST = re.compile(r"(?![0-9]+,[0-9]{3}$)([^(),\[\]\\A-Z]+),\s?([^!(),\[\]A-Z]+)")
WORD = re.compile(r"\\text\{([A-Za-z]{4,})\}")
SUM = re.compile(r"([^-+(),={}]*[a-z0-9])\s?\+\s?([0-9]*[a-z0-9][^-+(),=&{}]*)")
THOUSANDS = re.compile(r"[1-9][0-9]{3,6}")
VALUE = "the same value"
FORMS = {
    "itself": Form(lambda r: r),
    "dollar signs": Form(lambda r: f"${r}$", hendrycks="math delimiters say nothing", prm800k="the same"),
    "dfrac": Form(_replaced("\\frac", "\\dfrac")),
    "tfrac": Form(_replaced("\\frac", "\\tfrac")),
    "spaces": Form(lambda r: re.sub(r"([-+=,/])", r" \1 ", r) if re.search(r"[-+=/]", r) else None),
    "left and right": Form(
        lambda r: r.replace("(", "\\left(").replace(")", "\\right)") if "(" in r and "\\left" not in r else None
    ),
    "short fraction": Form(_if(re.compile(r"\\frac\{([0-9])\}\{([0-9])\}"), lambda m: rf"\frac{m[1]}{m[2]}")),
    "slashed fraction": Form(_if(FRACTION, lambda m: f"{m[1]}{m[2]}/{m[3]}"), hendrycks="a minus before either form"),
    "unreduced fraction": Form(
        _if(FRACTION, lambda m: rf"{m[1]}\frac{{{2 * int(m[2])}}}{{{2 * int(m[3])}}}"), hendrycks=VALUE, prm800k=VALUE
    ),
    "trailing dot": Form(lambda r: f"{r}.", hendrycks="a full stop says nothing"),
    "unit in text": Form(_if(INTEGER, lambda m: rf"{m[0]}\text{{ cm}}")),
    "bare unit": Form(_if(INTEGER, lambda m: rf"{m[0]} \text{{cm}}"), hendrycks="a unit that was asked for"),
    "degrees": Form(_if(INTEGER, lambda m: rf"{m[0]}^\circ")),
    "dollars": Form(_if(INTEGER, lambda m: rf"\${m[0]}")),
    "point zero": Form(_if(INTEGER, lambda m: f"{m[0]}.0"), hendrycks=VALUE),
    "as a sum": Form(
        _if(INTEGER, lambda m: f"{int(m[0]) - 7}+7"), hendrycks=VALUE, prm800k="the same value, unsimplified"
    ),
    "thousands": Form(_if(THOUSANDS, lambda m: f"{int(m[0]):,}"), hendrycks="thousands may be grouped"),
    "named variable": Form(_if(INTEGER, lambda m: f"x = {m[0]}")),
    "without text": Form(_if(WORD, lambda m: m[1]), hendrycks="a word with or without its wrapper"),
    "lower case": Form(_if(WORD, lambda m: rf"\text{{{m[1].lower()}}}"), hendrycks="the same word"),
    "swapped sum": Form(_if(SUM, lambda m: f"{m[2]}+{m[1]}"), hendrycks=VALUE),
    "list in other order": Form(
        _if(LIST, lambda m: f"{m[2]},{m[1]}"), hendrycks="a set has no order", prm800k="a set has no order"
    ),
    "off by one": Form(_if(INTEGER, lambda m: str(int(m[0]) + 1)), right=False),
    "other sign": Form(
        lambda r: r[1:] if r.startswith("-") else f"-{r}" if re.fullmatch(r"[1-9][0-9]*|\\frac.*", r) else None,
        right=False,
    ),
    "fraction upside down": Form(_if(FRACTION, lambda m: rf"{m[1]}\frac{{{m[3]}}}{{{m[2]}}}"), right=False),
    "pair swapped": Form(
        _if(PAIR, lambda m: f"({m[2].strip()},{m[1]})" if m[1].strip() != m[2].strip() else "(0,0,0)"), right=False
    ),
    "one more listed": Form(_if(INTEGER, lambda m: f"{m[0]}, {int(m[0]) + 1}"), right=False),
    "one left out": Form(_if(LIST, lambda m: m[1]), right=False),
    "other bracket": Form(_if(PAIR, lambda m: f"[{m[1]},{m[2]})"), right=False),
    "other word": Form(_if(WORD, lambda m: r"\text{Pineapple}"), right=False),
    "squared": Form(lambda r: f"({r})^2" if re.fullmatch(r"[2-9][0-9]*", r) else None, right=False),
    "two digits apart": Form(
        _if(re.compile(r"([0-9])([0-9])"), lambda m: f"{m[1]} {m[2]}"),
        right=False,
        hendrycks="1 2 is not 12",
        prm800k="1 2 is not 12",
    ),
}


@cache
def _answers() -> list[str]:
    lines = (DATA / "math" / "math500.jsonl").read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(json.loads(line)["answer"] for line in lines))


def _pairs(form: Form) -> list[tuple[str, str]]:
    written = ((form.write(reference), reference) for reference in _answers())
    return [(answer, reference) for answer, reference in written if answer is not None][:PER_FORM]


@pytest.mark.parametrize("name", FORMS)
def test_equivalence_beside_the_references(name: str):
    """Each form is judged as a careful person does, and as both references do but where a reason says why not."""
    form = FORMS[name]
    pairs = _pairs(form)
    assert pairs
    for answer, reference in pairs:
        verdict = expression.compare(answer, reference, timeout_s=30)
        assert (verdict is Verdict.CORRECT) is form.right, (answer, reference, verdict)
    for equal, reason in ((hendrycks_equal, form.hendrycks), (prm800k_equal, form.prm800k)):
        differing = [pair for pair in pairs if equal(*pair) is not form.right]
        assert bool(differing) is bool(reason), (equal.__name__, reason, differing[:3])


@pytest.mark.parametrize("written", ["${}$", "{}"])
def test_every_answer_is_read_in_minervas_form(written: str):
    """The form that Minerva's prompt asks for (Lewkowycz et al. 2022, arXiv:2206.14858, appendix D) is read, all 500."""
    for reference in _answers():
        said = f"So be it. Final Answer: The final answer is {written.format(reference)}. I hope it is correct."
        found = expression.read(said).answer
        assert found is not None
        assert expression.canonical(found) == expression.canonical(reference)


def test_there_are_enough_pairs():
    """The golden set holds at least 300 pairs."""
    assert sum(len(_pairs(form)) for form in FORMS.values()) >= 300


def test_different_real_answers_are_different():
    """Of 100 pairs of real answers that stand next to each other, both references and ours find the same ones equal."""
    answers = _answers()[:101]
    for answer, reference in pairwise(answers):
        ours = expression.compare(answer, reference, timeout_s=30) is Verdict.CORRECT
        assert ours is hendrycks_equal(answer, reference) is prm800k_equal(answer, reference), (answer, reference)

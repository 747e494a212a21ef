"""Our reading of GSM8K completions beside what lm-evaluation-harness publishes in its `gsm8k.yaml`, on real rows."""

import json
import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from selfimprove.answers import gsm8k
from selfimprove.records import Verdict

DATA = Path(
    os.environ.get("SELFIMPROVE_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
).resolve()
pytestmark = pytest.mark.skipif(not (DATA / "gsm8k").is_dir(), reason="no GSM8K rows: set SELFIMPROVE_DATA")
ROWS = 60

# The harness's two filters and what its exact_match leaves out, written anew from its published configuration.
STRICT = r"#### (\-?[0-9\.\,]+)"
FLEXIBLE = r"(-?[$0-9.,]{2,})|(-?[0-9]+)"
IGNORED = (",", r"\$", r"(?s).*#### ", r"\.$")


def oracle_strict(text: str) -> str | None:
    """First match of the strict filter."""
    found = re.findall(STRICT, text)
    return found[0] if found else None


def oracle_flexible(text: str) -> str | None:
    """Last match of the flexible filter."""
    found = ["".join(groups) for groups in re.findall(FLEXIBLE, text)]
    return found[-1] if found else None


def oracle_correct(extracted: str | None, target: str) -> bool:
    """Equal strings once what is ignored is out."""
    if extracted is None:
        return False
    sides = [extracted.strip(), target]
    for pattern in IGNORED:
        sides = [re.sub(pattern, "", side) for side in sides]
    return sides[0].lower() == sides[1].lower()


class Form(NamedTuple):
    """A way to end a completion, and how often the readings differ from the harness's, with the reason."""

    write: Callable[[str, str, str], str]
    """From the worked steps, the right number and a wrong one."""
    strict: str = ""
    """Why ours is right where the strict verdicts differ; empty: they must not differ."""
    lenient: str = ""


AGREED = {
    "the row itself": Form(lambda s, n, w: f"{s}\n#### {n}"),
    "wrong": Form(lambda s, n, w: f"{s}\n#### {w}"),
    "final period": Form(lambda s, n, w: f"{s}\n#### {n}."),
    "answer is": Form(lambda s, n, w: f"{s}\nThe answer is {n}."),
    "dollars": Form(lambda s, n, w: f"{s}\nThe answer is ${n}."),
    "strict dollars": Form(lambda s, n, w: f"{s}\n#### ${n}"),
    "no space": Form(lambda s, n, w: f"{s}\n####{n}"),
    "no number": Form(lambda s, n, w: "I cannot tell."),
    "units": Form(lambda s, n, w: f"{s}\n#### {n} dollars"),
    "grouped": Form(lambda s, n, w: f"{s}\n#### {int(n):,}"),
    "runs on": Form(
        lambda s, n, w: f"{s}\n#### {n}\n\nQuestion: What is 1 + 1?\nAnswer: 1 + 1 = {w}\n#### {w}",
        lenient="the next question's answer is not this one's",
    ),
    "changed mind, strictly": Form(
        lambda s, n, w: f"{s}\n#### {w}\nNo, that was too fast.\n#### {n}",
        lenient="the harness takes the line it keeps to, not the last number",
    ),
    "equation": Form(lambda s, n, w: f"{s}\nSo 0 + {n} = {n}"),
    "negative": Form(lambda s, n, w: f"{s}\n#### -{n}"),
}
DIFFERING = {
    "cents": Form(lambda s, n, w: f"{s}\n#### {n}.00", "18.00 is 18", "18.00 is 18"),
    "says more": Form(lambda s, n, w: f"{s}\n#### {n}\nThat took {w} steps.", lenient="the line was given already"),
    "denied": Form(lambda s, n, w: f"It is certainly not {n}", lenient="it is ruled out, not given"),
    "two to choose from": Form(lambda s, n, w: f"{s}\n#### {n} or {w}", "nothing is chosen", "nothing is chosen"),
    "a list": Form(lambda s, n, w: f"{s}\n#### {n}, {w}, 77777", "nothing is chosen", ""),
    "all lines": Form(lambda s, n, w: f"#### {n}\n#### {w}\n#### 77777", "nothing is chosen"),
    "fraction": Form(lambda s, n, w: f"{s}\n#### {n}/9777", "a fraction of it", ""),
    "power": Form(lambda s, n, w: f"{s}\n#### {n}^33", "its tenth power", ""),
    "equation on the line": Form(lambda s, n, w: f"{s}\n#### {w} + 0 = {n}", "what is worked out counts", ""),
    "minus sign": Form(lambda s, n, w: f"{s}\n#### −{n}", "", "a typographic minus is a minus"),  # noqa: RUF001
    "wide digits": Form(lambda s, n, w: f"{s}\n#### {_wide(n)}", "a reader sees the number", "a reader sees it"),
    "dots": Form(lambda s, n, w: f"so it is {n} ...", lenient="dots are no number"),
    "hidden sign": Form(lambda s, n, w: f"#### {n[0]}\u200b{n[1:]}", "a reader sees one number", "the same"),
}


def _wide(number: str) -> str:
    return "".join(chr(ord(digit) + 0xFEE0) for digit in number)


@cache
def _rows() -> list[tuple[str, str, str]]:
    """Worked steps, the final number plainly, and the target as the file has it."""
    lines = (DATA / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines[: ROWS * 2]:
        target = json.loads(line)["answer"]
        steps, _, number = target.rpartition("\n#### ")
        if re.fullmatch(r"[0-9,]+", number):
            found.append((steps, number.replace(",", ""), target))
    return found[:ROWS]


class Pair(NamedTuple):
    text: str
    ours: tuple[bool, bool]
    theirs: tuple[bool, bool]


def _pairs(form: Form) -> Iterator[Pair]:
    for steps, number, target in _rows():
        text = form.write(steps, number, str(int(number) + 13))
        parsed = gsm8k.read(text)
        ours = [
            found is not None and gsm8k.compare(found, number) is Verdict.CORRECT
            for found in (parsed.strict, parsed.answer)
        ]
        theirs = [oracle_correct(read(text), target) for read in (oracle_strict, oracle_flexible)]
        yield Pair(text, (ours[0], ours[1]), (theirs[0], theirs[1]))


@pytest.mark.parametrize("name", [*AGREED, *DIFFERING])
def test_readings_beside_the_harness(name: str):
    """On 60 rows a form, strict and lenient verdicts are the harness's, but for the differences with a reason."""
    form = (AGREED | DIFFERING)[name]
    pairs = list(_pairs(form))
    assert len(pairs) == ROWS
    for column, reason in enumerate((form.strict, form.lenient)):
        differing = [pair for pair in pairs if pair.ours[column] != pair.theirs[column]]
        if not reason:
            assert not differing, differing[0]
    if name in DIFFERING:
        assert any(pair.ours != pair.theirs for pair in pairs), "no difference any more: move it to AGREED"


def test_every_real_row_is_read_as_the_harness_reads_it():
    """All 1,319 test rows: both readings are correct, as the harness finds them."""
    for line in (DATA / "gsm8k" / "test.jsonl").read_text(encoding="utf-8").splitlines():
        target = json.loads(line)["answer"]
        parsed = gsm8k.read(target)
        assert oracle_correct(oracle_strict(target), target)
        assert oracle_correct(oracle_flexible(target), target)
        reference = target.rpartition("#### ")[2]
        assert parsed.strict is not None
        assert parsed.answer == parsed.strict
        assert gsm8k.compare(parsed.strict, reference) is Verdict.CORRECT

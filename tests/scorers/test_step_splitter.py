from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfimprove.scorers.steps import JOINED_BY, split_steps
from selfimprove.tasks.arithmetic import Arithmetic

DATA = Path(os.environ.get("SELFIMPROVE_DATA", "missing"))


def rows(name: str, every: int = 1) -> list[dict[str, Any]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is missing; set SELFIMPROVE_DATA")
    text = path.read_text("utf-8")
    found = json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
    return found[::every]


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_arithmetic_rationales_are_their_lines() -> None:
    """A worked solution of the arithmetic task has one step an equation, and the answer line."""
    task = Arithmetic(sizes={"train": 200})
    for problem in task.problems("train"):
        steps = [*problem.rationale.splitlines(), f"Answer: {problem.answer}"]
        assert split_steps(task.conclude(problem.rationale, problem.answer)) == steps
        assert split_steps(JOINED_BY.join(steps)) == steps


def test_gsm8k_answers_are_their_lines() -> None:
    """At least 99.5 % of GSM8K's worked answers split into exactly their lines."""
    found = rows("gsm8k/train.jsonl")
    same = [split_steps(r["answer"]) == [x.strip() for x in r["answer"].split("\n") if x.strip()] for r in found]
    assert sum(same) / len(same) >= 0.995


def test_displays_of_math_solutions_stay_whole() -> None:
    """No displayed formula, environment or figure of 7,500 MATH solutions is torn, and nothing is lost."""
    for row in rows("math/train.jsonl"):
        steps = split_steps(row["solution"])
        assert bare("".join(steps)) == bare(row["solution"])
        for step in steps:
            assert len(re.findall(r"(?<!\\)\\\[", step)) == len(re.findall(r"(?<!\\)\\\]", step)), step
            assert step.count("\\begin{") == step.count("\\end{"), step
            assert step.count("[asy]") == step.count("[/asy]"), step


@pytest.mark.parametrize(("name", "share"), [("gsm8k", 0.96), ("math", 0.88)])
def test_boundaries_agree_with_processbench(name: str, share: float) -> None:
    """Most boundaries of ProcessBench's steps are ours and most of ours are theirs."""
    both = theirs = ours = 0
    for row in rows(f"processbench/{name}.json"):
        ends = [set(), set()]
        for place, steps in enumerate((row["steps"], split_steps("\n\n".join(row["steps"])))):
            length = 0
            for step in steps:
                length += len(bare(step))
                ends[place].add(length)
        both, theirs, ours = both + len(ends[0] & ends[1]), theirs + len(ends[0]), ours + len(ends[1])
    assert both / theirs > share
    assert both / ours > share


def test_numbered_steps_keep_their_lines() -> None:
    """A numbered step holds its further lines and formulas; what comes before and after stands alone."""
    text = (
        "Let us see.\n\n1. **Eggs left**:\n   16 - 7 = 9\n\n   \\[ 16 - 7 = 9 \\]\n\n"
        "2. Money: 9 * 2 = 18\n\nTherefore the answer is 18."
    )
    steps = split_steps(text)
    assert [step[:10] for step in steps] == ["Let us see", "1. **Eggs ", "2. Money: ", "Therefore "]
    assert "\\]" in steps[1]


def test_step_marks_count_as_numbers() -> None:
    """`Step 1:` marks begin steps, also as headings."""
    assert split_steps("Step 1: 1 + 1 = 2\nso two.\nStep 2: 2 + 2 = 4") == [
        "Step 1: 1 + 1 = 2\nso two.",
        "Step 2: 2 + 2 = 4",
    ]
    assert len(split_steps("### Step 1: Add\n1 + 1 = 2\n\n### Step 2: Double\n2 * 2 = 4")) == 2


def test_a_decimal_is_no_number_of_a_step() -> None:
    """Lines that begin with a decimal or a sum are lines, not numbered steps."""
    assert split_steps("1.5 + 2 = 3.5\n2.5 + 1 = 3.5") == ["1.5 + 2 = 3.5", "2.5 + 1 = 3.5"]


def test_bullets_and_displays_belong_to_what_introduces_them() -> None:
    """A list or formula after a colon is part of that step, across a blank line too."""
    text = "Ann has:\n\n- 2 apples\n- 3 pears\n\nTogether:\n\n\\[ 2 + 3\n\n= 5 \\]\n\nSo 5."
    assert split_steps(text) == ["Ann has:\n\n- 2 apples\n- 3 pears", "Together:\n\n\\[ 2 + 3\n\n= 5 \\]", "So 5."]


def test_row_breaks_in_formulas_open_nothing() -> None:
    r"""The `\\[4pt]` of an array is no display, so what follows is split as ever."""
    text = "\\begin{align}a &= b \\\\[4pt]\n&= c\\end{align}\nSo c.\nDone."
    assert split_steps(text)[1:] == ["So c.", "Done."]


def test_one_line_is_split_at_sentences() -> None:
    """Sentences of one line are steps; abbreviations, decimals and formulas do not end one."""
    text = "Mr. Lee pays $3.50 vs. Ann's $2. He has $x. Y$ left! \\(a. B\\) is 4. Is it so? Yes."
    assert split_steps(text) == [
        "Mr. Lee pays $3.50 vs. Ann's $2.",
        "He has $x. Y$ left!",
        "\\(a. B\\) is 4.",
        "Is it so?",
        "Yes.",
    ]


def test_a_truncated_display_is_one_step() -> None:
    """A formula that was cut off does not fall apart."""
    assert split_steps("So:\n\\[ a\n= b\n\nc") == ["So:\n\\[ a\n= b\n\nc"]


def test_nothing_gives_nothing() -> None:
    """An empty text has no steps."""
    assert split_steps("") == split_steps(" \n\n ") == []


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="aB1.2: \n$\\[]-(){}begin*`", max_size=120))
def test_only_space_between_steps_is_lost(text: str) -> None:
    """Whatever the text, its steps hold all of it, in order, and none is empty."""
    steps = split_steps(text)
    assert bare("".join(steps)) == bare(text)
    assert all(steps)

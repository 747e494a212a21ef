"""The problems of a reply, however their marks are written."""

from __future__ import annotations

import pytest

from selfimprove.programs.written import Written, read_problems

TWO = [Written("Ann has 3.", (), "3"), Written("And 4?", (), "4")]


@pytest.mark.parametrize(
    "mark",
    [
        "Problem {}: ",
        "Problem {}. ",
        "Problem {}) ",
        "Problem {}.\n",
        "Problem {}\n",
        "### Problem {}\n",
        "### Problem {} ###\n",
        "**Problem {}** ",
        "**Problem {}.** ",
        "**Problem {}**\n\n",
    ],
)
def test_every_mark_of_a_problem_is_read(mark: str) -> None:
    """With a colon, a point, a bracket, as a heading or in bold."""
    text = f"Sure!\n\n{mark.format(1)}Ann has 3.\nAnswer: 3\n\n{mark.format(2)}And 4?\n**Answer:** 4"
    assert read_problems(text, choices=False) == TWO


@pytest.mark.parametrize(
    "text", ["What is problem 12?", "Problem 1.5 of the list is hard?", "Problem 3 took Ann an hour?"]
)
def test_words_in_a_question_are_no_mark(text: str) -> None:
    """A number that goes on, or a sentence about a problem, begins none."""
    assert read_problems(f"Problem: How long?\n{text}\nAnswer: 3", choices=False) == [
        Written(f"How long?\n{text}", (), "3")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "1. Ann has 3.\nAnswer: 3\n\n2. And 4?\nAnswer: 4",
        "Problem: Ann has 3.\nAnswer: 3\n\nQuestion: And 4?\nAnswer: 4",
        "Ann has 3.\n**Answer** 3\n\nAnd 4?\nAnswer: 4",
        "Ann has 3.\nAnswer 1. 3\nAnd 4?\nAnswer 2. 4",
    ],
)
def test_block_with_several_answers_is_nothing(text: str) -> None:
    """It is not told which question is whose, so none of it becomes a problem."""
    assert read_problems(text, choices=False) == []


@pytest.mark.parametrize(
    "after",
    ["", "\n\nI hope this helps! Ask for more.", "\n \nLet me know.", "\r\n\r\nBye.", "\n---\nThat is all.", "\n\n---"],
)
def test_closing_remarks_are_no_part_of_the_last_answer(after: str) -> None:
    """It ends at the first empty line, or at a rule; it may begin on the line under its mark."""
    assert read_problems(f"Problem: Ann has 3?\nAnswer: 5{after}", choices=False)[0].answer == "5"
    assert read_problems(f"Problem: Ann has 3?\nAnswer:\n\n5{after}", choices=False)[0].answer == "5"


def test_answer_of_several_lines_stays_whole() -> None:
    """All lines of its first paragraph."""
    text = "Problem: Sort: pear, fig.\nAnswer: fig\npear\n\nThese are sorted."
    assert read_problems(text, choices=False)[0].answer == "fig\npear"

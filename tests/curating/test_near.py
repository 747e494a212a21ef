from __future__ import annotations

from collections.abc import Sequence

import pytest

from selfimprove.curating.near import HELD_OUT, Seen
from selfimprove.errors import InputError
from selfimprove.records import Problem

STORY = (
    "On Monday Ann went to the market and bought 12 red apples and 3 pears for her aunt. How many apples had she then?"
)


def problem(text: str, *choices: str) -> Problem:
    return Problem.of(text, "A", choices=choices)


def how(seen: Seen, *texts: str) -> list[str | None]:
    return [match.how if match else None for match in seen.screen([(problem(text), "leaf") for text in texts])]


def test_same_text_is_a_duplicate_whatever_its_signs_and_capitals() -> None:
    """Case, spaces, punctuation and the order of options make no new problem."""
    seen = Seen()
    seen.add([(problem(STORY), "leaf"), (problem("Which is even?", "1", "2", "3"), "leaf")])
    assert how(seen, STORY.upper().replace(",", "")) == ["duplicate"]
    assert seen.screen([(problem("which is even", "3", "2", "1"), "other")])[0].how == "duplicate"


def test_reworded_text_is_a_near_duplicate() -> None:
    """A few other words are not enough."""
    seen = Seen()
    seen.add([(problem(STORY), "leaf")])
    assert how(seen, f"{STORY} Thank you.", STORY.replace("red", "green")) == ["near duplicate", "near duplicate"]
    assert how(seen, "Ben sold 12 pears. How many are left of 40?") == [None]


@pytest.mark.parametrize(("allowed", "found"), [(True, None), (False, "numbers only")])
def test_other_numbers_alone_are_allowed_or_refused(allowed: bool, found: str | None) -> None:  # noqa: FBT001 - pytest gives it
    """As the settings say."""
    seen = Seen(numbers_only=allowed)
    seen.add([(problem(STORY), "leaf")])
    assert how(seen, STORY.replace("12", "31")) == [found]


def test_template_of_a_sub_type_does_not_make_its_problems_alike() -> None:
    """What every second seed says is not looked at; what is left has to differ."""
    ask = "Your task is to sort these words in the order of the alphabet, from the first one to the last one: {}"
    lists = ["pear, fig, plum", "oak, elm, ash", "red, blue, tan", "cat, dog, hen"]
    seen = Seen()
    seen.learn("leaf", [problem(ask.format(words)) for words in lists])
    seen.add([(problem(ask.format(words)), "leaf") for words in lists])
    assert how(seen, ask.format("tea, milk, rum"), ask.format("pear, fig, plum")) == [None, "duplicate"]


FRAME = "Read the short story below with care and then work out the question at its end. {} How many are there in all?"


def stories(count: int, begin: int) -> list[Problem]:
    """Give stories in one frame, of numbers and things that differ."""
    names = ["Ann", "Bob", "Cleo", "Dan", "Eve", "Fay", "Gus"]
    things = ["apples", "pears", "plums", "cakes", "books", "pens", "cups", "hats"]
    told = "{} has {} {} and buys {} {}."
    return [
        problem(FRAME.format(told.format(names[n % 7], 3 * n + 5, things[n % 8], 5 * n + 7, things[n % 5])))
        for n in range(begin, begin + count)
    ]


def learned(seen: Seen, *leaves: str) -> None:
    for leaf in leaves:
        seen.learn(leaf, stories(10, 500) if leaf == "stories" else [])


@pytest.mark.parametrize("first", ["templates", "held out"])
@pytest.mark.parametrize("leaf", ["stories", "other"])
def test_reworded_held_out_problem_is_found_whatever_its_sub_type(first: str, leaf: str) -> None:
    """The template of the sub-type hides none, whether it is learned before or after what is held out is known."""
    seen, held = Seen(), stories(40, 0)
    if first == "templates":
        learned(seen, "stories", "other")
    seen.add([(one, HELD_OUT) for one in held])
    if first == "held out":
        seen.screen([(held[0], leaf)])
        learned(seen, "stories", "other")
    found = seen.screen([(problem(one.question.replace("has", "had")), leaf) for one in held])
    assert sum(match is not None for match in found) >= 38


def test_new_problem_in_the_frame_of_held_out_ones_passes() -> None:
    """What they share with it is the template alone."""
    seen = Seen()
    learned(seen, "stories")
    seen.add([(one, HELD_OUT) for one in stories(40, 0)])
    new = FRAME.format("A baker made 90 rolls by noon and sold all but a third before his shop shut.")
    assert seen.screen([(problem(new), "stories")]) == [None]


def test_screening_takes_nothing_in_but_compares_within() -> None:
    """The second of two equal ones is refused, and afterwards both are unknown."""
    seen = Seen()
    seen.add([(problem("What is 3 + 4?"), "leaf")])
    assert how(seen, STORY, STORY) == [None, "duplicate"]
    assert how(seen, STORY) == [None]
    assert len(seen) == 1


def test_meaning_is_compared_where_an_embedding_is_given() -> None:
    """Vectors that point the same way are near duplicates."""
    seen = Seen(embed=lambda texts: [[1.0, 0.0] if "apple" in text else [0.0, 1.0] for text in texts])
    seen.add([(problem("How many apples has Ann?"), "leaf")])
    assert how(seen, "Count the apples in the basket of Tom.", "Which day comes next?") == ["near duplicate", None]


def test_meaning_is_compared_with_what_is_held_out_in_every_sub_type() -> None:
    """Two of different sub-types are not compared."""
    seen = Seen(embed=lambda texts: [[1.0, 0.0] if "apple" in text else [0.0, 1.0] for text in texts])
    seen.add([(problem("How many apples has Ann?"), HELD_OUT), (problem("Which day is it?"), "other")])
    assert how(seen, "Count the apples in the basket of Tom.", "Name the month of May.") == ["near duplicate", None]


def test_embedding_of_another_shape_is_refused() -> None:
    """One sentence, with the shape."""

    def embed(texts: Sequence[str]) -> list[list[float]]:
        return [[1.0]]

    with pytest.raises(InputError, match=r"shape \(1, 1\) for 2 texts"):
        Seen(embed=embed).add([(problem("a b c"), "leaf"), (problem("d e f"), "leaf")])

import pytest

from selfimprove.answers import marks


@pytest.mark.parametrize(
    ("written", "bare"),
    [
        ("**$18$.**", "18"),
        (r"\(18\)", "18"),
        ("$$x^2$$", "x^2"),
        (r"$\$18$", r"\$18"),
        ("$5$, since $2+3=5$", "$5$, since $2+3=5$"),
        (r"\(5\), since \(2+3=5\)", r"\(5\), since \(2+3=5\)"),
        (r"\[5\] or \[6\]", r"\[5\] or \[6\]"),
        ("$$5$$ or $$6$$", "$$5$$ or $$6$$"),
        ("$", "$"),
    ],
)
def test_only_pairs_are_taken_off(written: str, bare: str):
    """What begins one formula and what ends another are no pair."""
    assert marks.tidy(written) == bare


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        ("The right choice is to buy 3 packs. In total she has 18 eggs.", []),
        ("The best option is Paris. The answer is Rome.", ["Rome"]),
        ("The best choice is A good one. The answer is B", ["B"]),
        ("The right choice is to buy 3 packs.", []),
        ("The best choice is I think unclear. The answer is B", ["B"]),
        ("The correct option is (C)", ["(C)"]),
        ("The correct option is B because it fits.", ["B because it fits"]),
        ("The correct option is A and not B.\nIt fits.", ["A and not B"]),
        ("The correct option is $B$.\nIt fits.", ["B"]),
        ("The correct option is “B”.\nIt fits.", ["B"]),
        ("The correct choice is option B.\nIt fits.", ["option B"]),
    ],
)
def test_an_option_is_a_letter(said: str, answers: list[str]):
    """What is the best thing to do is no answer."""
    assert marks.stated(said) == answers


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("Answer: 3\nSo far.", "3"),
        ("Answer: 3\nSo the answer is 3.", "3"),
        ("Answer: 3\nSo the answer is 4.", None),
        ("Answer: 3\nSo the answer is\n", "3"),
        ("Answer: 3\nWait, Answer: 4\nAnswer: ", None),
        ("So the answer is 3.", None),
    ],
)
def test_a_line_counts_until_a_mark_says_another_thing(said: str, line: str | None):
    assert marks.labelled(said, str) == line


@pytest.mark.parametrize("closing", ["", "\nI hope this helps!"])
@pytest.mark.parametrize("option", ["Paris", "J. K. Rowling", "12 apples", "St. Louis"])
def test_the_text_of_an_option_is_an_answer_at_the_end(option: str, closing: str):
    """Before other text it may be said of anything."""
    assert marks.stated(f"The capital? The correct option is {option}.{closing}") == [option]
    assert marks.stated(f"The best option is {option}. The answer is Rome.") == ["Rome"]


@pytest.mark.parametrize(
    "name",
    [
        "Sen. Barack Obama",
        "Kill Bill: Vol. II",
        "Warner Bros. Pictures",
        "Yahoo! Inc. of California",
        "Univ. of Oxford",
    ],
)
def test_a_name_goes_on_behind_what_is_short_in_it(name: str):
    assert marks.sentence(f"{name}. I hope this helps!") == name


@pytest.mark.parametrize("name", ["Warner Bros", "Washington Univ", "Apple Inc", "vitamin C", "Kill Bill: Vol. I"])
@pytest.mark.parametrize("next_one", ["I hope this helps!", "It is well known.", "Let me know."])
def test_a_name_ends_where_a_sentence_begins(name: str, next_one: str):
    assert marks.sentence(f"{name}. {next_one}") == name


def test_a_name_may_hold_a_word_that_begins_sentences():
    assert marks.sentence("Mt. Hope. I hope this helps!") == "Mt. Hope"

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
        ("The correct option is (C)", ["(C)"]),
    ],
)
def test_an_option_is_a_letter(said: str, answers: list[str]):
    """What is the best thing to do is no answer."""
    assert marks.stated(said) == answers


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

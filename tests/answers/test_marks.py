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

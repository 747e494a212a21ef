from __future__ import annotations

from selfimprove.steps.probe import SHARE, judge, not_probed, rows_each


def results(**solved: int) -> dict[str, dict[str, list[bool]]]:
    """Give each policy's outcomes on 200 problems: the first so many are solved."""
    return {name: {f"{at:03d}": [at < count] for at in range(200)} for name, count in solved.items()}


def trained(*names: str) -> dict[str, tuple[int, int]]:
    return dict.fromkeys(names, (25, 900))


def test_probe_takes_what_is_clearly_better() -> None:
    """A policy that solves far more than the default is taken, and the sentence says by how much."""
    made = judge(
        results(failures=40, random=44, band=80), trained("failures", "random", "band"), groups={}, budget_rows=2100
    )
    assert (made.policy, made.default) == ("band", "failures")
    assert made.sentence.startswith("band is taken: +20.0 points over failures on 200 probe problems")
    assert [c.correct for c in made.candidates] == [40, 44, 80]
    assert made.candidates[0].comparison is None


def test_probe_within_noise_takes_the_default_and_says_so() -> None:
    """A few more solved problems are noise: the default stays, and the sentence says that nothing was shown."""
    made = judge(
        results(failures=40, random=42, band=41), trained("failures", "random", "band"), groups={}, budget_rows=2100
    )
    assert made.policy == "failures"
    assert "equal within noise on 200 probe problems (failures 40, random 42, band 41; p <= 0.025 was needed)" in (
        made.sentence
    )


def test_variants_of_one_problem_are_no_independent_evidence() -> None:
    """Ten problems gained of one group are one gain, which chance gives; of ten groups they are ten."""
    made = results(a=40, b=50)
    apart = {problem: problem for problem in made["a"]}
    together = {problem: str(int(problem) // 10) for problem in apart}
    alone, belong = (judge(made, trained("a", "b"), groups=each, budget_rows=2100) for each in (apart, together))
    assert (alone.policy, belong.policy) == ("b", "a")
    assert "equal within noise on 200 probe problems of 20 groups" in belong.sentence


def test_more_candidates_need_more_evidence() -> None:
    """The chance of any false choice is shared over the comparisons: what is enough for one is not for nine."""
    few = judge(results(a=40, b=44), trained("a", "b"), groups={}, budget_rows=2100)
    many = {"a": 40, "b": 44, **{f"c{n}": 40 for n in range(8)}}
    crowded = judge(results(**many), trained(*many), groups={}, budget_rows=9999)
    assert (few.policy, crowded.policy) == ("b", "a")


def test_worse_policies_are_never_taken() -> None:
    """Being clearly different is not being better."""
    assert judge(results(a=90, b=20), trained("a", "b"), groups={}, budget_rows=2100).policy == "a"


def test_probe_stays_within_its_share() -> None:
    """All candidates together get at most one row in twenty, or none where that is too few to try."""
    for budget in range(100, 5000, 37):
        for candidates in (2, 4, 8):
            each = rows_each(budget, candidates)
            assert each * candidates <= SHARE * budget
            assert each == 0 or each >= 8


def test_too_small_a_budget_is_said_with_what_would_do() -> None:
    """Nothing tried is no result: the sentence names the rows there are and those that it takes."""
    made = not_probed("failures", 4, 400)
    assert made.policy == "failures"
    assert (
        "5\N{NO-BREAK SPACE}% of 400 rows are too few to try 4 policies on; from 640 rows on they are tried"
        in made.sentence
    )
    assert rows_each(640, 4) == 8
    assert rows_each(639, 4) == 0

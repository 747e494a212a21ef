from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest

from selfimprove.records import Attempt, Completion, Problem, Verdict, Watched
from selfimprove.stats import bootstrap_means, compare_means, compare_paired, mcnemar_mid_p, sign_flip_p
from selfimprove.steps.decide import decide
from selfimprove.steps.evaluate import compare, grouped, score, sum_samples
from selfimprove.steps.watch import watch_breadth, watch_labels, watch_solved, watch_task, watch_text
from selfimprove.tasks.arithmetic import Arithmetic


def attempts(right: Sequence[Sequence[bool]]) -> list[Attempt]:
    """Give attempts at problems p0, p1, ..., shape `[P][K]`."""
    return [
        Attempt(
            problem=f"p{at}",
            completion=Completion(text="", sample=sample),
            answer="1" if one else "2",
            verdict=Verdict.CORRECT if one else Verdict.WRONG,
            strict=Verdict.WRONG,
        )
        for at, some in enumerate(right)
        for sample, one in enumerate(some)
    ]


def problems(kinds: Sequence[str]) -> list[Problem]:
    return [Problem(id=f"p{at}", question=f"q{at}", answer="1", labels={"kind": kind}) for at, kind in enumerate(kinds)]


def test_gain_in_one_kind_does_not_hide_a_loss_in_another() -> None:
    """Accuracy rises over all, one kind of problem is forgotten, and that kind is named."""
    kinds = ["sum"] * 60 + ["story"] * 40
    old = attempts([[False]] * 60 + [[True]] * 30 + [[False]] * 10)
    new = attempts([[True]] * 60 + [[False]] * 40)
    found = {each.name: each for each in watch_labels(new, old, problems(kinds), 0.05)}
    assert compare(new, old).difference > 0.2
    assert (found["kind sum"].fell, found["kind story"].fell) == (False, True)
    assert (found["kind story"].before, found["kind story"].after) == (0.75, 0.0)


def test_small_loss_in_one_of_many_kinds_is_noise() -> None:
    """The level is shared by the groups: what would seem a fall alone does not among many."""
    kinds = [f"k{at // 10}" for at in range(200)]
    old = attempts([[at % 10 < 4] for at in range(200)])
    new = attempts([[at % 10 < (0 if at < 10 else 4)] for at in range(200)])
    found = watch_labels(new, old, problems(kinds), 0.05)
    assert found[0].p_worse <= 0.05
    assert not any(each.fell for each in found)


def test_narrowing_is_seen_where_the_mean_rises() -> None:
    """A student that is surer of fewer problems has a better mean and a worse pass@k."""
    old = attempts([[True, False, False, False]] * 80 + [[False] * 4] * 20)
    new = attempts([[True] * 4] * 40 + [[False] * 4] * 60)
    assert compare(new, old).difference == pytest.approx(0.2)
    found = watch_breadth(new, old, problems(["sum"] * 100), 0.05)
    assert (found.name, found.before, found.after, found.fell) == ("pass@4", 0.8, 0.4, True)


@pytest.mark.parametrize(("rise", "fell"), [(0.0, False), (0.09, False), (0.2, True)])
def test_loss_on_the_text_may_rise_a_little(*, rise: float, fell: bool) -> None:
    """A rise within what is let pass is none, however sure it is."""
    old = [3.0 + 0.01 * at for at in range(60)]
    new = [loss + rise + 0.001 * (at % 3) for at, loss in enumerate(old)]
    assert watch_text(new, old, 0.1, 0.05).fell is fell


def test_another_task_may_not_be_forgotten() -> None:
    """Losing what the base could is a fall; being as good is not."""
    base = {str(at): at < 60 for at in range(100)}
    assert not watch_task("mmlu", base, base, [], 0.05).fell
    assert watch_task("mmlu", {name: right and int(name) > 20 for name, right in base.items()}, base, [], 0.05).fell


def test_arm_that_lets_something_fall_is_held_and_says_what() -> None:
    """A significant gain is not promoted, and the sentence names what fell."""
    better = compare_paired([True] * 60 + [False] * 40, [False] * 60 + [False] * 40)
    fallen = Watched(name="pass@4", before=0.8, after=0.4, p_worse=0.001, fell=True)
    how = {"round_": 1, "arm": "a", "alpha": 0.02, "min_gain": 0.0, "adapter": "new", "best": "old"}
    made = decide(better, watched=[fallen], **how)  # type: ignore[arg-type]
    assert (made.outcome, made.adapter) == ("hold", "old")
    assert "but pass@4 fell from 80.0 to 40.0 %" in made.sentence
    stands = fallen.model_copy(update={"fell": False})
    assert decide(better, watched=[stands], **how).outcome == "promote"  # type: ignore[arg-type]


def test_samples_of_a_problem_are_one_score() -> None:
    """Eight samples of a problem do not count as eight problems: the interval is as wide as for their means."""
    old, new = [[False] * 8] * 50 + [[True] * 8] * 50, [[True] * 8] * 10 + [[False] * 8] * 40 + [[True] * 8] * 50
    made = compare(attempts(new), attempts(old))
    single = compare(attempts([some[:1] for some in new]), attempts([some[:1] for some in old]))
    assert (made.n, made.test, single.test) == (100, "paired sign flips", "mid-p McNemar")
    assert made.difference == single.difference == pytest.approx(0.1)
    assert made.interval.high - made.interval.low == pytest.approx(single.interval.high - single.interval.low, abs=0.02)


def test_bootstrap_draws_problems_as_index_by_index_does() -> None:
    """Drawing equal differences together gives the spread that drawing problems one at a time gives."""
    import numpy as np

    rng = np.random.default_rng(3)
    differences = rng.choice([-0.5, 0.0, 0.5, 1.0], size=150, p=[0.1, 0.6, 0.2, 0.1])
    one_by_one = differences[rng.integers(0, 150, size=(20_000, 150))].mean(axis=1)
    together = bootstrap_means(list(differences), 20_000)
    at = (0.01, 0.05, 0.5, 0.95, 0.99)
    assert np.quantile(together, at) == pytest.approx(np.quantile(one_by_one, at), abs=0.006)


@pytest.mark.parametrize(("gained", "lost"), [(4, 0), (12, 3), (60, 41)])
def test_sign_flips_of_single_answers_are_mcnemars_test(gained: int, lost: int) -> None:
    """For single answers the randomisation test is mid-p McNemar, also where few problems change."""
    differences = [1.0] * gained + [-1.0] * lost + [0.0] * 300
    assert sign_flip_p(differences, 400_000) == pytest.approx(mcnemar_mid_p(gained, lost), rel=0.1)


@pytest.mark.parametrize("samples", [2, 3, 6, 7, 9, 11])
def test_sign_flips_do_not_depend_on_how_many_samples_a_mean_is_of(samples: int) -> None:
    single = [1.0] * 60 + [-1.0] * 40 + [2.0] * 10 + [-2.0] * 10 + [0.0] * 280

    assert sign_flip_p([d / samples for d in single]) == sign_flip_p(single)


def test_no_difference_is_no_gain() -> None:
    """Equal scores have p-values of one half on both sides, as mid-p McNemar has."""
    made = compare_means([0.5, 0.25] * 20, [0.5, 0.25] * 20)
    assert (made.difference, made.p_better, made.p_worse) == pytest.approx((0.0, 0.5, 0.5), abs=1e-4)


def test_several_samples_are_summed_up() -> None:
    """Mean, pass@k and the share of problems whose samples agree are told, an unread one agreeing with none."""
    task = Arithmetic(sizes={"train": 1, "dev": 1, "test": 1})
    made = [attempts([some]) for some in ([True, True], [True, False], [False, False], [False, False])]
    made[3][1] = made[3][1].model_copy(update={"verdict": Verdict.TRUNCATED, "answer": None})
    found = sum_samples(made, problems(["sum"] * 4), task)
    assert (found.samples, found.accuracy, found.pass_at_k, found.consistency) == (2, 0.375, 0.5, 0.5)
    assert 0 <= found.interval.low < 0.375 < found.interval.high <= 1


@pytest.mark.parametrize(("lost", "fell"), [(0, False), (6, False), (24, True)])
def test_problems_solved_before_may_be_lost_in_part(lost: int, fell: bool) -> None:  # noqa: FBT001 - pytest gives it
    """Of a hundred a few may go, as five in a hundred are let pass; a quarter may not."""
    old = {f"p{at}": 1.0 for at in range(100)}
    found = watch_solved({i: 0.0 if at < lost else 1.0 for at, i in enumerate(old)}, old, [], 0.05, 0.05)
    assert (found.before, found.after, found.fell) == (1.0, 1 - lost / 100, fell)


def test_students_that_do_not_differ_seldom_seem_to_fall() -> None:
    """At no fall let pass, the level is kept: some of two hundred pairs of equally able students, not many."""
    rng, fell = Random(3), 0
    for _ in range(200):
        rates = [rng.betavariate(5, 1) for _ in range(60)]
        new, old = (
            {f"p{at}": sum(rng.random() < rate for _ in range(2)) / 2 for at, rate in enumerate(rates)} for _ in "no"
        )
        fell += watch_solved(new, old, [], 0.0, 0.05).fell
    assert 1 <= fell <= 20


@pytest.mark.parametrize(("samples", "by_group"), [(1, True), (3, True), (1, False)])
def test_problems_that_belong_together_are_one_draw(*, samples: int, by_group: bool) -> None:
    """Of equal students, each with luck of its own in each group of ten variants, one in twenty seems better.

    Counted as four hundred problems that stand alone, more than twice as many do.
    """
    rng, better = Random(5), 0
    some = [problem.model_copy(update={"group": str(at // 10)}) for at, problem in enumerate(problems(["sum"] * 400))]
    groups = grouped(some) if by_group else {}
    for _ in range(50):
        new, old = (student(rng, samples) for _ in "no")
        better += compare(new, old, groups=groups).p_better <= 0.05
    assert (better <= 6) is by_group
    assert compare(new, old, groups=groups).groups == (40 if by_group else 0)


def student(rng: Random, samples: int) -> list[Attempt]:
    """Give the attempts of a student that is good at some of forty groups of ten problems and bad at others."""
    luck = [rng.choice([0.2, 0.8]) for _ in range(40)]
    return attempts([[rng.random() < luck[at // 10] for _ in range(samples)] for at in range(400)])


def test_intervals_and_what_is_watched_go_by_groups() -> None:
    """Ten variants of each of ten seeds tell as much as ten problems where they rise and fall together."""
    some = [problem.model_copy(update={"group": str(at // 10)}) for at, problem in enumerate(problems(["sum"] * 100))]
    verdicts = [Verdict.CORRECT if at < 50 else Verdict.WRONG for at in range(100)]
    alone, together = score(verdicts), score(verdicts, [problem.group for problem in some])
    assert together.interval.high - together.interval.low > 2 * (alone.interval.high - alone.interval.low)
    old = attempts([[True] * 2] * 100)
    new = attempts([[False] * 2] * 20 + [[True] * 2] * 80)
    assert watch_breadth(new, old, problems(["sum"] * 100), 0.05).fell
    assert not watch_breadth(new, old, some, 0.05).fell
    rates = {a.problem: float(a.verdict is Verdict.CORRECT) for a in new}
    assert watch_solved(rates, dict.fromkeys(rates, 1.0), problems(["sum"] * 100), 0.05, 0.05).fell
    assert not watch_solved(rates, dict.fromkeys(rates, 1.0), some, 0.05, 0.05).fell


def test_students_that_solve_nothing_are_not_known_to_be_equal() -> None:
    """Where no problem tells two students apart, the interval of their difference is not a point."""
    made = compare_means([0.0] * 100, [0.0] * 100)
    assert made.interval == compare_paired([False] * 100, [False] * 100).interval


def test_a_clear_gain_is_below_any_level() -> None:
    """The level of a late round is below what 100,000 drawings can tell; two hundred gained and none lost are not."""
    assert sign_flip_p([1.0] * 200 + [0.0] * 200) < 1e-20
    assert sign_flip_p([-1.0] * 200) > 0.999

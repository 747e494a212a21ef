from __future__ import annotations

from collections.abc import Iterator

import pytest

from selfimprove.mining.clusters import agreement, answer_space, cluster_sizes, consistency, entropy_bits
from selfimprove.mining.kinds import Kind, KindRule, Mined, settled, summarise
from selfimprove.records import Attempt, Completion, Problem, Sampling, Verdict
from selfimprove.steps.verify import verify
from selfimprove.tasks.arithmetic import Arithmetic

TASK = Arithmetic()
PROBLEM = Problem.of("What is 2 + 3?", "5", labels={"kind": "sum"})
RIGHT, WRONG = Verdict.CORRECT, Verdict.WRONG


def attempt(answer: str | None, verdict: Verdict, sample: int = 0) -> Attempt:
    said = Completion(text=f"Answer: {answer}", sample=sample, sampling=Sampling(temperature=0.7 if sample else 0.0))
    return Attempt(problem=PROBLEM.id, completion=said, answer=answer, verdict=verdict, strict=verdict)


def mined(greedy: Verdict, *samples: str | Verdict):
    """Mine one problem: samples are answers, or verdicts of attempts without one."""
    first = attempt("5" if greedy is RIGHT else "6" if greedy is WRONG else None, greedy)
    rest = [
        attempt(None, s, at) if isinstance(s, Verdict) else attempt(s, RIGHT if s == "5" else WRONG, at)
        for at, s in enumerate(samples, 1)
    ]
    return summarise(PROBLEM, [first, *rest], TASK, KindRule())


@pytest.mark.parametrize(
    ("greedy", "samples", "kind"),
    [
        (RIGHT, "5555", Kind.RIGHT),
        (RIGHT, "6676", Kind.LUCKY),
        (WRONG, "6666", Kind.WRONG),
        (WRONG, "6565", Kind.INCONSISTENT),
        (WRONG, "6789", Kind.INCONSISTENT),  # never right, and never the same
        (WRONG, "", Kind.WRONG),
        (RIGHT, "", Kind.RIGHT),
    ],
)
def test_each_kind_of_failure(greedy: Verdict, samples: str, kind: Kind) -> None:
    """Greedy verdict, pass rate and agreement tell the kinds apart."""
    assert mined(greedy, *samples).kind is kind


@pytest.mark.parametrize("verdict", [Verdict.TRUNCATED, Verdict.UNPARSEABLE, Verdict.TIMEOUT, Verdict.ERROR])
def test_technical_failure_is_no_failure(verdict: Verdict) -> None:
    """A greedy attempt without a verdict is of its own kind, and never counted as wrong, whatever is sampled."""
    found = mined(verdict, "6", "6", "6", "6")
    assert found.kind.technical
    assert not found.kind.failure
    assert found.kind.value == verdict.value


@pytest.mark.parametrize("verdict", [Verdict.TRUNCATED, Verdict.UNPARSEABLE, Verdict.TIMEOUT, Verdict.ERROR])
def test_technical_samples_leave_the_pass_rate_alone(verdict: Verdict) -> None:
    """Samples without a verdict change neither pass rate, posterior, consistency nor kind."""
    bare, more = mined(WRONG, "5", "6"), mined(WRONG, "5", "6", verdict, verdict, verdict)
    assert (more.pass_rate, more.posterior_mean, more.consistency) == (0.5, bare.posterior_mean, bare.consistency)
    assert more.kind is bare.kind is Kind.INCONSISTENT
    assert (more.samples, more.truncated + more.unparseable + more.timeouts + more.errors) == (5, 3)


def test_wrong_with_truncated_samples_is_not_called_inconsistent() -> None:
    """One wrong sample and three that were cut off do not scatter: only answers can disagree."""
    assert mined(WRONG, "6", *[Verdict.TRUNCATED] * 3).kind is Kind.WRONG


def usual_rule(sizes: list[int]) -> bool:
    return max(sizes) / sum(sizes) < 0.3


@pytest.mark.parametrize(("space", "most_scattered"), [(2, [3, 2]), (4, [2, 1, 1, 1])])
def test_inconsistent_can_fire_on_small_answer_spaces(space: int, most_scattered: list[int]) -> None:
    """Of five samples no split of yes/no or four-way answers is under 30 % consistent; ours sees the scattered ones."""

    def splits(left: int, parts: int, most: int) -> Iterator[list[int]]:
        if left == 0:
            yield []
        elif parts:
            for size in range(min(left, most), 0, -1):
                for rest in splits(left - size, parts - 1, size):
                    yield [size, *rest]

    everything = list(splits(5, space, 5))
    assert not any(usual_rule(sizes) for sizes in everything)
    bound = KindRule().scattered
    fires = [sizes for sizes in everything if (agreement(sizes, space) or 0.0) < bound]
    assert most_scattered in fires
    assert [5] not in fires
    assert [4, 1] not in fires


class SameText:
    """A task that compares as strings."""

    name, instruction = "same_text", ""

    def compare(self, answer: str, problem: Problem) -> Verdict:
        return RIGHT if answer == problem.answer else WRONG


def guessed(problem: Problem, greedy: str, said: str, rule: KindRule) -> Mined:
    """Mine a problem that a student answers from a small space; the space-separated answers are its samples."""
    made = [(answer, RIGHT if answer == problem.answer else WRONG) for answer in (greedy, *said.split())]
    some = [attempt(answer, verdict, at) for at, (answer, verdict) in enumerate(made)]
    return summarise(problem, some, SameText(), rule)  # type: ignore[arg-type]


def test_four_way_guesser_with_nothing_right_is_inconsistent() -> None:
    """Five guesses, none right, so the pass rate alone says wrong; they scatter as far as four choices let them."""
    problem = Problem.of("Which?", "A", choices=("one", "two", "three", "four"))
    found = guessed(problem, "B", "B C D B C", KindRule())
    assert found.posterior.above(KindRule().rare) < 0.5
    assert found.kind is Kind.INCONSISTENT
    assert (found.passed, found.consistency, found.agreement) == (0, 0.4, 0.0)
    assert guessed(problem, "B", "B B B B C", KindRule()).kind is Kind.WRONG


def test_yes_no_guesser_is_inconsistent() -> None:
    """Three times yes and twice no, where no is right too rarely to count as solved at times: it guesses all the same.

    Scattered yes and no are right at times, so the pass rate tells them apart first unless more is asked of it.
    """
    problem, rule = Problem.of("Do cats bark?", "no"), KindRule(rare=0.5)
    found = guessed(problem, "yes", "yes yes no yes no", rule)
    assert found.posterior.above(rule.rare) < 0.5
    assert found.kind is Kind.INCONSISTENT
    assert (found.consistency, found.agreement) == (0.6, 0.0)
    assert guessed(problem, "yes", "yes yes no yes yes", rule).kind is Kind.WRONG


def test_clusters_are_by_answer_not_by_string() -> None:
    """1,024 and 1024 are one answer, however they are written."""
    problem = Problem.of("What is 2 to the 10 minus 1?", "1023")
    some = [verify(TASK, problem, Completion(text=f"Answer: {a}")) for a in ("1,024", "1024", "1023", "7")]
    assert cluster_sizes(problem, some, TASK) == [2, 1, 1]


def test_comparison_that_looks_at_the_problem_alone_never_joins_wrong_answers() -> None:
    """A task whose comparison ignores the reference given keeps different wrong answers apart."""

    class Procedural:
        def compare(self, answer: str, problem: Problem) -> Verdict:
            return RIGHT if answer == "5" else WRONG

    some = [attempt(a, RIGHT if a == "5" else WRONG) for a in ("5", "5", "6", "7", "7")]
    assert cluster_sizes(PROBLEM, some, Procedural()) == [2, 2, 1]  # type: ignore[arg-type]


def test_majority_entropy_and_consistency() -> None:
    """The majority is right only where the largest cluster is the correct one, and none is where two are largest."""
    assert mined(WRONG, *"5567").majority_right is True
    assert mined(RIGHT, *"5667").majority_right is False
    assert mined(RIGHT, *"5566").majority_right is None
    assert consistency([3, 1]) == 0.75
    assert entropy_bits([1, 1, 1, 1]) == 2.0
    assert entropy_bits([]) is consistency([]) is agreement([1], 2) is None


def test_settled_needs_the_posterior() -> None:
    """Six failures in a row settle `wrong`, four do not; a sample of each leaves it open."""
    wrong = [attempt("6", WRONG, at) for at in range(8)]
    assert not settled(wrong[:5], KindRule())
    assert settled(wrong[:7], KindRule())
    assert not settled([wrong[0]], KindRule())
    assert settled([attempt(None, Verdict.TRUNCATED)], KindRule())


def test_choice_letters_have_a_space_of_their_own() -> None:
    """The answer space of a multiple-choice problem is its options."""
    problem = Problem.of("Which?", "B", choices=("one", "two", "three", "four"))
    assert answer_space(problem) == 4

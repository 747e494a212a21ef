from __future__ import annotations

from random import Random

import pytest

from selfimprove.records import Problem, StepItem
from selfimprove.scorers.baselines import LOGPROB, Certainty, Majority, key_of
from selfimprove.scorers.figures import FEWEST, gap_of, step_figures


def labelled(count: int, seed: int = 0) -> list[list[bool]]:
    """Solutions of four steps, half of them with an error somewhere."""
    rng = Random(seed)
    wrong = [rng.randrange(4) if at % 2 else None for at in range(count)]
    return [[w is None or step < w for step in range(4)] for w in wrong]


def test_the_truth_is_told_from_chance() -> None:
    """The labels themselves score perfectly; random scores are not above chance; the reverse is far below it."""
    labels, rng = labelled(120), Random(1)
    truth = step_figures([[float(x) for x in some] for some in labels], labels, resamples=200)
    assert truth is not None
    assert (truth.auc, truth.auc_to_error, truth.first_error, truth.calibration.error) == (1.0, 1.0, 1.0, 0.0)
    assert truth.above_chance
    assert (truth.solutions, truth.steps) == (120, 480)
    assert truth.right == pytest.approx(sum(map(sum, labels)) / 480)
    chance = step_figures([[rng.random() for _ in some] for some in labels], labels, resamples=200)
    assert chance is not None
    assert chance.interval.low < 0.5 < chance.interval.high
    assert not chance.above_chance
    reverse = step_figures([[1 - float(x) for x in some] for some in labels], labels, resamples=200)
    assert reverse is not None
    assert (reverse.auc, reverse.above_chance) == (0.0, False)


def test_a_scorer_that_only_counts_steps_is_found_out_up_to_the_error() -> None:
    """Falling scores look good over all steps, as errors last to the end; up to the first error they are weaker."""
    labels = labelled(200)
    found = step_figures([[0.9, 0.7, 0.5, 0.3] for _ in labels], labels, resamples=50)
    assert found is not None
    assert found.auc_to_error is not None
    assert found.auc > found.auc_to_error + 0.05


def test_what_only_counts_steps_is_at_chance_among_steps_at_the_same_place() -> None:
    """Its AUC over all steps is well above 0.5 with confidence, and yet it is not above chance; the truth is."""
    labels = labelled(200)
    found = step_figures([[0.9, 0.7, 0.5, 0.3] for _ in labels], labels, resamples=200)
    assert found is not None
    assert found.interval.low > 0.6
    assert found.in_place_interval is not None
    assert (found.in_place, found.in_place_interval.low, found.in_place_interval.high) == (0.5, 0.5, 0.5)
    assert (found.enough, found.above_chance) == (True, False)
    noisy = [
        [0.4 * label + 0.6 * (index * 7919 + at * 104729) % 97 / 97 for at, label in enumerate(some)]
        for index, some in enumerate(labels)
    ]
    reading = step_figures(noisy, labels, resamples=200)
    assert reading is not None
    assert reading.above_chance


def test_steps_that_never_share_a_place_prove_nothing() -> None:
    """Where all first steps are right and all second ones wrong, nothing tells reading from counting."""
    labels = [[True, False]] * 60
    found = step_figures([[0.9, 0.1]] * 60, labels, resamples=20)
    assert found is not None
    assert (found.auc, found.in_place, found.enough, found.above_chance) == (1.0, None, False, False)


def test_few_solutions_prove_nothing() -> None:
    """A perfect AUC over fewer solutions than are needed of each kind is not above chance."""
    few = labelled(2 * FEWEST - 4)
    found = step_figures([[float(x) for x in some] for some in few], few, resamples=50)
    assert found is not None
    assert (found.interval.low, found.enough, found.above_chance) == (1.0, False, False)


def test_unknown_labels_and_no_verdict_are_in_no_figure() -> None:
    """Steps without a label and solutions without scores are left out, and steps of one kind give None."""
    scores = [[0.9, 0.1, 0.99], None, [0.8, 0.2]]
    found = step_figures(scores, [[True, False, None], [False, False], [None, False]], resamples=20)
    assert found is not None
    assert (found.solutions, found.steps, found.auc) == (2, 3, 1.0)
    assert found.first_error == 1.0
    assert step_figures(scores, [[True, True, None], [False], [None, None]]) is None
    assert step_figures([], []) is None


def test_a_scorer_may_name_the_first_wrong_step_itself() -> None:
    """What is named counts, not what scores under the threshold."""
    labels = [[True, False], [False, True]]
    scores = [[0.9, 0.8], [0.9, 0.8]]
    by_score = step_figures(scores, labels, resamples=20)
    named = step_figures(scores, labels, named=[1, 1], resamples=20)
    assert by_score is not None
    assert named is not None
    assert (by_score.first_error, named.first_error) == (0.0, 0.5)


def test_the_gap_is_over_what_both_scored() -> None:
    """A solution that one of the two has no verdict on counts for neither."""
    labels = labelled(60)
    truth = [[float(x) for x in some] for some in labels]
    flat = [[0.5] * 4 for _ in labels]
    gap = gap_of([None, *truth[1:]], flat, labels)
    assert gap is not None
    assert gap.difference == 0.5
    assert gap.interval.low == 0.5
    assert gap_of([None] * 60, flat, labels) is None


def test_the_free_signals_score_as_scorers_do() -> None:
    """Certainty is one number for all steps of a solution, and no verdict where it is unknown; the majority is blind."""
    one = StepItem(problem=Problem.of("1 + 1", "2"), steps=("1 + 1 = 2", "Answer: 2"))
    other = StepItem(problem=one.problem, steps=("1 + 1 = 3",))
    scorer = Certainty(LOGPROB, {key_of(one): -0.6931471805599453})
    assert scorer.score([one, other]) == [[pytest.approx(0.5)] * 2, None]
    assert Majority.of([[True, True, False], [None]]).score([one]) == [[1.0, 1.0]]
    assert Majority.of([[False, True], [False]]).score([one]) == [[0.0, 0.0]]

from __future__ import annotations

from random import Random

import pytest

from selfimprove.errors import InputError
from selfimprove.scorers.auc import auc, auc_gap, auc_interval
from selfimprove.scorers.metrics import (
    best_threshold,
    calibration,
    first_below,
    first_error_accuracy,
    processbench,
    processbench_of,
    spearman,
)


def test_auc_counts_pairs() -> None:
    """The AUC by ranks is the share of pairs in order, ties counting half, whatever the order they come in."""
    rng = Random(0)
    scores = [rng.randrange(6) / 5 for _ in range(80)]
    right = [rng.random() < 0.2 + 0.6 * score for score in scores]
    good = [s for s, r in zip(scores, right, strict=True) if r]
    bad = [s for s, r in zip(scores, right, strict=True) if not r]
    pairs = sum((g > b) + (g == b) / 2 for g in good for b in bad) / (len(good) * len(bad))
    assert auc(scores, right) == pytest.approx(pairs)
    assert auc(scores[::-1], right[::-1]) == pytest.approx(pairs)
    assert auc([0.5] * 4, [True, False, True, False]) == 0.5
    with pytest.raises(InputError, match="right and wrong"):
        auc([0.1, 0.2], [True, True])


def test_interval_of_the_auc_draws_whole_solutions() -> None:
    """The interval holds the AUC, is wider when steps of a solution hang together, and leaves 0.5 out when clear."""
    rng = Random(1)
    right = [[rng.random() < 0.5] for _ in range(200)]
    scores = [[(0.7 if label[0] else 0.3) + rng.gauss(0, 0.3)] for label in right]
    flat = auc([s[0] for s in scores], [r[0] for r in right])
    single = auc_interval(scores, right, resamples=300)
    assert 0.5 < single.low < flat < single.high
    repeated = auc_interval([s * 10 for s in scores], [r * 10 for r in right], resamples=300)
    assert repeated == single  # ten copies of a step are no further evidence
    torn = auc_interval([s for s in scores for _ in range(10)], [r for r in right for _ in range(10)], resamples=100)
    assert torn.high - torn.low < 0.6 * (single.high - single.low)
    with pytest.raises(InputError, match="right and wrong"):
        auc_interval([[0.1], [0.2]], [[True], [True]])


def test_the_gap_is_told_on_the_same_solutions() -> None:
    """A scorer beside a slightly better one: the paired interval leaves 0 out though the two single ones overlap."""
    rng = Random(3)
    right = [[rng.random() < 0.5 for _ in range(3)] for _ in range(150)]
    worse = [[label + rng.gauss(0, 1) for label in some] for some in right]
    better = [
        [score + 0.25 * label for score, label in zip(a, b, strict=True)] for a, b in zip(worse, right, strict=True)
    ]
    gap = auc_gap(better, worse, right, resamples=300)
    assert 0 < gap.low < gap.high
    assert auc_interval(better, right, resamples=300).low < auc_interval(worse, right, resamples=300).high
    swapped = auc_gap(worse, better, right, resamples=300)
    assert swapped.high < 0
    assert auc_gap(worse, worse, right, resamples=50).high == 0.0


def test_calibration_of_honest_and_boastful_scores() -> None:
    """Scores that are the chances have a small error; scores of 0.99 on coin flips have one of 0.49."""
    rng = Random(2)
    honest = [rng.random() for _ in range(5000)]
    assert calibration(honest, [rng.random() < score for score in honest]).error < 0.03
    boast = calibration([0.99] * 100, [index % 2 == 0 for index in range(100)])
    assert boast.error == pytest.approx(0.49)
    assert [(one.count, one.low, one.high, one.right) for one in boast.bins] == [(100, 0.9, 1.0, 0.5)]
    assert calibration([1.0, 0.0], [True, False]).error == 0.0


def test_rank_correlation_with_ties() -> None:
    """Known values: a hand-worked case with ties, perfect order, reversed order, and a constant."""
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(0.948683, abs=1e-6)
    assert spearman([1, 5, 9], [2, 3, 100]) == pytest.approx(1.0)
    assert spearman([1, 5, 9], [3, 2, 1]) == pytest.approx(-1.0)
    assert spearman([1, 1, 1], [3, 2, 1]) == 0.0


def test_first_error_is_the_first_step_below() -> None:
    """The first step under the threshold is named, and only exact hits count."""
    assert first_below([0.9, 0.4, 0.1]) == 1
    assert first_below([0.9, 0.5]) is None
    assert first_error_accuracy([1, None, 0, 3], [1, 2, None, 3]) == pytest.approx(2 / 3)
    with pytest.raises(InputError, match="no solution has a wrong step"):
        first_error_accuracy([None], [None])


def test_processbench_is_the_harmonic_mean_of_both_accuracies() -> None:
    """Two of four erroneous and three of four correct solutions give 0.5, 0.75 and their harmonic mean 0.6."""
    named = [0, 2, 1, -1, -1, -1, -1, 4]
    labels = [0, 2, 3, 5, -1, -1, -1, -1]
    found = processbench_of(named, labels)
    assert (found.erroneous, found.correct, found.n_erroneous, found.n_correct) == (0.5, 0.75, 4, 4)
    assert found.f1 == pytest.approx(0.6)
    assert processbench_of([-1, -1], [0, -1]).f1 == 0.0


def test_no_verdict_is_missed_and_counted() -> None:
    """A solution without a verdict counts as missed on either side, and is told apart."""
    found = processbench([None, [0.9, 0.1], None, [0.9]], [0, 1, -1, -1])
    assert (found.erroneous, found.correct, found.no_verdict) == (0.5, 0.5, 2)


def test_best_threshold_separates() -> None:
    """The threshold chosen lies between the scores of wrong and right steps."""
    scores = [[0.9, 0.3], [0.8, 0.2, 0.9], [0.7, 0.75], [0.95]]
    labels = [1, 1, -1, -1]
    chosen = best_threshold(scores, labels)
    assert 0.3 < chosen <= 0.7
    assert processbench(scores, labels, chosen).f1 == 1.0
    assert processbench(scores, labels, 0.99).f1 == 0.0

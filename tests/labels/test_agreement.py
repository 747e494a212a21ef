"""Agreement of two sets of labels, against figures worked out by hand."""

from __future__ import annotations

import warnings

import pytest

from selfimprove.labels.agreement import agreement, agreements


def of(dimension: str, names: str) -> list[dict[str, str]]:
    """Write one letter a problem as labels; a dot is none."""
    return [{} if name == "." else {dimension: name} for name in names]


def test_kappa_is_what_is_left_beyond_chance() -> None:
    """20 yes-yes, 15 no-no, 5 yes-no, 10 no-yes: 0.7 agree, 0.5 would by chance, so kappa is (0.7 - 0.5) / (1 - 0.5)."""
    truth, said = "y" * 25 + "n" * 25, "y" * 20 + "n" * 5 + "y" * 10 + "n" * 15
    found = agreement("difficulty", of("difficulty", truth), of("difficulty", said))
    assert (found.n, found.agreed, found.accuracy) == (50, 35, 0.7)
    assert found.kappa == pytest.approx(0.4)
    assert found.names == ("y", "n")
    assert found.matrix == ((20, 5), (10, 15))
    assert found.confusions() == [("n", "y", 10), ("y", "n", 5)]
    assert found.interval.low == pytest.approx(0.5625, abs=1e-3)  # Wilson's, by hand
    assert found.interval.high == pytest.approx(0.8090, abs=1e-3)


def test_kappa_of_three_names() -> None:
    """Of 10, 6 agree; chance is (4*3 + 3*4 + 3*3) / 100 = 0.33, so kappa is 0.27 / 0.67."""
    found = agreement("form", of("form", "aaaabbbccc"), of("form", "aabbbbcacc"))
    assert found.agreed == 6
    assert found.kappa == pytest.approx(0.27 / 0.67, abs=1e-6)


def test_chance_has_kappa_0_and_one_name_has_none() -> None:
    """Labels that do not depend on the truth score 0; where all is one name nothing can be said."""
    assert agreement("form", of("form", "aabb"), of("form", "abab")).kappa == pytest.approx(0.0)
    alike = agreement("form", of("form", "aaa"), of("form", "aaa"))
    assert (alike.kappa, alike.accuracy) == (None, 1.0)


def test_one_name_is_compared_without_a_warning() -> None:
    """A file of one subject is nothing odd: all of it agrees, one by one in the matrix, and kappa is not asked for."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alike = agreement("form", of("form", "aaa"), of("form", "aaa"))
        apart = agreement("form", of("form", "aaa"), of("form", "bbb"))
    assert (alike.names, alike.matrix, alike.kappa) == (("a",), ((3,),), None)
    assert (apart.names, apart.matrix, apart.kappa) == (("a", "b"), ((0, 3), (0, 0)), 0.0)


def test_no_verdict_is_not_wrong() -> None:
    """A missing label is counted apart; a problem without a true one is not looked at."""
    found = agreement("form", of("form", "ab.ab"), of("form", "a.bab"))
    assert (found.n, found.agreed, found.no_verdict) == (3, 3, 1)
    none = agreement("form", of("form", "ab"), of("form", ".."))
    assert (none.n, none.no_verdict, none.accuracy, none.kappa, none.matrix) == (0, 2, None, None, ())


def test_a_level_is_right_only_below_the_right_levels() -> None:
    """The same sub-topic of another topic is another thing; where gold has no topic, the name counts."""
    said = [{"topic": "Shape", "sub_topic": "Other"}]
    assert agreement("sub_topic", [{"topic": "Number", "sub_topic": "Other"}], said).agreed == 0
    assert agreement("sub_topic", [{"sub_topic": "Other"}], said).agreed == 1


def test_dimensions_without_truth_are_left_out() -> None:
    """What no problem has a true label of cannot be measured."""
    truth = [{"topic": "a", "form": "x"}, {"form": "y"}]
    assert [one.dimension for one in agreements(truth, truth)] == ["topic", "form"]

"""The result in one sentence, and what to do next."""

from __future__ import annotations

import pytest
from sample import round_row, score

from selfimprove.config import make_config
from selfimprove.report.decided_schema import Difference, RoundSummary
from selfimprove.report.outcome import next_step, outcome
from selfimprove.report.schema import Best, TestSummary

BASE = Best(path="", round=0, load="")
TESTED = TestSummary(n=400, opened=1, base=score(0.3))


def row(arm: str, points: float) -> RoundSummary:
    """Make an arm of the first round."""
    change = Difference(points=points, interval=(points - 4, points + 4), p_value=0.3)
    return round_row(1, "track_b", "hold", change).model_copy(update={"arm": arm})


def test_a_small_gain_is_not_rounded_to_none() -> None:
    """Five problems of 1,319: less than half a point, and shown."""
    change = Difference(points=0.38, interval=(0.02, 0.74), p_value=0.016)
    tested = TestSummary(n=1319, opened=1, base=score(0.3), best=score(0.304), difference=change)
    said = outcome((), tested, Best(path="a", round=1, load=""))
    assert "better by 0.4 points, 95 % interval 0.0 to 0.7, p = 0.016" in said
    low = tested.model_copy(
        update={"difference": change.model_copy(update={"interval": (-0.03, 0.74), "p_value": 0.06})}
    )
    assert "(95 % interval 0.0 to 0.7, p = 0.060)" in outcome((), low, BASE)


def test_a_base_that_was_cut_off_is_told() -> None:
    """Where more than a tenth of its answers have no verdict, the headline says so beside what it answered."""
    change = Difference(points=30.0, interval=(25.0, 35.0), p_value=0.001)
    tested = TESTED.model_copy(update={"best": score(0.4), "difference": change})
    won = Best(path="a", round=1, load="")
    for base, aside in (
        (score(0.1, no_verdict=301), " (301 of the base's 400 greedy answers were cut off or unreadable)"),
        (score(0.1, no_verdict=40), ""),
    ):
        made = tested.model_copy(update={"base": base})
        assert f"160 of 400 held-out problems, 40 before{aside}: better" in outcome((), made, won)
        alone = TESTED.model_copy(update={"base": base})
        assert outcome((), alone, BASE).endswith(f"the base answers 40 of 400 held-out problems{aside}.")


def test_advice_leaves_out_what_was_told() -> None:
    """An arm whose prompt holds the rationale gained most; that is no gain that more problems would show."""
    rows = (row("track_b", 1.0), row("track_b_given", 61.0))
    said = next_step(rows, TESTED, BASE, make_config({"campaign": {"arms": ["track_b", "track_b_given"]}}), 2000)
    assert "12366 would show the 1.0 points seen on dev" in said
    assert "61" not in said


def test_students_differ_on_as_many_problems_as_are_gained() -> None:
    """Sixty points are not had of students that differ on a fifth of the problems: eleven problems show them, not four."""
    assert "11 would show the 60.0 points" in next_step((row("track_b", 60.0),), TESTED, BASE, make_config({}), 2000)


@pytest.mark.parametrize(
    ("groups", "samples", "said"),
    [
        (0, 0, "400 problems show gains from about 6 points on; 124 would show the 10.0 points"),
        (0, 4, "400 problems show gains from about 4 points on; 78 would show the 10.0 points"),
        (40, 0, "400 problems of 40 groups show gains from about 18 points on; 1240 would show the 10.0 points"),
    ],
)
def test_advice_counts_what_the_test_counts(groups: int, samples: int, said: str) -> None:
    """As the plan does: problems that belong together are one draw, and several samples average their luck out."""
    config = make_config({"evaluate": {"samples": samples}})
    tested = TESTED.model_copy(update={"groups": groups})
    assert next_step((row("track_b", 10.0),), tested, BASE, config, 2000).startswith(said)


def test_advice_can_be_followed() -> None:
    """More rows where the task has more, by their setting; where all are taken already, more problems."""
    config = make_config({"data": {"train": 200}})
    assert next_step((), TESTED, BASE, config, 200).endswith("try more rows (data.train, now 200) or a larger student.")
    assert next_step((), TESTED, BASE, config, 179).endswith(
        "try more problems (these 179 are all) or a larger student."
    )

from __future__ import annotations

import pytest
from sample import score, summary

from selfimprove.report.figures import HEIGHT_PX, accuracy_chart, arms_of, heat_tables, in_order, is_best, scale_over


@pytest.mark.parametrize("share", [0.0, 0.013, 0.3, 0.5, 0.97, 1.0])
@pytest.mark.parametrize("n", [5, 400, 100_000])
def test_scale_holds_every_interval(share: float, n: int):
    """Whatever the scores, intervals lie within the ends and the ends within [0, 1]."""
    shown = score(share, n)
    scale = scale_over([shown])
    assert 0 <= scale.low <= shown.interval[0] <= shown.interval[1] <= scale.high <= 1
    assert 2 <= len(scale.ticks) <= 8


def test_small_differences_look_small():
    """Two nearly equal scores do not fill the figure."""
    scale = scale_over([score(0.5, 10**7), score(0.501, 10**7)])
    assert scale.high - scale.low >= 0.1 - 1e-9


def test_points_lie_where_their_scores_say():
    """Higher accuracy is higher up, and each dot is inside its interval."""
    chart = accuracy_chart(summary())
    assert chart is not None
    points = [point for series in (*chart.series, chart.baselines) for point in series.points]
    assert all(0 <= point.top < point.y < point.bottom <= HEIGHT_PX for point in points)
    track = next(series for series in chart.series if series.name == "track_b").points
    assert [point.x for point in track] == sorted(point.x for point in track)
    assert track[0].y > track[1].y


def test_only_the_best_and_the_chosen_baseline_carry_a_number():
    """The figure stays calm: two numbers are written in it."""
    chart = accuracy_chart(summary())
    assert chart is not None
    written = [p.value for series in (*chart.series, chart.baselines) for p in series.points if p.value]
    assert written == ["55.0\N{NO-BREAK SPACE}%", "9.5\N{NO-BREAK SPACE}%"]


def test_each_arm_has_its_own_tone():
    """Arms are coloured in order of their first appearance."""
    assert arms_of(summary().rounds) == {"track_b": "tone-0", "track_a": "tone-1"}


def test_best_is_a_promoted_arm_of_the_best_round():
    """A held arm of the same round is not the best, however it scored."""
    made = summary()
    assert [(row.round, row.arm) for row in made.rounds if is_best(made, row)] == [(2, "track_b")]


def test_many_rounds_keep_their_names_apart():
    """At a hundred rounds only some are named."""
    made = summary()
    rows = tuple(made.rounds[0].model_copy(update={"round": n}) for n in range(1, 101))
    chart = accuracy_chart(made.model_copy(update={"rounds": rows}))
    assert chart is not None
    assert len(chart.slots) <= 13


def test_heat_tables_follow_the_arms():
    """Levels side by side, from before to the last round; rows name the arm where there are several."""
    heat = heat_tables(summary())[0]
    assert heat.values == ("1", "2", "3", "4", "8")
    trained = [f"round {number}, {arm}" for number in (1, 2, 3) for arm in ("track_b", "track_a")]
    assert [name for name, _ in heat.rows] == ["before", *trained]
    made = summary()
    alone = made.model_copy(update={"rounds": tuple(row for row in made.rounds if row.arm == "track_b")})
    assert [name for name, _ in heat_tables(alone)[0].rows] == ["before", "round 1", "round 2", "round 3"]


def test_levels_sort_by_size():
    """Level 10 comes after level 9."""
    assert in_order(["10", "2", "9"]) == ["2", "9", "10"]

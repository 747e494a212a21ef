from __future__ import annotations

import json

from sample import summary

from selfimprove.records import Score
from selfimprove.report.schema import Difference, ScoreSummary, Summary
from selfimprove.stats import compare_paired, wilson


def test_summary_survives_json():
    """What `--json` prints reads back as the same summary."""
    made = summary()
    assert Summary.model_validate_json(made.model_dump_json()) == made


def test_schema_describes_its_fields():
    """Units are in the schema, not only in the source."""
    schema = Summary.model_json_schema()
    assert "seconds" in schema["properties"]["wall_s"]["description"]
    assert "percentage points" in json.dumps(schema["$defs"]["Difference"])


def test_intervals_are_pairs_in_json():
    """An interval is [low, high]."""
    plain = json.loads(summary().model_dump_json())
    assert plain["baselines"][1]["dev"]["interval"] == [0.07, 0.1277]


def test_scores_and_comparisons_are_taken_over():
    """Shares stay shares, differences become percentage points."""
    held = Score(n=10, correct=5, accuracy=0.5, interval=wilson(5, 10), no_verdict=1)
    assert ScoreSummary.of(held).interval == (held.interval.low, held.interval.high)
    compared = compare_paired([True, True, False, True], [False, True, False, False])
    gained = Difference.of(compared)
    assert gained.points == 50.0
    assert gained.interval[0] <= 50.0 <= gained.interval[1]
    assert gained.p_value == compared.p_better

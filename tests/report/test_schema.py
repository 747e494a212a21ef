from __future__ import annotations

import json
from collections.abc import Callable

from sample import summary

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.records import Score, TrackRow
from selfimprove.report.decided_schema import Difference, ScoreSummary
from selfimprove.report.schema import Summary
from selfimprove.report.summary import summarise
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


def test_what_was_kept_out_is_told(make_crew: Callable[..., Crew]) -> None:
    """The summary names the guarded sets with their sizes, and counts what was dropped and refused."""
    crew = make_crew(campaign={"rounds": 1})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    guard = summarise(crew.folder, crew.ledger).guard
    assert guard is not None
    assert guard.guarded == {"dev": crew.config.data.dev, "test": crew.config.data.test}
    assert (guard.dropped, guard.refused, guard.not_guarded) == (0, 0, {})
    row = crew.folder.rows("round-01/track_b.jsonl", TrackRow)[0]
    crew.folder.write_rows("round-01/refused_track_b.jsonl", [row])
    again = summarise(crew.folder, crew.ledger).guard
    assert again is not None
    assert again.refused == 1

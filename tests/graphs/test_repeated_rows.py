"""Once the training problems are used up they are tried again: what comes of that twice is learned from once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from selfimprove.graphs.control import lineage
from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.progress import Nobody, watched_by
from selfimprove.records import PreferenceRow, TrackRow, VerdictRow

SMALL: dict[str, Any] = {"data": {"train": 20}, "mine": {"pool": 20, "samples": 4}, "gate": {"panel": 0}}


def run(make_crew: Any, rounds: int, arms: list[str], **sections: Any) -> Crew:
    crew: Crew = make_crew(campaign={"rounds": rounds, "arms": arms, "patience": 9}, **SMALL, **sections)
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    return crew


def tracks(crew: Crew, rounds: int) -> list[set[str]]:
    """Give the ids of each round's own rows."""
    return [{row.id for row in crew.folder.rows(f"round-0{r}/track_b.jsonl", TrackRow)} for r in range(1, rounds + 1)]


def test_a_row_that_several_rounds_made_is_trained_on_once(make_crew: Any) -> None:
    """From the base with all rows so far, each has its weight once."""
    crew = run(make_crew, 3, ["track_b"], train={"restart": True})
    made = tracks(crew, 3)
    assert sum(map(len, made)) > len(set.union(*made))
    rows = crew.folder.rows("round-03/arms/track_b/rows.jsonl", TrackRow)
    assert max(Counter(row.id for row in rows).values()) == 1
    assert {row.id for row in rows} == set.union(*made)


def test_what_a_round_made_again_is_not_replayed_beside_it(make_crew: Any) -> None:
    """Replayed rows are others than the round's own, and each comes once."""
    crew = run(make_crew, 3, ["track_b"], select={"replay": 5.0})
    made = tracks(crew, 3)
    assert made[2] & (made[0] | made[1])
    rows = crew.folder.rows("round-03/arms/track_b/rows.jsonl", TrackRow)
    assert max(Counter(row.id for row in rows).values()) == 1
    assert {row.id for row in rows} == set.union(*made)


def test_pairs_and_verdicts_of_several_rounds_are_learned_from_once(make_crew: Any) -> None:
    """Pairs of lessons too, which have another id in each round."""
    arms = ["track_b", "track_b+dpo", "track_b+kto"]
    crew = run(make_crew, 2, arms, train={"restart": True, "pairs": "lessons"})
    for arm, file, kind in (
        ("track_b+dpo", "preferences", PreferenceRow), ("track_b+kto", "verdicts", VerdictRow),
    ):  # fmt: skip
        made = [row for r in (1, 2) for row in crew.folder.rows(f"round-0{r}/{file}.jsonl", kind)]
        trained = crew.folder.rows(f"round-02/arms/{arm}/rows.jsonl", kind)
        said = [row.model_dump_json(include={"problem", "chosen", "rejected", "text"}) for row in made]
        assert len(said) > len(trained) == len(set(said))


def test_control_draws_as_many_problems_as_the_best_met(make_crew: Any) -> None:
    """A problem counts once, however often its rows were trained on again."""
    drawn = list[int]()

    class Listening(Nobody):
        def stage(self, name: str, total: int) -> None:
            drawn.extend([total] if name == "control" else [])

    with watched_by(Listening()):
        crew = run(make_crew, 3, ["track_b", "control"])
    best = crew.folder.json("round-03/decision.json")["best"]
    chain = [adapter.rpartition("/")[0] for adapter in lineage(crew, best)]
    assert len(chain) > 1
    rows = [row for place in chain for row in crew.folder.rows(f"{place}/rows.jsonl", TrackRow)]
    problems = {row.problem for row in rows}
    assert len(rows) > len(problems)
    assert drawn == [len(problems)]

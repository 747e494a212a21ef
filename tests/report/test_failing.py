from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.graphs.studio import studio_crew
from selfimprove.records import Attempt, Problem, Verdict
from selfimprove.report.failing_schema import FailureGroup, GroupRound
from selfimprove.report.moves import kind_table, move_tables, repair_tables
from selfimprove.report.page import render_page
from selfimprove.report.schema import Summary
from selfimprove.report.summary import summarise


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Crew:
    """Give a finished campaign of two rounds whose student gets better."""
    settings = {
        "campaign": {"rounds": 2, "arms": ["track_b"]},
        "mine": {"samples": 4, "pool": 80, "most": 8},
    }
    made = studio_crew("failing", tmp_path_factory.mktemp("failing") / "run", settings)
    run_campaign(made, made.folder.at("graph.sqlite"))
    return made


def group(summary: Summary, by: str, value: str) -> FailureGroup:
    return next(g for g in summary.failing if (g.by, g.value) == (by, value))


def test_failure_rates_by_group_and_round(crew: Crew) -> None:
    """Each group has its counts round by round; they add up to the pool's, and the student's growth is a fall."""
    summary = summarise(crew.folder, crew.ledger)
    everything = group(summary, "all", "all")
    assert summary.failing[0] == everything
    assert [made.round for made in everything.rounds] == [1, 2]
    assert [made.tried + made.no_verdict for made in everything.rounds] == [80, 80]
    assert everything.change is not None
    assert everything.interval is not None
    assert everything.interval[0] < everything.change < 0
    kinds = [g for g in summary.failing if g.by == "kind"]
    assert [sum(g.rounds[r].failed for g in kinds) for r in (0, 1)] == [made.failed for made in everything.rounds]
    assert {g.by for g in summary.failing} >= {"all", "kind", "level", "reasoning steps", "first wrong step"}


def test_problems_that_were_tried_again_are_told_and_bear_no_interval(make_crew: Callable[..., Crew]) -> None:
    """Where the pool runs out a round tries what an earlier one did: the change is told without an interval."""
    crew = make_crew(campaign={"arms": ["track_b"]}, mine={"samples": 0, "pool": 200})
    run_campaign(crew, crew.folder.at("graph.sqlite"))
    first, second = ({a.problem for a in crew.folder.rows(f"round-0{r}/drafts.jsonl", Attempt)} for r in (1, 2))
    summary = summarise(crew.folder, crew.ledger)
    assert summary.tried_again == len(first & second) > 50
    assert group(summary, "all", "all").change is not None
    assert not any(each.interval for each in summary.failing)
    page = render_page(summary)
    assert f"{summary.tried_again} were tried that an earlier round had tried before" in page
    assert "Each round tries other problems" not in page


def test_first_wrong_steps_are_checked_exactly(crew: Crew) -> None:
    """On arithmetic the step where a failure begins is known without a scorer: the scripted answer line is wrong."""
    summary = summarise(crew.folder, crew.ledger)
    steps = [g for g in summary.failing if g.by == "first wrong step"]
    wrong = group(summary, "all", "all").rounds[0].kinds
    assert sum(g.rounds[0].failed for g in steps if g.rounds[0].round == 1) >= wrong["wrong"]
    by_id = {p.question: p for p in crew.problems("train")}
    for each in steps:
        for example in each.examples:
            assert len(by_id[example.question].rationale.splitlines()) + 1 == int(each.value)


def test_examples_are_failures_with_what_the_student_wrote(crew: Crew) -> None:
    """A group's examples are training problems of it, failed in the last round that has any."""
    summary = summarise(crew.folder, crew.ledger)
    asked = {p.question: p for p in crew.problems("train")}
    drafts = {(r, a.problem): a for r in (1, 2) for a in crew.folder.rows(f"round-0{r}/drafts.jsonl", Attempt)}
    for kind in {g.value for g in summary.failing if g.by == "kind"}:
        for example in group(summary, "kind", kind).examples:
            problem = asked[example.question]
            assert problem.labels["kind"] == kind
            assert drafts[example.round, problem.id].completion.text == example.text
            assert example.kind in {"wrong", "inconsistent", "lucky"}


def test_repairs_count_the_same_dev_problems(crew: Crew) -> None:
    """Failures that became successes are counted on dev against the best before the round."""
    summary = summarise(crew.folder, crew.ledger)
    first = next(r for r in summary.repairs if r.by == "all").rounds[0]
    right = [
        {a.problem for a in crew.folder.rows(name, Attempt) if a.verdict is Verdict.CORRECT}
        for name in (
            crew.folder.json("round-00/decision.json")["predictions"],
            "round-01/arms/track_b/predictions.jsonl",
        )
    ]
    dev = {p.id for p in crew.folder.rows("data/dev.jsonl", Problem)}
    assert (first.round, first.arm) == (1, "track_b")
    assert (first.failed, first.repaired) == (len(dev - right[0]), len(right[1] - right[0]))
    assert (first.solved, first.lost) == (len(right[0]), len(right[0] - right[1]))


def test_page_shows_where_it_fails(crew: Crew) -> None:
    """The page has a table for each thing that groups share, with counts, the change, and a failed attempt."""
    summary = summarise(crew.folder, crew.ledger)
    page = render_page(summary)
    assert '<section id="failing">' in page
    assert "Each round tries other problems" in page
    assert "Failures by level, round by round" in page
    assert "From failure to success, on dev" in page
    assert all(table.heads == ("round 1", "round 2") for table in repair_tables(summary))
    whole = group(summary, "all", "all").rounds[0]
    assert f"{whole.failed}/{whole.tried}" in page
    assert Summary.model_validate(json.loads(summary.model_dump_json())) == summary


def test_page_shows_the_kinds_of_failures(crew: Crew) -> None:
    """Each round's problems are counted by kind, in print and not only under the pointer."""
    summary = summarise(crew.folder, crew.ledger)
    table = kind_table(summary)
    assert table is not None
    for made, (name, cells) in zip(group(summary, "all", "all").rounds, table.rows, strict=True):
        assert name == f"round {made.round}"
        counts = {kind: int(cell.text) for kind, cell in zip(table.values, cells, strict=True) if cell}
        assert {kind: n for kind, n in counts.items() if n} == made.kinds
    assert table.title in render_page(summary)


def test_no_example_is_shown_twice(crew: Crew) -> None:
    """A problem is in several groups, and its failure is shown once on the page."""
    tables = move_tables(summarise(crew.folder, crew.ledger))
    shown = [example.question for table in tables for _, example in table.examples]
    assert len(shown) > 3
    assert len(set(shown)) == len(shown)


def test_schema_describes_the_groups() -> None:
    """The JSON schema says what a failure is, and in which unit a change is."""
    defs = Summary.model_json_schema()["$defs"]
    assert "wrong, inconsistent or lucky" in defs["GroupRound"]["properties"]["failed"]["description"]
    assert "percentage points" in defs["FailureGroup"]["properties"]["change"]["description"]


def many(count: int) -> tuple[FailureGroup, ...]:
    """Make groups of a label, the ones with most failures first."""

    def one(by: str, value: str, failed: int) -> FailureGroup:
        made = GroupRound(round=1, tried=100, failed=failed, no_verdict=0, rate=failed / 100, interval=(0.0, 1.0))
        return FailureGroup(by=by, value=value, rounds=(made,))

    return (one("all", "all", 50), *(one("topic", f"{n}", 90 - n) for n in range(count)))


def test_a_table_that_repeats_the_one_before_is_left_out(crew: Crew) -> None:
    """Where a label is the number of reasoning steps by another name, its problems are shown once."""
    made, *topics = many(3)
    twins = [each.model_copy(update={"by": "twin"}) for each in topics]
    other = twins[0].model_copy(update={"by": "unlike", "value": "0"})
    summary = summarise(crew.folder, crew.ledger).model_copy(update={"failing": (made, *topics, *twins, other)})
    assert [table.by for table in move_tables(summary)] == ["topic", "unlike"]


def test_page_shows_the_groups_with_most_failures(crew: Crew) -> None:
    """Of many groups ten are shown, in order of their numbers, and how many are left out is said."""
    summary = summarise(crew.folder, crew.ledger).model_copy(update={"failing": many(25)})
    (table,) = move_tables(summary)
    assert [g.value for g, _ in table.rows] == ["all", *map(str, range(10))]
    assert table.left_out == 15
    assert "15 more with fewer failures" in render_page(summary)

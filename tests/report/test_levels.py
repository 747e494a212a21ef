from __future__ import annotations

import html
import re

import pytest

from selfimprove.graphs.crew import Crew
from selfimprove.graphs.run import run_campaign
from selfimprove.graphs.studio import studio_crew
from selfimprove.mining.library import Graded
from selfimprove.report.figures import level_tables
from selfimprove.report.page import render_page
from selfimprove.report.schema import Summary
from selfimprove.report.selected_schema import LevelSummary
from selfimprove.report.summary import summarise


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Crew:
    """Give a finished campaign that wants more of every level than a small pool has."""
    settings = {
        "campaign": {"rounds": 1, "arms": ["track_b"]},
        "mine": {"samples": 4, "pool": 60},
        "select": {"policy": "uniform", "lessons": 30},
    }
    made = studio_crew("levels", tmp_path_factory.mktemp("levels") / "run", settings)
    run_campaign(made, made.folder.at("graph.sqlite"))
    return made


def test_levels_are_those_of_the_graded_pool(crew: Crew) -> None:
    """Counts by level, all and by each value of each label, are those of grades.jsonl."""
    (found,) = summarise(crew.folder, crew.ledger).levels
    rows = crew.folder.rows("round-01/grades.jsonl", Graded)
    assert found.all == tuple(sum(r.difficulty == level for r in rows) for level in range(6))
    assert set(found.by_label) == {"kind", "level"}
    for label, values in found.by_label.items():
        for value, counts in values.items():
            some = [r for r in rows if r.labels[label] == value]
            assert counts == tuple(sum(r.difficulty == level for r in some) for level in range(6))
    assert found.graded_by == {"pass_rate": len(rows)}


def test_page_shows_levels_by_label(crew: Crew) -> None:
    """Each label has a table of its values by level, with the pool's own row first."""
    summary = summarise(crew.folder, crew.ledger)
    page, (levels,) = render_page(summary), summary.levels
    section = page[page.index('<section id="levels">') : page.index('<section id="failing">')]
    heads = [html.unescape(head) for head in re.findall(r"<h3>(.*?)</h3>", section)]
    assert heads == ["How hard, by the problems' kind", "How hard, by the problems' level", "What was chosen"]
    assert [f"difficulty {n}" in section for n in range(6)] == [True] * 6  # a problem's own level is a label
    cells = "".join(rf"<td[^>]*>{n}</td>" for n in (*levels.all, sum(levels.all)))
    assert len(re.findall(rf'<th scope="row">all</th>{cells}', section)) == 2
    (value, counts), *_ = levels.by_label["kind"].items()
    assert re.search(rf'<th scope="row">{value}</th>' + "".join(rf"<td[^>]*>{n}</td>" for n in counts), section)


def test_page_shows_the_quotas_and_what_filled_a_short_level(crew: Crew) -> None:
    """Asked, there and taken stand for each level, and each note about a level that was short is a sentence."""
    summary = summarise(crew.folder, crew.ledger)
    chosen, page = summary.rounds[0].selection, render_page(summary)
    assert chosen is not None
    assert sum(quota.taken for quota in chosen.quotas) == 30
    for quota in chosen.quotas:
        row = "".join(rf'<td class="num">(?:<b>)?{n}(?:</b>)?</td>' for n in (quota.asked, quota.there, quota.taken))
        assert re.search(rf'<th scope="row">{quota.name}</th>{row}', page)
    short = [note for note in chosen.notes if "is short of" in note and "filled from level" in note]
    assert short
    told = page[page.index("What was chosen") : page.index('<section id="failing">')]
    for note in short:
        assert f"{note[0].upper()}{note[1:]}." in told


def test_labels_of_many_values_leave_the_pool_itself() -> None:
    """A label with a value for each problem has no table; how hard the pool is shows all the same."""
    by_row = {str(n): (1, 0, 0, 0, 0, 0) for n in range(20)}
    (table,) = level_tables(LevelSummary(round=1, all=(20, 0, 0, 0, 0, 0), by_label={"row": by_row}))
    assert (table.title, [name for name, _ in table.rows]) == ("How hard", ["all"])


def test_schema_describes_the_levels() -> None:
    """The JSON schema says what a level's counts are of, and what a quota is."""
    defs = Summary.model_json_schema()["$defs"]
    assert "no verdict" in defs["LevelSummary"]["properties"]["all"]["description"]
    assert {"asked", "there", "taken"} <= set(defs["QuotaSummary"]["properties"])

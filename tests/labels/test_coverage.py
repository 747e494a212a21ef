"""Coverage: what is there against the quotas, in a spreadsheet, as CSV and on a page."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
from small_taxonomy import small

from selfimprove.cli import main
from selfimprove.labels import DIMENSIONS, Taxonomy, quotas
from selfimprove.labels.coverage import Coverage, Held, cover
from selfimprove.labels.given import read_given
from selfimprove.labels.sheet import write_xlsx

FORMULA = '=HYPERLINK("http://example.org")'


@pytest.fixture
def taxonomy(tmp_path: Path) -> Taxonomy:
    return small(tmp_path)


@pytest.fixture
def library(taxonomy: Taxonomy, tmp_path: Path) -> Path:
    """Three problems of the first cell of each subject, one that fits no cell, and one without labels."""
    firsts = {cell.path[0]: cell for cell in quotas(taxonomy, by=("form", "difficulty", "key_stage"))}
    rows: list[dict[str, Any]] = [
        {"question": f"{subject} {at}?", **cell.labels, "label_confidence": {"topic": 0.4, "form": 0.9}}
        for subject, cell in firsts.items()
        for at in range(3)
    ]
    rows += [
        {**rows[0], "question": FORMULA, "topic": "Cooking"},
        {"question": "Bare\x07?", "label_disputed": ["form"]},
    ]
    path = tmp_path / "library.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def covered(taxonomy: Taxonomy, library: Path) -> Coverage:
    return cover(read_given(library), taxonomy)


def test_cells_know_what_is_there_and_what_is_missing(covered: Coverage, taxonomy: Taxonomy) -> None:
    """All wanted cells are there, in the order of the taxonomy; what fits no cell says why."""
    assert {cell: held.want for cell, held in covered.cells.items()} == dict(quotas(taxonomy))
    filled = {cell.path[0]: held for cell, held in covered.cells.items() if held.have}
    assert {name: held.have for name, held in filled.items()} == {"Maths": 3, "English": 3}
    assert sum(held.missing for held in covered.cells.values()) == sum(
        max(0, want - covered.cells[cell].have) for cell, want in quotas(taxonomy).items()
    )
    assert (Held(3, 5).missing, Held(3, 5).surplus, Held(5, 3).missing, Held(5, 3).surplus) == (2, 0, 0, 2)
    whys = [one.why for one in covered.problems if one.cell is None]
    assert len(whys) == 2
    assert "'Cooking', which is not in the taxonomy" in whys[0]
    assert whys[1] == '"subject" is missing'


def test_rows_are_crossed_with_every_trait(covered: Coverage) -> None:
    """Each trait's values add up to the row, in what is there and in what is wanted."""
    for path, cells in covered.crossed(2).items():
        whole = cells["", ""]
        for trait in ("form", "difficulty", "key_stage"):
            own = [held for (name, _), held in cells.items() if name == trait]
            assert sum(held.have for held in own) == whole.have
            assert abs(sum(held.want for held in own) - whole.want) <= len(own), path
    assert sum(cells["", ""].want for cells in covered.crossed(4).values()) == 150


def test_the_workbook_opens_with_filters_and_a_frozen_header(covered: Coverage, tmp_path: Path) -> None:
    """A row a cell and a row a problem; a question that looks like a formula is a text."""
    write_xlsx(covered, tmp_path / "made.xlsx")
    book = openpyxl.load_workbook(tmp_path / "made.xlsx")
    assert book.sheetnames == ["cells", "problems"]
    for sheet in book:
        assert sheet.freeze_panes == "A2"
        assert sheet.auto_filter.ref == sheet.dimensions
        assert all(cell.font.bold for cell in sheet[1])
    head, *rows = book["cells"].iter_rows(values_only=True)
    assert head == ("subject", "topic", "sub_topic", "type", "sub_type", "form", "want", "have", "missing", "surplus")
    assert len(rows) == len(covered.cells)
    assert sum(row[6] for row in rows) == 150
    assert sum(row[7] for row in rows) == 6
    head, *rows = book["problems"].iter_rows(values_only=True)
    assert head[1:9] == DIMENSIONS
    assert [row[9] for row in rows] == ["yes"] * 6 + ["no"] * 2
    assert {row[11] for row in rows[:6]} == {0.4}
    assert rows[6][13] == FORMULA
    assert book["problems"]["N8"].data_type == "s"
    assert rows[7][12:] == ("form", "Bare ?")


def run(monkeypatch: pytest.MonkeyPatch, *words: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["selfimprove", "coverage", *map(str, words)])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_the_command_writes_sheet_csv_and_page(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cells may be divided further; the page holds the heat maps and no script."""
    words = (library, "--taxonomy", tmp_path / "small.toml", "--out", tmp_path / "made")
    assert run(monkeypatch, *words, "--by", "form", "--by", "difficulty") == 0
    said = capsys.readouterr().out
    assert "8 problems, 2 of them fit no cell." in said
    assert "library.jsonl, line 7" in said
    rows = list(csv.DictReader((tmp_path / "made" / "coverage.csv").open()))
    assert sum(int(row["want"]) for row in rows) == 150
    assert {row["difficulty"] for row in rows if row["subject"] == "English"} == {"easy", "hard"}
    assert sum(int(row["have"]) for row in rows) == 6
    page = (tmp_path / "made" / "coverage.html").read_text()
    filled = sum(min(int(row["have"]), int(row["want"])) for row in rows)
    assert 0 < filled < 6  # more of a cell than is wanted does not make up for another
    assert f"{filled} of 150 problems that are wanted are there; {150 - filled} are missing" in page
    assert 'title="3 of 50, 47 missing"' in page
    assert "Number &gt; Addition &gt; Mend it" in page
    assert "<script" not in page
    assert (tmp_path / "made" / "coverage.xlsx").is_file()
    before = page
    assert run(monkeypatch, *words, "--by", "form", "--by", "difficulty") == 0
    assert (tmp_path / "made" / "coverage.html").read_text() == before


def test_names_are_escaped_on_the_page(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name of the taxonomy is text, whatever it holds."""
    text = (tmp_path / "small.toml").read_text().replace("Plurals", "<b & c")
    (tmp_path / "odd.toml").write_text(text)
    assert run(monkeypatch, library, "--taxonomy", tmp_path / "odd.toml", "--out", tmp_path / "made") == 0
    page = (tmp_path / "made" / "coverage.html").read_text()
    assert "&lt;b &amp; c" in page
    assert "<b &" not in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("gone.jsonl", "--taxonomy", "small.toml"), "gone.jsonl does not exist"),
        (("library.jsonl", "--taxonomy", "gone.toml"), "gone.toml cannot be read"),
        (("library.jsonl", "--taxonomy", "small.toml", "--by", "colour"), "colour"),
        (("number.jsonl", "--taxonomy", "small.toml"), 'line 1: "topic" is [1], which is no label'),
    ],
)
def test_a_wrong_command_writes_nothing(
    words: tuple[str, ...],
    said: str,
    library: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit code 2, one sentence."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "number.jsonl").write_text('{"question": "Which?", "topic": [1]}\n')
    assert run(monkeypatch, *words, "--out", "made") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "made").exists()

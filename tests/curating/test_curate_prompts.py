"""Saved programs in a curation: used where they fit, frozen when it begins, turned off by `programs = "plain"`."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import grow_models
import pytest
from grow_files import write
from saved_prompts import save

from selfimprove.answers.kinds import kind
from selfimprove.curating.forms import Form
from selfimprove.errors import InputError
from selfimprove.growth.settings import read_settings
from selfimprove.growth.stage import curate
from selfimprove.programs import Program, plain
from selfimprove.programs.in_force import FROZEN, Frozen
from selfimprove.store import RunFolder

NUMBER = Form(kind("number")).instruction
SOLVER = ['who.solve=["told", "cheap"]', "models.told.model=grow_models:Told"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    grow_models.Told.heard.clear()
    return tmp_path


def better(name: str, more: str = "") -> Program:
    return plain(name).with_instructions(f"Do it with care: {name}. {more}".strip())


def programs_in(out: Path) -> set[str]:
    rows = [json.loads(line)["lineage"] for line in (out / "curated.jsonl").read_text().splitlines()]
    return {row["program"] for row in rows if row["generation"]}


def test_saved_programs_are_used_and_frozen(here: Path) -> None:
    """They write, solve and check; what lies in programs/ later changes nothing; the page and the figures name them."""
    writer = save(better("generate"))
    save(better("check_label"))
    save(better("solve_independently", NUMBER), answers=NUMBER)
    config = read_settings(write(here, size=20), SOLVER)
    figures = curate(config, here / "out")
    assert programs_in(here / "out") == {f"generate#{writer.hash()}"}
    told = grow_models.Told.heard
    assert all("with care: check_label" in text for role, text, _ in told if role == "check_label")
    solving = [("with care: solve" in text, "A. " in asked) for role, text, asked in told if role == "solve"]
    assert set(solving) == {(True, False), (False, True)}  # multiple choice is another form of answers
    assert set(figures.programs) == {"generate", "check_label", "solve_independently"}
    page = (here / "out" / "report" / "index.html").read_text()
    assert "gepa" in page
    assert "0.500 (0.400 to 0.600)" in page
    assert "2026-01-02" in page
    shutil.rmtree("programs")
    for name in ("round-001/yield.json", "curated.json"):  # as if it had been killed
        (here / "out" / name).unlink()
    assert curate(config, here / "out") == figures
    assert programs_in(here / "out") == {f"generate#{writer.hash()}"}


def test_plain_turns_saved_programs_off(here: Path) -> None:
    """Nothing of programs/ is used, the page says so, and a folder is not gone on with under the other setting."""
    save(better("generate"))
    config = write(here, size=14)
    figures = curate(read_settings(config, ["curate.programs=plain"]), here / "out")
    assert programs_in(here / "out") == {f"generate#{plain('generate').hash()}"}
    assert not figures.programs
    assert not Frozen.model_validate_json((here / "out" / FROZEN).read_bytes()).cards
    assert "All prompts are plain" in (here / "out" / "report" / "index.html").read_text()
    with pytest.raises(InputError, match=r"curate\.programs: 'plain' -> 'saved'"):
        curate(read_settings(config), here / "out")


def test_what_proves_nothing_or_fits_no_form_is_left_out(here: Path) -> None:
    """A card without a gain, and a solver that was told another form of answers, put nothing in force."""
    save(better("generate"), gain=0.0)
    save(better("solve_independently", "End with a poem."), answers="End with a poem.")
    figures = curate(read_settings(write(here, size=14)), here / "out")
    assert not figures.programs
    assert programs_in(here / "out") == {f"generate#{plain('generate').hash()}"}


def test_a_damaged_saved_program_is_refused_and_leaves_nothing(here: Path) -> None:
    """The file is named, and no folder is begun."""
    save(better("generate"))
    Path("programs/seeds/generate.json").write_text("{")
    with pytest.raises(InputError, match="is no saved program"):
        curate(read_settings(write(here)), here / "out")
    assert not (here / "out").exists()


def test_a_refused_curation_takes_nothing_of_a_campaign_away(here: Path) -> None:
    """Another's folder, given by mistake, keeps every file that it had."""
    out = here / "out"
    with closing(RunFolder(out)) as folder:
        folder.write_text("campaign.toml", "")
        folder.write_json(FROZEN, {"programs": {}})
    (out / "ledger.sqlite").touch()
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(InputError, match="holds a campaign"):
        curate(read_settings(write(here)), out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before

"""Who is said to run a saved program: those that do."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfimprove.compiling.users import use_of
from selfimprove.config.curating import CurateConfig
from selfimprove.graphs.compiling import _APART
from selfimprove.growth.prompts import _used
from selfimprove.programs import SIGNATURES, plain
from selfimprove.programs.saved import Card, Measured, place_of, save_program
from selfimprove.records import Interval
from selfimprove.stats import compare_means

CURATION = CurateConfig.model_validate(
    {
        "curate": {"seeds": "reasoning_gym-gcd.jsonl", "taxonomy": "small.toml"},
        "trace": {"traces": "best_scored", "scorer": "judge:m"},
    }
)
TASK = "reasoning_gym:gcd"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def saved(name: str, place: Path, gain: float = 1.0) -> Card:
    half = Measured(score=0.5, interval=Interval(low=0.4, high=0.6))
    program = plain(name)
    card = Card(
        program=name, task=TASK, fields=program.fields, saved="", optimizer="gepa", metric="match", model="m",
        written_by="w", cases=9, held_out=20, before=half, after=half, gain=compare_means([gain] * 20, [0.0] * 20),
        data="d", seed=0, date="2026-01-01",
    )  # fmt: skip
    save_program(program, card, place)
    return card


@pytest.mark.parametrize("name", sorted(SIGNATURES))
def test_who_runs_a_program_is_told_as_it_is(name: str) -> None:
    """Campaigns are named for what a round runs and for nothing else, curations for what one can run."""
    place = place_of(name, "" if "label" in name else TASK)
    said = use_of(saved(name, place), place)
    assert (f"campaigns of {TASK}" in said) == (name not in _APART)
    assert ("curations" in said) == (name in set(_used(CURATION)))
    assert ("reasoning_gym-gcd.jsonl" in said) == (name in set(_used(CURATION)) - {"check_label"})
    assert ("selfimprove label" in said) == (name in {"label", "check_label"})
    assert said.startswith("Nothing runs judge" if name == "judge" else "From here on it is taken by ")


def test_nobody_looks_for_a_program_elsewhere(folder: Path) -> None:
    """A folder of one's own is no place that campaigns look in; what shows no gain is taken nowhere."""
    place = place_of("ask", TASK, folder / "mine")
    assert use_of(saved("ask", place), place).startswith("Nobody looks for it there; in the folder programs")
    assert use_of(saved("ask", place_of("ask", TASK), gain=0.0), place) == "Nobody takes it, as it shows no gain."

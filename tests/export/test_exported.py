"""A campaign's best student in a folder of its own: adapter or merged model, with a card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from selfimprove.campaign import chat_template_of, read_summary
from selfimprove.config import load_config
from selfimprove.errors import InputError
from selfimprove.export import exported
from selfimprove.export.exported import export
from selfimprove.programs import Program
from selfimprove.report.schema import Best, Summary
from selfimprove.students.transformers import TransformersStudent


@pytest.mark.usefixtures("summary")
def test_the_adapter_is_written_with_its_card(run: Path, tmp_path: Path, asked: Program) -> None:
    """It loads, names its base instead of a folder of this machine, and the card tells the result and the data."""
    made = export(run, tmp_path / "out")
    told = json.loads((made.folder / "adapter_config.json").read_text())
    base = load_config(run / "campaign.toml").campaign.student
    assert told["base_model_name_or_path"] == Path(base).name
    compile(made.load, "", "exec")
    assert made.load.startswith("from peft import PeftModel\n")
    assert f'from_pretrained("{base}")' in made.load
    assert made.load.endswith(f"# {made.folder / 'README.md'} has the messages to ask it with")
    card = (made.folder / "README.md").read_text()
    assert card.startswith("---\nbase_model: ")
    assert "Round 1 answers 9 of 10 held-out problems." in card
    assert "aaaaaaaaaaaaaaaa" in card
    assert "licence of the base model was not found" in card
    trained = asked.hash(chat_template_of(TransformersStudent(base)))
    assert f"- Prompt and chat template: {trained}. " in card
    turns = json.loads(card.partition("```json\n")[2].partition("\n```")[0])
    assert turns == [turn.model_dump() for turn in asked.messages({"problem": "PROBLEM"})]
    assert TransformersStudent(base, adapter=made.folder).identity
    assert str(Path(base).parent) not in card
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "metrics.json", "training.jsonl",
    ]  # fmt: skip


@pytest.mark.usefixtures("summary")
def test_an_export_that_fails_leaves_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder half written stands beside the one that was asked for."""

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(exported, "write_whole", full)
    with pytest.raises(OSError, match="no space left"):
        export(run, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("merge", [False, True])
def test_an_export_that_is_there_is_given_again(
    run: Path,
    summary: Summary,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    merge: bool,  # noqa: FBT001 - pytest
) -> None:
    """So that the same command uploads what an upload that failed left; one of another kind or campaign is not given."""
    made = export(run, tmp_path / "out", merge=merge)
    files = {path: path.stat().st_mtime_ns for path in made.folder.iterdir()}
    assert export(run, tmp_path / "out", merge=merge) == made
    assert {path: path.stat().st_mtime_ns for path in made.folder.iterdir()} == files
    with pytest.raises(InputError, match="is not empty"):
        export(run, tmp_path / "out", merge=not merge)
    monkeypatch.setattr(exported, "read_summary", lambda _: summary.model_copy(update={"seed": 7}))
    with pytest.raises(InputError, match="is not empty"):
        export(run, tmp_path / "out", merge=merge)


@pytest.mark.usefixtures("summary")
def test_the_folder_that_one_is_in_is_not_exported_into(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It could not be put in place whole; one sentence."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"\. is the folder that you are in; name a new one"):
        export(run, Path())
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_exported(run: Path, summary: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No promotion, a folder with files, no campaign: one sentence each, and nothing is written."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="is not empty"):
        export(run, tmp_path / "full")
    with pytest.raises(InputError, match=r"mine\.txt cannot be a folder, as .*mine\.txt is a file"):
        export(run, tmp_path / "full" / "mine.txt")
    nothing = summary.model_copy(update={"best": Best(path="", round=0, load="")})
    monkeypatch.setattr(exported, "read_summary", lambda _: nothing)
    with pytest.raises(InputError, match="nothing to export"):
        export(run, tmp_path / "out")
    monkeypatch.setattr(exported, "read_summary", read_summary)
    with pytest.raises(InputError, match="holds no campaign"):
        export(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()

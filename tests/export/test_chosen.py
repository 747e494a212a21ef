"""Another adapter than the best: one that the campaign trained, or one that was combined of those."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import runs

from selfimprove.errors import InputError
from selfimprove.export import exported
from selfimprove.export.chosen import choose
from selfimprove.export.exported import export
from selfimprove.openings import looks_at
from selfimprove.report.schema import Best, Summary
from selfimprove.store import RunFolder
from selfimprove.students.adapters import adapter_hash
from selfimprove.trainers.combining import combine

FIRST, SECOND = "round-01/arms/track_b/adapter", "round-02/arms/track_b/adapter"


@pytest.fixture
def combined(run: Path, family: Callable[[str], Path], tmp_path: Path) -> Path:
    """The average of both rounds."""
    return combine(family("llama"), [run / FIRST, run / SECOND], tmp_path / "average")


@pytest.mark.usefixtures("summary")
@pytest.mark.parametrize("inside", [True, False])
def test_another_adapter_is_exported(run: Path, tmp_path: Path, inside: bool) -> None:  # noqa: FBT001 - pytest
    """Named from the run folder or not; merged, it is checked against what the campaign measured of it."""
    named = Path(SECOND) if inside else run / SECOND
    made = export(run, tmp_path / "out", adapter=named)
    assert adapter_hash(made.folder) == adapter_hash(run / SECOND) != adapter_hash(run / FIRST)
    card = (made.folder / "README.md").read_text()
    assert "No campaign promoted this adapter (round 2, track_b). It was not measured on test." in card
    assert "9 of 10" not in card
    assert "12 of the completions are the same." in export(run, tmp_path / "whole", adapter=named, merge=True).checked
    (look,) = looks_at(RunFolder(run, writer=False).hashes["data/dev.jsonl"])
    assert look.what == "round 2, track_b, merged"


def test_a_campaign_without_a_best_has_adapters_too(
    run: Path, summary: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing was promoted the sentence says what can be named."""
    nothing = summary.model_copy(update={"best": Best(path="", round=0, load="")})
    monkeypatch.setattr(exported, "read_summary", lambda _: nothing)
    with pytest.raises(InputError, match="nothing to export but what --adapter names"):
        export(run, tmp_path / "out")
    assert (export(run, tmp_path / "out", adapter=Path(FIRST)).folder / "README.md").is_file()


def test_what_the_test_split_calls_an_adapter_is_found(run: Path, summary: Summary, tmp_path: Path) -> None:
    """By the adapters that were tested; the best by its own place."""
    shutil.copytree(run, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    folder.write_json("final/tested.json", {"base": "", "best": FIRST, "track_b": SECOND})
    found = {named: choose(folder, summary, Path(named)) for named in (FIRST, SECOND)}
    folder.close()
    assert {named: (each.tested, each.best) for named, each in found.items()} == {
        FIRST: ("best", True),
        SECOND: ("track_b", False),
    }


@pytest.mark.usefixtures("summary")
def test_what_was_combined_of_a_campaigns_adapters_is_exported(run: Path, combined: Path, tmp_path: Path) -> None:
    """With the prompt of its parts, which it names as the campaign does; the card says that there are no figures."""
    made = export(run, tmp_path / "out", adapter=combined)
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "combined.json",
    ]  # fmt: skip
    assert adapter_hash(made.folder) == adapter_hash(combined)
    assert json.loads((made.folder / "combined.json").read_text())["combined"] == [FIRST, SECOND]
    card = (made.folder / "README.md").read_text()
    assert "linear of round 1, track_b and round 2, track_b. No campaign promoted or measured it" in card
    assert "Add up. End with the line" in card
    assert str(tmp_path.parent) not in "".join(path.read_text() for path in made.folder.glob("*.*[dn]"))


@pytest.mark.usefixtures("summary")
def test_what_was_combined_is_merged_and_checked(run: Path, combined: Path, tmp_path: Path) -> None:
    """Against the adapter itself, as the campaign measured nothing of it; that look at dev is counted."""
    made = export(run, tmp_path / "out", adapter=combined, merge=True)
    assert "on 12 dev problems" in made.checked
    assert made.checked.endswith("12 of the completions are the same.")
    (look,) = looks_at(RunFolder(run, writer=False).hashes["data/dev.jsonl"])
    assert look.what == "linear of round 1, track_b and round 2, track_b, merged"


@pytest.mark.usefixtures("summary")
def test_what_is_not_of_the_campaign_is_refused(
    run: Path, combined: Path, family: Callable[[str], Path], tmp_path: Path
) -> None:
    """No folder, another campaign's, made of another's, over another base, damaged: one sentence each."""

    def refused(adapter: Path, said: str) -> None:
        with pytest.raises(InputError, match=said):
            export(run, tmp_path / "out", adapter=adapter)
        assert not (tmp_path / "out").exists()

    refused(Path("round-01/arms/track_a/adapter"), 'did you mean "round-01/arms/track_b/adapter"')
    refused(tmp_path, "is no adapter that the campaign in .* trained, nor combined of those")
    other = tmp_path / "other" / FIRST
    shutil.copytree(run / FIRST, other)
    refused(other, "is no adapter that the campaign in .* trained, nor combined of those")
    (other / "adapter_model.safetensors").write_bytes((combined / "adapter_model.safetensors").read_bytes())
    strange = tmp_path / "strange"
    shutil.copytree(combined, strange)
    file, told = strange / "combined.json", json.loads((combined / "combined.json").read_text())
    for part in (other, combined, tmp_path / "gone"):
        file.write_text(json.dumps({**told, "combined": [str(run / FIRST), str(part)]}))
        refused(strange, f"strange is made of {part}, which is not there or no adapter that the campaign in")
    file.write_text("[]")
    refused(strange, "combined.json is not what selfimprove combine writes")
    file.write_text(json.dumps(told))
    settings = json.loads((combined / "adapter_config.json").read_text())
    (strange / "adapter_config.json").write_text(
        json.dumps({**settings, "base_model_name_or_path": str(family("qwen2"))})
    )
    refused(strange, "was trained on .*, not on")


@pytest.mark.usefixtures("summary")
def test_the_command_takes_an_adapter(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line that loads what was written is told."""
    done = runs(monkeypatch, capsys, "export")(run, "--adapter", SECOND, "--out", tmp_path / "out", "--quiet")
    assert f"Exported: {tmp_path / 'out'}" in done.stdout
    assert "(round 2, track_b)" in (tmp_path / "out" / "README.md").read_text()

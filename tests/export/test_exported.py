"""A campaign's best student in a folder of its own: adapter or merged model, with a card."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from warm_trainer import Warm

from selfimprove.campaign import chat_template_of, read_summary
from selfimprove.config import load_config, make_config, write_config
from selfimprove.errors import InputError
from selfimprove.export import exported
from selfimprove.export.exported import export
from selfimprove.openings import looks_at, run_id
from selfimprove.programs import program_for
from selfimprove.records import Sampling, TrackRow, TrainingJob
from selfimprove.report.schema import Best, CostSummary, Provenance, Summary
from selfimprove.steps.draft import solve
from selfimprove.store import RunFolder
from selfimprove.students.transformers import TransformersStudent
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.trainers.process import ProcessTrainer

SIZES = {"train": 8, "dev": 12, "test": 4}
TASK = Arithmetic(kinds=("sum",), levels=(2,), sizes=SIZES)


@pytest.fixture(scope="module")
def run(family: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory, warm: Warm) -> Path:
    """A run folder with an adapter that a tiny Llama was really trained to, and its dev predictions."""
    out, base, solving = tmp_path_factory.mktemp("export") / "run", family("llama"), program_for("solve", TASK)
    arm = out / "round-01" / "arms" / "track_b"
    rows = [
        TrackRow(
            id=p.id, track="track_b", program="solve", inputs={"problem": p.question}, target=f"Answer: {p.answer}",
            answer=p.answer, problem=p.id, source="reference", round=1,
        )
        for p in TASK.problems("train")
    ]  # fmt: skip
    arm.mkdir(parents=True)
    (arm / "rows.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    sft = {"learning_rate": 1e-2, "num_train_epochs": 3}
    job = TrainingJob(
        model=str(base), rows=str(arm / "rows.jsonl"), out=str(arm / "adapter"),
        program_state={"solve": solving.dump()}, settings={"sft": sft},
        render_hash=solving.hash(chat_template_of(TransformersStudent(base))),
    )  # fmt: skip
    ProcessTrainer(launcher=warm.launcher).train(job)
    settings = {
        "campaign": {"task": "arithmetic", "student": str(base)},
        "task": {"kinds": ["sum"], "levels": [2]},
        "data": SIZES,
        "student": {"max_tokens": 10},
    }
    folder, student = RunFolder(out), TransformersStudent(base, adapter=arm / "adapter")
    problems = list(TASK.problems("dev"))
    made = [some[0] for some in solve(problems, student, solving, TASK, Sampling(max_tokens=10))]
    folder.write_rows("data/dev.jsonl", problems)
    folder.write_rows("round-01/arms/track_b/predictions.jsonl", made)
    folder.write_text("campaign.toml", write_config(make_config(settings, "here")))
    folder.close()
    return out


@pytest.fixture
def summary(run: Path, monkeypatch: pytest.MonkeyPatch) -> Summary:
    """What the campaign is said to have come to."""
    made = Summary(
        sentence="Round 1 answers 9 of 10 held-out problems.", next_step="", task="arithmetic", student="tiny",
        teacher="reference", seed=0, state="finished", cost=CostSummary(usd=0.0), wall_s=1.0,
        best=Best(path=str(run / "round-01/arms/track_b/adapter"), round=1, load=""),
        provenance=Provenance(selfimprove="0.1.0", python="3.11", data={"dev": "a" * 64}, render_hash="of the base's"),
    )  # fmt: skip
    monkeypatch.setattr(exported, "read_summary", lambda _: made)
    return made


@pytest.mark.usefixtures("summary")
def test_the_adapter_is_written_with_its_card(run: Path, tmp_path: Path) -> None:
    """It loads, names its base instead of a folder of this machine, and the card tells the result and the data."""
    made = export(run, tmp_path / "out")
    told = json.loads((made.folder / "adapter_config.json").read_text())
    base = load_config(run / "campaign.toml").campaign.student
    assert told["base_model_name_or_path"] == Path(base).name
    assert base in made.load
    card = (made.folder / "README.md").read_text()
    assert card.startswith("---\nbase_model: ")
    assert "Round 1 answers 9 of 10 held-out problems." in card
    assert "aaaaaaaaaaaaaaaa" in card
    assert "licence of the base model was not found" in card
    trained = program_for("solve", TASK).hash(chat_template_of(TransformersStudent(base)))
    assert f"- Prompt and chat template: {trained}. " in card
    asked = json.loads(card.partition("```json\n")[2].partition("\n```")[0])
    assert asked == [turn.model_dump() for turn in program_for("solve", TASK).messages({"problem": "PROBLEM"})]
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


@pytest.mark.usefixtures("summary")
def test_the_merged_model_answers_as_the_campaign_measured(run: Path, tmp_path: Path) -> None:
    """The same completions without any adapter, and the sentence that says so stands in the card."""
    made = export(run, tmp_path / "out", merge=True)
    assert made.checked.startswith("Merging was checked on 12 dev problems:")
    assert made.checked.endswith("12 of the completions are the same.")
    assert made.checked in (made.folder / "README.md").read_text()
    (look,) = looks_at(RunFolder(run, writer=False).hashes["data/dev.jsonl"])
    assert (look.split, look.run, look.what) == ("dev", run_id(run), "round 1, track_b, merged")
    assert not (made.folder / "adapter_config.json").exists()
    assert (made.folder / "model.safetensors").stat().st_mode & 0o044


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


def test_an_upload_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub's own words in one sentence."""

    class Api:
        def create_repo(self, *_: Any, **__: Any) -> None:
            if not private:
                return
            raise ConnectionError("401 Unauthorized\nmore")

        def repo_info(self, _: str) -> Any:
            return SimpleNamespace(private=False)

    private = True
    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    with pytest.raises(InputError, match="me/mine was not uploaded: 401 Unauthorized; log in"):
        exported.push(tmp_path, "me/mine")
    private = False
    with pytest.raises(InputError, match="me/mine is there already and public"):
        exported.push(tmp_path, "me/mine")

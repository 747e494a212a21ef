"""The merged model: it answers as the campaign measured, or it is not given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from selfimprove.errors import SelfImproveError
from selfimprove.export import exported
from selfimprove.export.exported import export
from selfimprove.openings import looks_at, run_id
from selfimprove.records import Attempt, Verdict
from selfimprove.report.schema import Best, Summary
from selfimprove.store import RunFolder
from selfimprove.students.resident import cpu_dtype
from selfimprove.students.transformers import TransformersStudent


def measured(run: Path, round_: int = 1) -> list[Attempt]:
    """Read what the campaign measured of a round."""
    return RunFolder(run, writer=False).rows(f"round-0{round_}/arms/track_b/predictions.jsonl", Attempt)


@pytest.mark.parametrize("round_", [1, 2])
def test_the_merged_model_answers_as_the_campaign_measured(
    run: Path, summary: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, round_: int
) -> None:
    """The same completions without any adapter, also of one whose base was in 4 bits; the card has the sentence."""
    best = Best(path=str(run / f"round-0{round_}/arms/track_b/adapter"), round=round_, load="")
    monkeypatch.setattr(exported, "read_summary", lambda _: summary.model_copy(update={"best": best}))
    made = export(run, tmp_path / "out", merge=True)
    solved = sum(a.verdict is Verdict.CORRECT for a in measured(run, round_))
    assert solved >= 8
    assert made.checked == (
        f"Merging was checked on 12 dev problems, in {cpu_dtype()}: {solved} solved before, {solved} after, "
        "12 of the completions are the same."
    )
    assert made.checked in (made.folder / "README.md").read_text()
    (look,) = looks_at(RunFolder(run, writer=False).hashes["data/dev.jsonl"])
    assert (look.split, look.run, look.what) == ("dev", run_id(run), f"round {round_}, track_b, merged")
    assert not (made.folder / "adapter_config.json").exists()
    assert (made.folder / "model.safetensors").stat().st_mode & 0o044


def _zeroed(weights: Any) -> Any:
    return torch.zeros_like(weights)


def _disturbed(weights: Any) -> Any:
    return weights + torch.randn(weights.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.usefixtures("summary")
@pytest.mark.parametrize("ruin", [_zeroed, _disturbed])
def test_a_merge_that_ruins_the_student_is_refused(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ruin: Callable[[Any], Any]
) -> None:
    """One sentence with the numbers, and no folder."""
    from safetensors.torch import load_file, save_file

    save = TransformersStudent.save

    def saved(self: TransformersStudent, out: Path) -> None:
        save(self, out)
        file = out / "model.safetensors"
        save_file({name: ruin(each) for name, each in load_file(file).items()}, file, metadata={"format": "pt"})

    monkeypatch.setattr(TransformersStudent, "save", saved)
    solved = sum(a.verdict is Verdict.CORRECT for a in measured(run))
    said = rf"of 12 dev problems {solved} were solved before and 0 after \(p [<=] 0\.00\d\), so it is not kept"
    with pytest.raises(SelfImproveError, match=said):
        export(run, tmp_path / "out", merge=True)
    assert list(tmp_path.iterdir()) == []

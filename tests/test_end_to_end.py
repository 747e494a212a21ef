"""Whole campaigns with a real (tiny, random) model, trained for real; `tests/kill` kills them."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from warm_trainer import Warm

from selfimprove.records import TrackRow, TrainingJob
from selfimprove.report.schema import Summary

ROOT = Path(__file__).resolve().parents[1]
TINY = """
[campaign]
student = "{student}"
rounds = 1
arms = ["track_b"]
[task]
kinds = ["sum"]
levels = [2]
[data]
train = 60
dev = 20
test = 20
[student]
max_tokens = 12
[lesson]
asking = "two_calls"
[evaluate]
shots = 0
[mine]
pool = 16
samples = 1
[train.sft]
max_steps = 2
"""


@pytest.fixture(scope="module")
def text(family: Callable[[str], Path]) -> str:
    """Give a campaign of seconds: a tiny random Llama on a little arithmetic."""
    return TINY.format(student=family("llama"))


@pytest.fixture
def campaign(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, text: str) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Run it once without interruption; give its folder and what was printed."""
    path = tmp_path_factory.mktemp("whole") / "tiny.toml"
    path.write_text(text)
    return path.parent / "run", run(path)


def command(path: Path) -> list[str]:
    return [sys.executable, "-m", "selfimprove.cli", "run", str(path), "--out", str(path.parent / "run"), "--quiet"]


def run(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(path), capture_output=True, text=True, check=False, timeout=400)


def files(folder: Path) -> dict[str, bytes]:
    """Give the bytes of what a campaign is judged by."""
    kept = ("track_", "predictions", "evaluation", "decision", "adapter_model", "lessons", "rows", "tested", "metrics")
    found = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file() and p.stem.startswith(kept)}
    return {name: path.read_bytes() for name, path in sorted(found.items())}


def test_tiny_campaign_ends_with_an_honest_report(whole: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """A random model learns nothing from two steps, and the report says so; adapters are safetensors alone."""
    folder, done = whole
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("No significant change")
    assert (folder / "round-01/arms/track_b/adapter/adapter_model.safetensors").is_file()
    assert not [p for p in folder.rglob("*") if p.suffix in {".bin", ".pt", ".pkl"}]
    assert "<html" in (folder / "report/index.html").read_text()
    summary = Summary.model_validate_json((folder / "report/summary.json").read_text())
    assert summary.test is not None
    assert (summary.test.opened, summary.test.n) == (1, 20)


def attempt_appears(folder: Path) -> bool:
    return any(folder.glob("round-01/arms/*/adapter.attempt-*/training.log"))


def drafts_appear(folder: Path) -> bool:
    return (folder / "round-01" / "drafts.jsonl").exists()


@pytest.mark.slow
@pytest.mark.parametrize("moment", [drafts_appear, attempt_appears])
def test_killed_campaign_ends_as_if_nothing_had_happened(
    campaign: Path, whole: tuple[Path, subprocess.CompletedProcess[str]], moment: Callable[[Path], bool]
) -> None:
    """SIGKILL of a process that was started from nothing, as a user's is: the same files, no call repeated.

    What `tests/kill` shows in forks of one process; here every process draws another hash seed.
    """
    folder = campaign.parent / "run"
    with subprocess.Popen(command(campaign), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        deadline = time.monotonic() + 300
        while not moment(folder) and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.05)
        assert child.poll() is None, "the campaign ended before it could be killed"
        os.kill(child.pid, signal.SIGKILL)
    answered = _answered(folder)
    assert answered
    assert run(campaign).returncode == 0
    assert files(folder) == files(whole[0])
    assert answered.items() <= _answered(folder).items(), "an answered call was made again"


def _answered(folder: Path) -> dict[str, int]:
    """Give how often each answered call was tried."""
    with sqlite3.connect(folder / "ledger.sqlite") as db:
        return dict(db.execute("SELECT key, tries FROM calls WHERE state='answered'"))


def test_interrupted_campaign_says_so(campaign: Path) -> None:
    """Ctrl-C ends with code 130 and one sentence; the folder can be gone on with."""
    with subprocess.Popen(command(campaign), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as child:
        while not drafts_appear(campaign.parent / "run") and child.poll() is None:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "the same command goes on" in said


def test_training_that_fails_names_its_reason(tmp_path: Path, family: Callable[[str], Path], warm: Warm) -> None:
    """A training process that ends badly leaves no adapter, and its last lines are in the error."""
    from selfimprove.errors import TrainingError
    from selfimprove.programs import program_for
    from selfimprove.tasks.arithmetic import Arithmetic
    from selfimprove.trainers.process import ProcessTrainer

    row = TrackRow(
        id="r", track="track_b", program="solve", inputs={"problem": "1 + 1"}, target="2 " * 300, answer="2",
        problem="p", source="reference", round=1,
    )  # fmt: skip
    (tmp_path / "rows.jsonl").write_text(row.model_dump_json() + "\n")
    job = TrainingJob(
        model=str(family("llama")),
        rows=str(tmp_path / "rows.jsonl"),
        out=str(tmp_path / "arm" / "adapter"),
        program_state={"solve": program_for("solve", Arithmetic()).dump()},
        settings={"sft": {"max_length": 64}},
    )
    with pytest.raises(TrainingError, match="none of its 1 rows fits max_length = 64"):
        ProcessTrainer(launcher=warm.launcher).train(job)
    assert not (tmp_path / "arm" / "adapter").exists()

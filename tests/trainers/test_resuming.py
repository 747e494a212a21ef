"""Trainings that are killed and gone on with, for real, on a tiny random model."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from warm_trainer import Warm

from selfimprove.programs import program_for, stated
from selfimprove.records import PracticeRow, PreferenceRow, TrackRow, TrainingJob, VerdictRow
from selfimprove.tasks.arithmetic import Arithmetic
from selfimprove.trainers.arguments import whole_steps
from selfimprove.trainers.checkpoints import checkpoints_of, halved_before, last_whole, own_only
from selfimprove.trainers.process import ProcessTrainer
from selfimprove.trainers.resuming import Timely

TASK = Arithmetic(levels=(2,), sizes={"train": 24})
SOLVE = program_for("solve", TASK)
KILLER = """
import os, pathlib, signal, subprocess, sys
flag, step, pid = pathlib.Path(sys.argv[1]), sys.argv[2], pathlib.Path(sys.argv[3])
child = subprocess.Popen(sys.argv[4:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
for line in child.stdout:
    print(line, end="", flush=True)
    if line.startswith(f"step {step} of") and not flag.exists():
        flag.touch()
        os.kill(int(pid.read_text()) if pid.exists() else child.pid, signal.SIGKILL)
        child.wait()
        sys.exit(137)
sys.exit(child.wait())
"""
LETTERS = "def count(tried):\n    return float(sum(map(str.isalpha, tried.attempt.text)))\n"


def killing(folder: Path, step: int, start: Warm) -> tuple[str, ...]:
    """Give a launcher that kills the training at a step, the first time."""
    (folder / "killer.py").write_text(KILLER)
    return (sys.executable, str(folder / "killer.py"), str(folder / "once"), str(step), str(start.pid), *start.launcher)


def sft_row(at: int, problem: str, answer: str) -> TrackRow:
    return TrackRow(
        id=f"{at:02d}", track="track_b", program="solve", inputs={"problem": problem}, target=f"Answer: {answer}",
        answer=answer, problem=str(at), source="reference", round=1,
    )  # fmt: skip


def pair(at: int, problem: str, answer: str) -> PreferenceRow:
    return PreferenceRow(
        id=f"{at:02d}", program="solve", inputs={"problem": problem}, chosen=f"Answer: {answer}",
        rejected="Answer: 77, or so", problem=str(at), lesson="", round=1,
    )  # fmt: skip


def judged(at: int, problem: str, answer: str) -> VerdictRow:
    return VerdictRow(
        id=f"{at:02d}", program="solve", inputs={"problem": problem}, text=f"Answer: {answer if at % 2 else 77}",
        right=bool(at % 2), problem=str(at), round=1,
    )  # fmt: skip


def job_of(method: str, model: Path, folder: Path, **more: Any) -> TrainingJob:
    """Give a job of eight steps with a checkpoint behind the third and the sixth; `more` are settings over its own."""
    problems = list(TASK.problems("train"))
    rows: list[TrackRow | PreferenceRow | PracticeRow | VerdictRow] = []
    for at, problem in enumerate(problems):
        if method in {"grpo", "rloo", "distill"}:
            asked = {"problem": stated(problem)}
            rows.append(PracticeRow(id=problem.id, program="solve", inputs=asked, problem=problem, passed=1, failed=1))
        else:
            made = {"sft": sft_row, "full": sft_row, "dpo": pair, "kto": judged}[method]
            rows.append(made(at, stated(problem), problem.answer))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(row.model_dump_json() + "\n" for row in rows))
    own = {
        "sft": {"per_device_train_batch_size": 6, "num_train_epochs": 2},
        "dpo": {"per_device_train_batch_size": 3},
        "grpo": {
            "per_device_train_batch_size": 8,
            "num_generations": 4,
            "max_completion_length": 8,
            "max_steps": 8,
            "rewards": {"letters:count": 1.0},
            "mask_truncated_completions": False,
        },
    }
    own["rloo"] = own["grpo"]
    own["kto"] = own["dpo"]
    own["full"] = own["sft"]
    own["distill"] = {"per_device_train_batch_size": 3, "max_completion_length": 8, "teacher": str(model)}
    return TrainingJob(
        model=str(model),
        rows=str(folder / "rows.jsonl"),
        out=str(folder / "adapter"),
        method="sft" if method == "full" else method,
        program_state={"solve": SOLVE.dump()},
        settings={
            "sft" if method == "full" else method: {
                "learning_rate": 1e-2,
                "logging_steps": 1,
                **own[method],
                **more.pop(method, {}),
            },
            "full": method == "full",
            "task": {"name": "arithmetic", "options": {}, "data_dir": None},
            "checkpoint_steps": 3,
            **more,
        },
        seed=3,
    )


def case(name: str, figure: str = "loss", *, slow: bool = False, **more: Any) -> Any:
    """Give a method, settings over the job's own, and a figure that each step logs."""
    return pytest.param(name.partition(" ")[0], more, figure, id=name, marks=[pytest.mark.slow] * slow)


@pytest.mark.parametrize(
    ("method", "more", "figure"),
    [
        case("sft"),
        case("dpo"),
        case("kto", "kl"),
        case("grpo"),
        case("grpo near its beginning", "kl", grpo={"beta": 0.04}),
        case("distill"),
        case("rloo", slow=True),
        case("rloo near its beginning", "kl", slow=True, rloo={"beta": 0.04}),
        case("full", slow=True),
        case("sft in 4 bits", slow=True, quantize=True),
        case("dpo in 4 bits", slow=True, quantize=True),
        case("kto in 4 bits", "kl", slow=True, quantize=True),
    ],
)
def test_killed_and_gone_on_with_is_the_same_as_not_killed(
    family: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    warm: Warm,
    method: str,
    more: dict[str, Any],
    figure: str,
) -> None:
    """Killed at the fifth of eight steps it goes on from the third; every byte and logged figure is the same, a number."""
    (tmp_path / "letters.py").write_text(LETTERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    whole, killed = (job_of(method, family("llama"), tmp_path / name, **more) for name in ("whole", "killed"))
    ProcessTrainer(launcher=warm.launcher).train(whole)
    made = ProcessTrainer(launcher=killing(tmp_path, 5, warm)).train(killed)
    assert (tmp_path / "once").exists()
    assert "goes on from step 3" in (Path(made.path) / "training.log").read_text()
    logged = [json.loads(line) for line in (Path(made.path) / "training.jsonl").read_text().splitlines()]
    assert max(entry.get("grad_norm", 0.0) for entry in logged) > 0
    told = [entry[figure] for entry in logged if "loss" in entry]
    assert len(told) == made.steps
    assert all(map(math.isfinite, told))
    assert any(told)
    weights = ("model", "config") if method == "full" else ("adapter_model", "adapter_config")
    for name in (f"{weights[0]}.safetensors", f"{weights[1]}.json", "training.jsonl", "metrics.json"):
        assert (Path(whole.out) / name).read_bytes() == (Path(killed.out) / name).read_bytes(), name
    assert not checkpoints_of(killed).exists()


def test_steps_that_take_minutes_get_a_checkpoint_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five minutes after the last, behind a step where no log entry is amid; then they are counted anew."""
    now = [0.0]
    monkeypatch.setattr("selfimprove.trainers.resuming.time.monotonic", lambda: now[0])
    timely, saved = Timely(), list[int]()
    args: Any = SimpleNamespace(logging_strategy="steps", logging_steps=2)
    for step in range(1, 13):
        now[0], state = 100.0 * step, SimpleNamespace(global_step=step)
        control: Any = SimpleNamespace(should_save=False)
        timely.on_step_end(args, state, control)
        if control.should_save:
            saved.append(step)
            timely.on_save(args, state, control)
    assert saved == [4, 8, 12]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU")
@pytest.mark.parametrize("method", ["sft", "dpo", "kto", "grpo", "rloo", "distill"])
def test_killed_on_a_gpu_and_gone_on_with_is_nearly_the_same(
    family: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A GPU sums in any order, so weights and losses are the same within rounding: the same rows in the same order."""
    (tmp_path / "letters.py").write_text(LETTERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    whole, killed = (job_of(method, family("llama"), tmp_path / name) for name in ("whole", "killed"))
    gentle = {**whole.settings[method], "learning_rate": 1e-3}  # type: ignore[dict-item]
    whole, killed = (j.model_copy(update={"settings": {**j.settings, method: gentle}}) for j in (whole, killed))
    ProcessTrainer().train(whole)
    cold = Warm((sys.executable,), Path("none"))
    made = ProcessTrainer(launcher=killing(tmp_path, 5, cold)).train(killed)
    assert "goes on from step 3" in (Path(made.path) / "training.log").read_text()
    first, second = (load_file(Path(job.out) / "adapter_model.safetensors") for job in (whole, killed))
    for name, weight in first.items():
        assert torch.allclose(weight.float(), second[name].float(), atol=2e-3), name
    logs = [(Path(job.out) / "training.jsonl").read_text().splitlines() for job in (whole, killed)]
    pairs = list(zip(*(map(json.loads, lines) for lines in logs), strict=True))
    assert [a["step"] for a, _ in pairs] == [b["step"] for _, b in pairs]
    assert all(a["loss"] == pytest.approx(b["loss"], abs=2e-2) for a, b in pairs if "loss" in a)


def test_no_log_entry_is_cut_in_two(family: Callable[[str], Path], tmp_path: Path, warm: Warm) -> None:
    """With an entry every second step, checkpoints that are asked for every third are written behind the fourth."""
    whole, killed = (job_of("sft", family("llama"), tmp_path / name) for name in ("whole", "killed"))
    coarse: Any = {**whole.settings["sft"], "logging_steps": 2}  # type: ignore[dict-item]
    whole, killed = (j.model_copy(update={"settings": {**j.settings, "sft": coarse}}) for j in (whole, killed))
    ProcessTrainer(launcher=warm.launcher).train(whole)
    made = ProcessTrainer(launcher=killing(tmp_path, 5, warm)).train(killed)
    assert "goes on from step 4" in (Path(made.path) / "training.log").read_text()
    for name in ("adapter_model.safetensors", "training.jsonl", "metrics.json"):
        assert (Path(whole.out) / name).read_bytes() == (Path(killed.out) / name).read_bytes(), name


@pytest.mark.parametrize(
    ("used", "accumulated", "logged", "asked", "made"),
    [(1, 1, 1, 100, 100), (1, 1, 5, 3, 5), (1, 1, 5, 6, 10), (6, 1, 1, 100, 102), (6, 4, 2, 7, 12), (2, 4, 1, 7, 7)],
)
def test_checkpoints_are_written_where_nothing_is_amid(
    used: int, accumulated: int, logged: int, asked: int, made: int
) -> None:
    """Behind the last step of a log entry, and of a batch of tries, as TRL uses it so many times."""
    args = SimpleNamespace(
        num_iterations=used, steps_per_generation=1, gradient_accumulation_steps=accumulated,
        logging_strategy="steps", logging_steps=logged, save_steps=asked,
    )  # fmt: skip
    assert whole_steps(args) == made


def test_second_epoch_is_gone_on_with_in_its_own_order(family: Callable[[str], Path], tmp_path: Path) -> None:
    """Killed behind the sixth of 16 steps, in the second of four epochs, it sees the rows that it would have seen."""
    longer = {"sft": {"num_train_epochs": 4}}  # so that it is still at work when it is killed
    whole, killed = (job_of("sft", family("llama"), tmp_path / name, **longer) for name in ("whole", "killed"))
    cold = Warm((sys.executable,), Path("none"))  # as a user's trainings are begun
    ProcessTrainer().train(whole)
    made = ProcessTrainer(launcher=killing(tmp_path, 7, cold)).train(killed)
    assert "goes on from step 6" in (Path(made.path) / "training.log").read_text()
    for name in ("adapter_model.safetensors", "training.jsonl", "metrics.json"):
        assert (Path(whole.out) / name).read_bytes() == (Path(killed.out) / name).read_bytes(), name


def test_halved_batches_are_gone_on_with(tmp_path: Path) -> None:
    """Checkpoints of the same job with smaller batches are its own; of one with another rate they are not."""
    (tmp_path / "rows.jsonl").write_text("")
    job = TrainingJob(model="m", rows=str(tmp_path / "rows.jsonl"), out=str(tmp_path / "adapter"))
    fewer = {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2}
    own_only(job.model_copy(update={"settings": {"sft": fewer}}))
    assert halved_before(job) is None
    place = checkpoints_of(job) / "checkpoint-5"
    place.mkdir()
    (place / "whole.json").write_text("[]")
    found = halved_before(job)
    assert found is not None
    assert found.settings == {"sft": fewer}
    assert halved_before(job.model_copy(update={"settings": {"sft": {"learning_rate": 1.0}}})) is None


@pytest.mark.parametrize("method", ["grpo", "rloo"])
def test_step_in_parts_learns_as_one_at_once(
    method: str, family: Callable[[str], Path], tmp_path: Path, warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same tries, the same losses and, but for rounding, the same adapter: memory alone tells them apart."""
    (tmp_path / "letters.py").write_text(LETTERS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    parts = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    told, weights = list[list[float]](), list[dict[str, torch.Tensor]]()
    for name, own in (("whole", {}), ("parts", parts)):
        job = job_of(method, family("llama"), tmp_path / name, **{method: own})
        made = ProcessTrainer(launcher=warm.launcher).train(job)
        log = [json.loads(line) for line in (Path(made.path) / "training.jsonl").read_text().splitlines()]
        told.append([entry[key] for entry in log if "reward" in entry for key in ("reward", "loss", "grad_norm")])
        weights.append(load_file(Path(made.path) / "adapter_model.safetensors"))
    assert len(told[0]) == 3 * 8
    assert told[1] == pytest.approx(told[0], rel=1e-3, abs=1e-5)
    for name, whole in weights[0].items():
        torch.testing.assert_close(weights[1][name], whole, rtol=1e-2, atol=1e-4)


def test_checkpoint_cut_off_or_of_another_job_is_not_used(tmp_path: Path) -> None:
    """Only one with its mark counts, the newest of them; another job's are removed."""
    (tmp_path / "rows.jsonl").write_text("")
    job = TrainingJob(model="m", rows=str(tmp_path / "rows.jsonl"), out=str(tmp_path / "adapter"))
    own_only(job)
    for step, whole in ((9, True), (10, True), (11, False)):
        place = checkpoints_of(job) / f"checkpoint-{step}"
        place.mkdir()
        if whole:
            (place / "whole.json").write_text("[]")
    own_only(job)
    assert last_whole(job) == str(checkpoints_of(job) / "checkpoint-10")
    own_only(job.model_copy(update={"seed": 5}))
    assert last_whole(job) is None

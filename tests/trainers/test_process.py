"""What happens to a training process that ends badly; programs of a few lines stand in for the training."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfimprove.errors import RunFolderError, TrainingError
from selfimprove.records import Adapter, TrainingJob
from selfimprove.trainers import process
from selfimprove.trainers.endings import Ended, ended
from selfimprove.trainers.process import ProcessTrainer

HEAD = """
import json, os, pathlib, signal, subprocess, sys, time
from selfimprove.trainers.lifeline import die_with_parent
job = json.loads(pathlib.Path(sys.argv[-2]).read_text())
folder = pathlib.Path(sys.argv[-1])
tries = pathlib.Path({tries!r})
tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
first = tries.read_text() == "x"
sft = job["settings"]["sft"]
def finish():
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    made = dict(rows=1, trained_tokens=1, seen_tokens=1, steps=1, loss=0.5, render_hash="h")
    (folder / "metrics.json").write_text(json.dumps(made))
print("step 1 of 2", flush=True)
"""
Train = Callable[..., Adapter]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """Give what trains with a program instead of TRL."""

    def run(code: str, sft: dict[str, object] | None = None, **how: float) -> Adapter:
        program = tmp_path / "program.py"
        program.write_text(HEAD.format(tries=str(tmp_path / "tries")) + code)
        job = TrainingJob(
            model="m", rows="r", out=str(tmp_path / "arm" / "adapter"), settings={"sft": sft or {}}, render_hash="h"
        )
        return ProcessTrainer(launcher=(sys.executable, str(program)), **how).train(job)

    return run


@pytest.fixture
def vmstat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for the system's count of processes killed for want of memory."""
    file = tmp_path / "vmstat"
    file.write_text("pgfault 1\noom_kill 4\n")
    monkeypatch.setattr(process, "_VMSTAT", file)
    return file


def tries(tmp_path: Path) -> int:
    return len((tmp_path / "tries").read_text())


def settings(adapter: Adapter) -> dict[str, int]:
    """Give the settings that the adapter was really trained with."""
    found: dict[str, int] = json.loads((Path(adapter.path) / "job.json").read_text())["settings"]["sft"]
    return found


SAYINGS = [
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.",
    "MemoryError",
    "RuntimeError: [enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory: you tried",
    "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
]


@pytest.mark.parametrize("said", SAYINGS)
def test_out_of_memory_is_tried_again_with_half_the_batch(train: Train, tmp_path: Path, said: str) -> None:
    """Half the rows a batch, twice the batches a step; the adapter's log and settings tell of it."""
    made = train(
        f"if sft.get('per_device_train_batch_size', 16) > 4:\n    print({said!r})\n    sys.exit(1)\nfinish()",
        {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 3},
    )
    assert settings(made) == {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 6}
    assert "ran out of memory with batches of 8 x 3" in (Path(made.path) / "training.log").read_text()
    assert tries(tmp_path) == 2


def test_half_the_batch_is_halved_until_it_fits(train: Train, tmp_path: Path) -> None:
    """Three times here, with as many rows a step as at first; the adapter's log tells of each."""
    made = train(
        "if sft.get('per_device_train_batch_size', 16) > 2:\n    print('MemoryError')\n    sys.exit(1)\nfinish()"
    )
    assert settings(made) == {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 8}
    assert (Path(made.path) / "training.log").read_text().count("ran out of memory with batches of ") == 3
    assert tries(tmp_path) == 4


LINGERING = "import threading\n{done}\nos.close(1)\nos.close(2)\nthreading.Event().wait(60)\n"


def test_a_process_that_will_not_go_is_ended(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has written whole counts; without that it is one that hung."""
    monkeypatch.setattr(process, "_SHUTDOWN_S", 0.2)
    monkeypatch.setattr(process, "_LAST_WORDS_S", 0.2)
    with pytest.raises(TrainingError, match=r"training of arm said nothing for"):
        train(LINGERING.format(done=""))
    assert train(LINGERING.format(done="finish()")).trained_tokens == 1


def test_tries_that_are_generated_together_stay_as_many(tmp_path: Path) -> None:
    """Half the batch, twice the steps a generation: else a group would no longer fit into one."""
    job = TrainingJob(
        model="", rows="", out=str(tmp_path / "arm" / "adapter"), method="grpo", render_hash="",
        settings={"grpo": {"per_device_train_batch_size": 8, "steps_per_generation": 3}},
    )  # fmt: skip
    tried, _ = process.again(job, Ended(code=1, hung=False, last=("MemoryError",), memory=True))
    assert tried is not None
    given: Any = tried.settings["grpo"]
    assert (given["per_device_train_batch_size"], given["steps_per_generation"]) == (4, 6)


def test_a_method_that_compares_rows_of_a_batch_keeps_two(tmp_path: Path) -> None:
    """Verdicts in batches of two cannot be halved: the divergence is told by another row's reply."""
    end = Ended(code=1, hung=False, last=("MemoryError",), memory=True)
    sizes = {}
    for size in (2, 4, 6):
        job = TrainingJob(
            model="", rows="", out=str(tmp_path / "arm" / "adapter"), method="kto", program_state={}, render_hash="",
            settings={"kto": {"per_device_train_batch_size": size}},
        )  # fmt: skip
        tried, _ = process.again(job, end)
        given: Any = tried.settings["kto"] if tried else {}
        sizes[size] = given.get("per_device_train_batch_size")
    assert sizes == {2: None, 4: 2, 6: 3}


def test_killed_for_memory_is_tried_again_with_half_the_batch(train: Train, vmstat: Path) -> None:
    """The system's out-of-memory killer says nothing; its count tells."""
    made = train(
        f"if first:\n    pathlib.Path({str(vmstat)!r}).write_text('oom_kill 5')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\nfinish()"
    )
    assert settings(made) == {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2}


def test_killed_by_somebody_is_started_again_as_it_was(train: Train, vmstat: Path) -> None:
    """A kill that was not for memory changes no setting, so that the adapter has the same bytes."""
    made = train("if first: os.kill(os.getpid(), signal.SIGKILL)\nfinish()")
    assert settings(made) == {}
    assert "was killed and is started again" in (Path(made.path) / "training.log").read_text()


def test_killed_where_the_system_keeps_no_count_may_have_been_for_memory(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a count the careful reading holds, also of a launcher's code 137."""
    monkeypatch.setattr(process, "_VMSTAT", tmp_path / "none")
    made = train("if first: sys.exit(137)\nfinish()", {"per_device_train_batch_size": 15})
    assert settings(made) == {"per_device_train_batch_size": 5, "gradient_accumulation_steps": 3}


def test_memory_that_never_suffices_is_told_at_a_batch_of_one(train: Train, tmp_path: Path) -> None:
    """The error names the last two tries and the last lines, and no adapter is left."""
    said = r"tried again with 1 x 16; .* for want of memory with batches of 1 x 16; lower max_length .* MemoryError;"
    with pytest.raises(TrainingError, match=said):
        train("print('MemoryError')\nsys.exit(1)")
    assert tries(tmp_path) == 5
    assert not (tmp_path / "arm" / "adapter").exists()


@pytest.mark.usefixtures("vmstat")
def test_a_training_that_is_killed_again_is_not_started_again(train: Train, tmp_path: Path) -> None:
    """Who kills it twice means it."""
    with pytest.raises(TrainingError, match=r"was killed and is started again; training of arm ended with code -9"):
        train("os.kill(os.getpid(), signal.SIGKILL)")
    assert tries(tmp_path) == 2


def test_a_batch_of_one_cannot_be_halved(train: Train, tmp_path: Path) -> None:
    """Nothing smaller is left to try."""
    with pytest.raises(TrainingError, match="ended with code 1 for want of memory"):
        train("print('MemoryError')\nsys.exit(1)", {"per_device_train_batch_size": 1})
    assert tries(tmp_path) == 1


def test_exception_is_told_with_its_last_lines_and_not_tried_again(train: Train, tmp_path: Path) -> None:
    """A second try would end as the first did; what looks whole in the attempt does not become an adapter."""
    with pytest.raises(TrainingError, match=r"training of arm ended with code 1: .*ValueError: no such thing"):
        train("finish()\nraise ValueError('no such thing')")
    assert tries(tmp_path) == 1
    assert not (tmp_path / "arm" / "adapter").exists()


TORCHRUN = """
TORCH = ("torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ", "=" * 60, "FAILED", "Failures:", "[1]:",
    "  rank      : 1 (local_rank: 1)", "  exitcode  : -15 (pid: 12)  (SIGTERM)", *["  File torch/run.py"] * 30,
    "Root Cause (first observed failure):", "[0]:", "  rank      : 0 (local_rank: 0)", "  exitcode  : {code} (pid: 11)",
    "  traceback : To enable traceback see: https://pytorch.org/docs/stable/elastic/errors.html", "=" * 60)
"""


def test_the_error_behind_a_launcher_is_told(train: Train, tmp_path: Path) -> None:
    """Not torchrun's account of it, which ends the output; and where all of the output stands."""
    told = "[rank0]: ValueError: no such thing"
    with pytest.raises(TrainingError) as error:
        train(f"{TORCHRUN.format(code=1)}\nprint({told!r}, 'x: y', *TORCH, sep=chr(10))\nsys.exit(1)")
    said, _, log = str(error.value).partition("; all of it is in ")
    assert said == "training of arm ended with code 1: ValueError: no such thing"
    assert told in Path(log).read_text()
    assert tries(tmp_path) == 1


@pytest.mark.parametrize(
    "said",
    [TORCHRUN.format(code=-9) + "print(*TORCH, sep=chr(10))", "print('Command x died with <Signals.SIGKILL: 9>.')"],
)
@pytest.mark.usefixtures("vmstat")
def test_killed_behind_a_launcher_is_started_again(train: Train, said: str) -> None:
    """The launcher's own code is 1; that the process was killed stands in what it prints."""
    made = train(f"if first:\n{textwrap.indent(said, '    ')}\n    sys.exit(1)\nfinish()")
    assert "was killed and is started again" in (Path(made.path) / "training.log").read_text()


def test_want_of_memory_behind_a_launcher_is_tried_again_with_half_the_batch(train: Train) -> None:
    """Its words stand some fifty lines before the end."""
    said = textwrap.indent(TORCHRUN.format(code=1) + "print('MemoryError', *TORCH, sep=chr(10))", "    ")
    made = train(f"if first:\n{said}\n    sys.exit(1)\nfinish()")
    assert settings(made) == {"per_device_train_batch_size": 8, "gradient_accumulation_steps": 2}


def test_what_a_teacher_raised_is_told_as_it_is(tmp_path: Path) -> None:
    """Also where it is of the system's kind: it is not the adapter's place that cannot be written to."""

    class Refused:
        def answer(self, asked: object) -> list[Any]:
            raise ConnectionError("my server refused")

    (tmp_path / "ask.py").write_text("from selfimprove.trainers.line import Caller\nCaller().answer([])\n")
    job = TrainingJob(
        model="m",
        rows="r",
        out=str(tmp_path / "arm" / "adapter"),
        method="grpo",
        settings={"grpo": {}},
        render_hash="h",
    )
    teacher: Any = Refused()
    with pytest.raises(ConnectionError, match="my server refused"):
        ProcessTrainer(launcher=(sys.executable, str(tmp_path / "ask.py")), teacher=teacher).train(job)


def test_a_process_that_ends_well_without_metrics_made_no_adapter(train: Train, tmp_path: Path) -> None:
    """Code 0 alone is not an adapter."""
    with pytest.raises(TrainingError, match="ended with code 0"):
        train("")
    assert not (tmp_path / "arm" / "adapter").exists()


def test_a_process_that_hangs_is_ended(train: Train, tmp_path: Path) -> None:
    """Nothing said for the set time: one sentence, no second try, and the process is gone, however it says goodbye."""
    started = time.monotonic()
    with pytest.raises(TrainingError, match=r"said nothing for 1 s and was ended; its last words: step 1 of 2"):
        train(
            f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\ntime.sleep(600)",
            silent_s=1,
        )
    assert time.monotonic() - started < 60
    assert tries(tmp_path) == 1
    assert not alive(int((tmp_path / "pid").read_text()))


def test_what_the_process_started_does_not_outlive_it(train: Train, tmp_path: Path) -> None:
    """A helper that still holds the output neither blocks the end nor stays behind."""
    train(f"""
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(other.pid))
finish()
""")
    assert gone(int((tmp_path / "pid").read_text()))


PARENT = """
import sys
from selfimprove.records import TrainingJob
from selfimprove.trainers.process import ProcessTrainer
job = TrainingJob(model="m", rows="r", out=sys.argv[1], settings={"sft": {}}, render_hash="h")
ProcessTrainer(launcher=tuple(sys.argv[2:])).train(job)
"""
SLOW = """
print(os.getpid(), flush=True)
pathlib.Path(os.environ["WHO"]).write_text(str(os.getpid()))
time.sleep(4)  # as long as the imports take in which the parent may die
die_with_parent()
time.sleep(1)  # far less than passes before a real training writes
while True:
    (folder / "growing").open("a").write("x")
    time.sleep(0.01)
"""
LAUNCHER = "import subprocess, sys; sys.exit(subprocess.run([sys.executable, *sys.argv[1:]]).returncode)"


@pytest.mark.parametrize("between", [[], ["-c", LAUNCHER]], ids=["direct", "behind a launcher"])
def test_no_orphan_goes_on(tmp_path: Path, between: list[str]) -> None:
    """The parent is killed while the trainer is still importing: the trainer ends before it writes a byte."""
    (tmp_path / "program.py").write_text(HEAD.format(tries=str(tmp_path / "tries")) + SLOW)
    launcher = [sys.executable, *between]
    out, who = tmp_path / "arm" / "adapter", tmp_path / "who"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(out), *launcher, str(tmp_path / "program.py")],
        env={**os.environ, "WHO": str(who)},
    )
    wait_for(lambda: who.exists() and who.read_text() != "", 30)
    parent.send_signal(signal.SIGKILL)
    parent.wait(30)
    assert gone(int(who.read_text()))
    assert not list(tmp_path.rglob("growing"))


def test_what_a_killed_training_left_is_swept_away(train: Train, tmp_path: Path) -> None:
    """Attempts of processes that were killed, and a folder without metrics, make room for a whole adapter."""
    left = tmp_path / "arm" / "adapter.attempt-abc"
    for folder in (left, tmp_path / "arm" / "adapter"):
        folder.mkdir(parents=True)
        (folder / "adapter_model.safetensors").write_bytes(b"half")
    made = train("finish()")
    assert not left.exists()
    assert (Path(made.path) / "adapter_model.safetensors").read_bytes() == b"weights"
    assert [p.name for p in (tmp_path / "arm").iterdir()] == ["adapter"]


def test_a_launcher_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """The system's refusal reaches the user as bad input."""
    job = TrainingJob(model="m", rows="r", out=str(tmp_path / "arm" / "adapter"))
    with pytest.raises(RunFolderError, match=r"cannot be made: No such file or directory \(no-such-launcher\)"):
        ProcessTrainer(launcher=("no-such-launcher",)).train(job)


def test_torch_says_what_is_looked_for() -> None:
    """The words of a real refused allocation are read as want of memory."""
    code = "import torch; torch.empty(10**15)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended(1, tuple(done.stderr.splitlines()), hung=False, counted=False).memory, done.stderr


def wait_for(what: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Say whether a process still runs; one that nobody has buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Wait for a process to end."""
    wait_for(lambda: not alive(pid), seconds)
    return True

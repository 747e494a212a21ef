"""Run a training job in a process of its own: it gives its memory back, and appears whole or not at all.

A training that runs out of memory is tried again with half the batch and twice the accumulation, down to the smallest
batch: the same rows a step, so the same learning, but sums in another order, so not the same bytes. (Nearly the same
for dpo and kto, where batches weigh alike in a step and the last may be smaller; and kto estimates its divergence in
each batch, in smaller ones less well.) One that somebody killed is started once more, from its last checkpoint, and
gives the same bytes. Anything else is an error with the process's last lines.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from selfimprove import progress
from selfimprove.errors import RunFolderError, TrainingError
from selfimprove.protocols import Teacher
from selfimprove.records import Adapter, TrainingJob
from selfimprove.trainers.checkpoints import checkpoints_of, halved_before, own_only
from selfimprove.trainers.defaults import FEWEST, given
from selfimprove.trainers.endings import KEPT, KILLED, Ended, ended, sentence
from selfimprove.trainers.lifeline import LIFELINE
from selfimprove.trainers.line import LINE, Switchboard, answering
from selfimprove.trainers.preflight import NOTE

_STEP: Final = re.compile(r"^step (\d+) of \d+")
LOG: Final = "training.log"
_MODULE: Final = "selfimprove.trainers.{method}"
_SHARED: Final = {"sft", "dpo", "kto"}
"""Methods that run in several processes; others make their tries in one, and learn from them there."""
_VMSTAT: Final = Path("/proc/vmstat")
_TICK_S: Final = 0.5
_SHUTDOWN_S: Final = 300.0
"""Longest an interpreter takes to end after its last word."""
_LAST_WORDS_S: Final = 10.0
"""Time to go in peace, in seconds."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProcessTrainer:
    """The `Trainer` that starts one process a job.

    The process writes into an attempt folder, which is renamed to `job.out` when all is written. A killed training
    leaves an attempt folder, which the next one removes, and its checkpoints, which the next one goes on from.
    """

    launcher: tuple[str, ...] = (sys.executable,)
    """What runs a module."""
    shared: tuple[str, ...] | None = None
    """What runs one that can share its work between processes, for instance `("accelerate", "launch")`: the methods
    sft, dpo and kto; default: the same."""
    teacher: Teacher | None = None
    """Answers what a training asks for a reward of questions; None: nobody does."""
    silent_s: float = 1800.0
    """A process that prints nothing for so many seconds (it prints every step) counts as hung and is ended."""
    after_step: Callable[[TrainingJob, Path], None] = lambda _job, _folder: None
    """Told of each step of a job, and of the folder that it logs into."""

    def train(self, job: TrainingJob) -> Adapter:
        """Train, or give the adapter that is already there.

        Raises:
            TrainingError: the process ended without an adapter; the message ends with its last lines.
            RunFolderError: the place cannot be written to.
        """
        out = Path(job.out)
        if not (out / "metrics.json").is_file():
            board = None
            try:
                with answering(self.teacher) as board:
                    self._make(job, out, board)
            except OSError as error:
                if board is not None and error is board.failed:
                    raise
                what = f"{error.strerror or error} ({error.filename or 'no file'})"
                raise RunFolderError(
                    f"{out} cannot be made: {what}; mend that and run the same command again"
                ) from error
        shutil.rmtree(checkpoints_of(job), ignore_errors=True)  # also of one that was killed before it came to that
        return Adapter(path=str(out), **json.loads((out / "metrics.json").read_text()))

    def _make(self, job: TrainingJob, out: Path, board: Switchboard | None) -> None:
        for left in (out, *out.parent.glob(f"{out.name}.attempt-*")):
            shutil.rmtree(left, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        job = halved_before(job) or job
        own_only(job)
        attempt = self._made(job, out, board)
        _sync(attempt)
        attempt.rename(out)

    def _made(self, job: TrainingJob, out: Path, board: Switchboard | None) -> Path:
        """Run the job, and again where that may help; give the whole attempt."""
        told = list[str]()
        while True:
            attempt, end = self._attempt(job, out, told, board)
            if _whole(attempt, end):
                return attempt
            tried, why = again(job, end)
            if tried is None or why in told:  # a second kill is told as the first was
                raise TrainingError(
                    "; ".join([*told[-1:], sentence(out, end, self.silent_s, attempt / LOG, _lack(job))])
                )
            _log.warning("%s", why)
            progress.current().say(why)
            shutil.rmtree(attempt, ignore_errors=True)
            own_only(tried)
            job, told = tried, [*told, why]

    def _attempt(self, job: TrainingJob, out: Path, told: list[str], board: Switchboard | None) -> tuple[Path, Ended]:
        """Run the job once, in a folder of its own: what an orphan may still write is never in the way."""
        attempt = Path(tempfile.mkdtemp(prefix=f"{out.name}.attempt-", dir=out.parent))
        attempt.chmod(0o755)
        (attempt / "job.json").write_text(job.model_dump_json(indent=1))
        killed_before = killed_for_memory()
        with (attempt / LOG).open("w", encoding="utf-8", buffering=1) as log:
            log.writelines(f"{why}\n" for why in told)
            with self._process(job, attempt, board) as child:
                last, hung = _follow(child, log, self.silent_s, partial(self.after_step, job, attempt))
                lingers = not hung and not _goes(child)
        if board is not None and board.failed is not None and child.returncode:
            raise board.failed
        killed = killed_for_memory()
        counted = killed is None or killed_before is None or killed > killed_before
        done = lingers and _written(attempt)  # and what it still did is nobody's
        hung = hung or (lingers and not done)
        return attempt, ended(0 if done else child.returncode, tuple(last), hung=hung, counted=counted)

    @contextlib.contextmanager
    def _process(self, job: TrainingJob, attempt: Path, board: Switchboard | None) -> Iterator[subprocess.Popen[str]]:
        """Start the process in a session of its own, with all that it starts; none of them is left at the end."""
        before = [_MODULE.format(method="unslothed")] if job.settings.get("unsloth") else []
        program = ["-m", "selfimprove.trainers.lifeline", *before, _MODULE.format(method=job.method)]
        launcher = (self.shared or self.launcher) if job.method in _SHARED else self.launcher
        command = [*launcher, *program, str(attempt / "job.json"), str(attempt)]
        # PEFT writes its target modules in the order of a set: a fixed hash seed makes the same job the same file.
        own = {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0", LIFELINE: "stdin"}
        line = {LINE: str(board.address)} if board is not None else {}
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **own, **line},
            start_new_session=True,
        )
        try:
            yield child
        finally:
            _end(child)


def again(job: TrainingJob, end: Ended) -> tuple[TrainingJob | None, str]:
    """Give the job to try again, and why; None where that would end as it did."""
    arm = Path(job.out).parent.name
    if end.memory:
        size, steps = _batches(job)
        most = size // FEWEST.get(job.method, 1)
        part = next((n for n in range(2, most + 1) if size % n == 0), 0)
        if not part:
            return None, ""
        own: Any = job.settings.get(job.method) or {}
        fewer = {"per_device_train_batch_size": size // part, "gradient_accumulation_steps": steps * part}
        if own.get("steps_per_generation"):  # tries that are generated together stay as many
            fewer["steps_per_generation"] = int(own["steps_per_generation"]) * part
        tried = job.model_copy(update={"settings": {**job.settings, job.method: {**own, **fewer}}})
        return tried, (
            f"training of {arm} ran out of memory with batches of {size} x {steps} and is tried again with "
            f"{size // part} x {steps * part}"
        )
    if end.code in KILLED and not end.hung:
        return job, f"training of {arm} was killed and is started again"
    return None, ""


def _batches(job: TrainingJob) -> tuple[int, int]:
    """Give the rows a batch and the batches a step."""
    settings = given(job)
    return int(settings["per_device_train_batch_size"]), int(settings.get("gradient_accumulation_steps", 1))


def _lack(job: TrainingJob) -> str:
    """Say what wanted memory, and what lets it do with less."""
    size, steps = _batches(job)
    longest = "max_completion_length" if "max_completion_length" in given(job) else "max_length"
    return f" for want of memory with batches of {size} x {steps}; lower {longest} or take a smaller student"


def _whole(attempt: Path, end: Ended) -> bool:
    return end.code == 0 and not end.hung and _written(attempt)


def _written(attempt: Path) -> bool:
    return (attempt / "metrics.json").is_file() and any(attempt.glob("*.safetensors"))


def _goes(child: subprocess.Popen[str]) -> bool:
    """Say whether a process ends that has said its last word."""
    try:
        child.wait(_SHUTDOWN_S)
    except subprocess.TimeoutExpired:
        return False
    return True


def _follow(
    child: subprocess.Popen[str], log: IO[str], silent_s: float, after_step: Callable[[], None]
) -> tuple[deque[str], bool]:
    """Copy the child's lines to its log and tell the watcher how far it is; give its last lines, and if it hung."""
    watcher, passed, heard = progress.current(), 0, time.monotonic()
    last, lines = deque[str](maxlen=KEPT), queue.Queue[str | None]()
    threading.Thread(target=_read, args=(child.stdout, lines), daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=_TICK_S)
        except queue.Empty:
            if child.poll() is not None:  # something that it started may still hold the pipe
                return last, False
            if time.monotonic() - heard > silent_s:
                return last, True
            continue
        if line is None:
            return last, False
        heard = time.monotonic()
        log.write(line)
        last.append(line.rstrip())
        if line.startswith(NOTE):
            watcher.say(f"training: {line.removeprefix(NOTE).rstrip()}")
        if done := _STEP.search(line):
            watcher.advance(int(done[1]) - passed)
            passed = int(done[1])
            after_step()


def _read(source: IO[str] | None, lines: queue.Queue[str | None]) -> None:
    """Pass the child's lines on, and None at their end."""
    if source is not None:
        with source:
            for line in source:
                lines.put(line)
    lines.put(None)


def _end(child: subprocess.Popen[str]) -> None:
    """Tell a child that is still at work to go, kill it where it will not, and whatever it started and left behind."""
    if child.poll() is None:
        _send(child, signal.SIGTERM)
        try:
            child.wait(_LAST_WORDS_S)
        except subprocess.TimeoutExpired:
            _send(child, signal.SIGKILL)
            child.wait()
    _send(child, signal.SIGKILL)
    if child.stdin is not None:
        with contextlib.suppress(BrokenPipeError):
            child.stdin.close()


def _send(child: subprocess.Popen[str], sent: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, sent)


def killed_for_memory() -> int | None:
    """Count the processes that this machine has killed for want of memory; None where it does not tell."""
    try:
        found = re.search(r"^oom_kill (\d+)$", _VMSTAT.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())

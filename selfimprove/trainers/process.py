"""Run a training job in a process of its own: it gives its memory back, and appears whole or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from selfimprove import progress
from selfimprove.errors import TrainingError
from selfimprove.records import Adapter, TrainingJob

_STEP = re.compile(r"^step (\d+) of \d+")
_MODULES = {"sft": "selfimprove.trainers.sft"}


@dataclass(frozen=True)
class ProcessTrainer:
    """The `Trainer` that starts one process a job.

    The process writes into an attempt folder, which is renamed to `job.out` when all is written. A killed
    training leaves only an attempt folder, which the next one removes.
    """

    launcher: tuple[str, ...] = (sys.executable,)
    """What runs a module, for instance `("accelerate", "launch")`."""

    def train(self, job: TrainingJob) -> Adapter:
        """Train, or give the adapter that is already there.

        Raises:
            TrainingError: the process ended without an adapter; the message ends with its last lines.
        """
        out = Path(job.out)
        if not (out / "metrics.json").is_file():
            attempt = out.with_name(out.name + ".attempt")
            shutil.rmtree(attempt, ignore_errors=True)
            attempt.mkdir(parents=True)
            (attempt / "job.json").write_text(job.model_dump_json(indent=1))
            self._run(job, attempt)
            _sync(attempt)
            attempt.rename(out)
        return Adapter(path=str(out), **json.loads((out / "metrics.json").read_text()))

    def _run(self, job: TrainingJob, attempt: Path) -> None:
        command = [*self.launcher, "-m", _MODULES[job.method], str(attempt / "job.json"), str(attempt)]
        # PEFT writes its target modules in the order of a set: a fixed hash seed makes the same job the same file.
        own = {"TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1", "PYTHONHASHSEED": "0"}
        environment = {**os.environ, **own}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, errors="replace"
        ) as child:
            last = deque[str](maxlen=12)
            try:
                _follow(child, attempt / "training.log", last)
            finally:
                if child.poll() is None:
                    child.terminate()
        if child.returncode != 0 or not (attempt / "metrics.json").is_file():
            said = " | ".join(line for line in last if line.strip())[-600:]
            raise TrainingError(f"training of {Path(job.out).parent.name} ended with code {child.returncode}: {said}")


def _follow(child: subprocess.Popen[str], log: Path, last: deque[str]) -> None:
    """Copy the child's lines to its log, and tell the watcher how far it is."""
    watcher, passed = progress.current(), 0
    with log.open("w", encoding="utf-8") as file:
        for line in child.stdout or ():
            file.write(line)
            last.append(line.rstrip())
            done = _STEP.search(line)
            if done:
                watcher.advance(int(done[1]) - passed)
                passed = int(done[1])


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())

"""A two-round campaign of seconds, in a process that can be killed at any moment and resumed by the same command.

The processes are forks of one that has everything imported, so that a resume costs a second and not ten; what they run
is the command line, and they are killed for real. The training processes that they start are ordinary ones.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Final, NamedTuple

from paid_server import PaidServer

CONFIG: Final = """
[campaign]
student = "{student}"
rounds = 2
arms = ["track_b"]
budget_usd = 100.0
[task]
kinds = ["sum"]
levels = [2]
[data]
train = 60
dev = 40
test = 20
[student]
max_tokens = 12
[teacher]
model = "openai/paid"
base_url = "{url}"
input_price = 1000.0
output_price = 1000.0
concurrency = 4
max_tokens = 64
[lesson]
asking = "two_calls"
rationales = 2
[evaluate]
shots = 0
[mine]
pool = 20
samples = 1
[train.sft]
max_steps = 60
learning_rate = 2e-2
[gate]
alpha = 0.9
"""
_IMPORTED: Final = [
    "selfimprove.cli",
    "selfimprove.campaign",
    "selfimprove.graphs.run",
    "selfimprove.students.transformers",
    "selfimprove.teachers.litellm_teacher",
    "selfimprove.trainers.process",
    "selfimprove.trainers.sft",
    "selfimprove.planning.plan",
    "selfimprove.report.page",
    "litellm",
    "peft",
    "transformers.models.llama.modeling_llama",
]
_FORKED = multiprocessing.get_context("forkserver")
_NEVER_THE_SAME: Final = {"job.json", "training.log", "README.md"}
"""They name folders or times."""
_FILES: Final = (
    "plan.json", "data/leakage.json", "round-00/decision.json", "round-01/decision.json", "round-02/decision.json",
    "final/tested.json", "finished.json",
)  # fmt: skip
WAIT_S: Final = 900.0
Event = str


def write_student(folder: Path) -> Path:
    """Write a tiny random model that now and then ends, counts and asks, so that a campaign of it has something in it."""
    import torch
    from tiny_models import write_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    write_model("llama", folder)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for text, times in (("?", 6.0), ("</s>", 3.0), *((str(digit), 2.0) for digit in range(10))):
            model.get_output_embeddings().weight[tokenizer.convert_tokens_to_ids(text)] *= times
    model.save_pretrained(folder)
    return folder


def command(out: Path) -> list[str]:
    """Give the arguments of the one command that starts and resumes."""
    return ["run", str(out.parent / "campaign.toml"), "--out", str(out), "--quiet"]


def _main(arguments: list[str], log: Path, file_limit: int) -> None:
    """Be the command line, as a fork."""
    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    if file_limit:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, resource.RLIM_INFINITY))
    sys.argv = ["selfimprove", *arguments]
    from selfimprove.cli import main

    main()


class Moment(NamedTuple):
    """What a look at the ledger's spans and the run folder shows."""

    begun: list[Event]
    """Stages begun and files written since the process started, as `round-01/train`; in order."""
    inside: Event
    """The stage that is open; `between` where none is."""


@dataclass
class Place:
    """One campaign: its folder, and what to compare about it."""

    out: Path
    server: PaidServer
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.out.parent / "said.log"

    def settle_down(self, student: Path) -> Place:
        """Write the campaign's file."""
        self.out.parent.mkdir(parents=True, exist_ok=True)
        (self.out.parent / "campaign.toml").write_text(CONFIG.format(student=student, url=self.server.url))
        return self

    def start(self, file_limit: int = 0) -> ForkServerProcess:
        """Start or resume it.

        Args:
            file_limit: most bytes a file of the process may have; 0: no limit.
        """
        _FORKED.set_forkserver_preload(_IMPORTED)
        process = _FORKED.Process(target=_main, args=(command(self.out), self.log, file_limit))
        process.start()
        return process

    def finish(self) -> None:
        """Run it to its end."""
        process = self.start()
        process.join(WAIT_S)
        assert process.exitcode == 0, f"{process.exitcode}: {self.said()[-2000:]}"

    def said(self) -> str:
        """Give what the processes printed."""
        return self.log.read_text() if self.log.exists() else ""

    def rows(self, sql: str) -> list[Any]:
        """Read from the ledger, which another process may be writing; nothing where there is none yet."""
        path = self.out / "ledger.sqlite"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as db:
            try:
                return db.execute(sql).fetchall()
            except sqlite3.OperationalError as error:
                if "no such table" in str(error) or error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN:
                    return []  # it is being made
                raise

    def answered(self) -> dict[str, str]:
        """Give the answered paid calls: key, and hash of the request."""
        rows = self.rows("SELECT key, completion FROM calls WHERE payer='teacher' AND state='answered'")
        return {key: json.loads(text)["reasoning"] for key, text in rows}

    def keys(self) -> set[str]:
        """Give the keys of all answered calls, the student's too."""
        return {key for (key,) in self.rows("SELECT key FROM calls WHERE state='answered'")}

    def moment(self, since: float) -> Moment:
        """Look where the campaign is.

        Args:
            since: when the process was started, in seconds since 1970.
        """
        spans = [row for row in self.rows("SELECT name, started, ended FROM spans") if row[1] >= since]
        rounds = sorted((row for row in spans if row[0].startswith("round-")), key=lambda row: row[1])
        seen: dict[Event, float] = {}
        inside = "between"
        for name, started, ended in sorted(spans, key=lambda row: row[1]):
            if name == "campaign" or name.startswith("round-"):
                continue
            event = f"{self.part(started, rounds)}/{name}"
            seen.setdefault(event, started)
            inside = inside if ended else event
        for name in _FILES:
            at = self._written(name)
            if at >= since and at:
                seen[name] = at
        return Moment(sorted(seen, key=lambda event: seen[event]), inside)

    def part(self, at: float, rounds: list[Any]) -> str:
        """Say in which part of the campaign a moment was."""
        before = [row for row in rounds if row[1] <= at]
        if before:
            name, _, ended = before[-1]
            return str(name) if ended is None or at <= ended else "final"
        return "final" if 0 < self._written("round-02/decision.json") < at else "start"

    def _written(self, name: str) -> float:
        """Give when a file was written, 0 where it was not."""
        try:
            return (self.out / name).stat().st_mtime
        except OSError:
            return 0.0

    def files(self) -> dict[str, bytes]:
        """Give the bytes of what a campaign comes to: splits, lessons, tracks, adapters, predictions, decisions."""
        kept = [p for top in ("data", "round-*", "final") for folder in self.out.glob(top) for p in folder.rglob("*")]
        kept = [p for p in (*kept, self.out / "finished.json") if p.is_file() and p.name not in _NEVER_THE_SAME]
        return {str(p.relative_to(self.out)): p.read_bytes() for p in sorted(kept)}


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let what is started compute on one thread, as training and generation then give the same bytes."""
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "HF_HUB_OFFLINE")}
    os.environ.update({"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

"""A two-round campaign of seconds, in a process that can be killed at any moment and resumed by the same command.

The processes are forks of one that has everything imported, so that a resume costs a second and not ten; what they run
is the command line, and they are killed for real. The training processes that they start are ordinary ones.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import signal
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from paid_server import PaidServer, paid_server

from selfimprove.trainers.process import killed_for_memory

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
_WAIT_S: Final = 900.0
_INTERRUPTED: Final = 130
KILLS: Final = 60
"""At least so many make a whole matrix."""
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
        process.join(_WAIT_S)
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
            event = f"{self._part(started, rounds)}/{name}"
            seen.setdefault(event, started)
            inside = inside if ended else event
        for name in _FILES:
            at = self._written(name)
            if at >= since and at:
                seen[name] = at
        return Moment(sorted(seen, key=lambda event: seen[event]), inside)

    def _part(self, at: float, rounds: list[Any]) -> str:
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


@dataclass
class Matrix:
    """What killing a campaign came to."""

    where: Counter[Event] = field(default_factory=Counter)
    """Kills by the stage that was open."""
    repeated: int = 0
    """Answered paid calls that were asked again."""
    lost: int = 0
    """Rows and answered calls that were there, and at the end were not."""
    differing: list[str] = field(default_factory=list)
    """Files of other bytes than the uninterrupted run's."""
    orphans: int = 0
    """Trainers that outlived their parent."""
    doubted: int = 0
    """Calls that were under way at a kill and were asked again."""
    paid: int = 0

    @property
    def kills(self) -> int:
        """All kills."""
        return self.where.total()

    def add(self, other: Matrix) -> None:
        """Add another campaign's."""
        self.where += other.where
        self.differing += other.differing
        for name in ("repeated", "lost", "orphans", "doubted", "paid"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Killer:
    """Kills one campaign again and again, resumes it, and keeps the books.

    Args:
        place: the campaign, not started yet.
        whole: the same campaign, uninterrupted.
    """

    def __init__(self, place: Place, whole: Place) -> None:
        self.place, self.whole, self.matrix = place, whole, Matrix()
        self._answered: dict[str, tuple[str, int]] = {}
        self._keys: set[str] = set()
        self._before = place.server.counts()
        self._ended = False

    def kill_when(
        self, ready: Callable[[Moment], bool], after_s: float = 0.0, sent: signal.Signals = signal.SIGKILL
    ) -> Moment | None:
        """Start or resume, wait, and kill or stop; None when the campaign came to its end before.

        Args:
            ready: whether it is time.
            after_s: seconds to wait then.
            sent: SIGKILL; SIGTERM and SIGINT must end in exit code 130.
        """
        since = time.time()
        process = self.place.start()
        deadline = time.monotonic() + _WAIT_S
        while not ready(moment := self.place.moment(since)):
            if process.exitcode is not None:
                return self._over(process)
            assert time.monotonic() < deadline, f"never ready: {moment}; {self.place.said()[-2000:]}"
            time.sleep(0.001)
        process.join(after_s)
        if process.exitcode is not None:
            return self._over(process)
        return self._kill(process, since, sent)

    def kill_trainers(self, times: int) -> int:
        """Start or resume, kill so many training processes at their work and nothing else, and give the exit code."""
        process, deadline, killed = self.place.start(), time.monotonic() + _WAIT_S, set[int]()
        while process.exitcode is None:
            assert time.monotonic() < deadline, self.place.said()[-2000:]
            found = set(trainers_of(process.pid or 0)) - killed
            if len(killed) < times and found and self.steps():
                killed |= found
                os.kill(found.pop(), signal.SIGKILL)
                self.matrix.where["the trainer alone"] += 1
            process.join(0.001)
        if process.exitcode == 0:
            self._over(process)
        return process.exitcode

    def steps(self) -> bool:
        """Say whether a trainer has made a step."""
        logs = self.place.out.glob("round-*/arms/*/adapter.attempt-*/training.log")
        return any("\nstep 1 of" in log.read_text() for log in logs)

    def conclude(self) -> Matrix:
        """Run to the end and compare with the uninterrupted run."""
        if not self._ended:
            self.place.finish()
        done, wanted = self.place.files(), self.whole.files()
        made, counts = self.matrix, self.place.server.counts()
        final = self.place.answered()
        made.repeated = sum(max(0, counts[tag] - seen) for tag, seen in self._answered.values())
        made.lost = len(self._keys - self.place.keys()) + sum(
            len(set(text.splitlines()) - set(done.get(name, b"").splitlines())) for name, text in wanted.items()
        )
        made.differing = [name for name in {**wanted, **done} if wanted.get(name) != done.get(name)]
        made.doubted = sum(counts[tag] - self._before[tag] - 1 for tag in final.values()) - made.repeated
        made.paid = len(final)
        return made

    def _over(self, process: ForkServerProcess) -> None:
        assert process.exitcode == 0, f"{process.exitcode}: {self.place.said()[-2000:]}"
        self._ended = True

    def _kill(self, process: ForkServerProcess, since: float, sent: signal.Signals) -> Moment:
        found = trainers_of(process.pid or 0)
        os.kill(process.pid or 0, sent)
        process.join(_WAIT_S)
        at = self.place.moment(since)
        if sent == signal.SIGKILL:
            self.matrix.where[at.inside] += 1
        else:
            assert process.exitcode == _INTERRUPTED, f"{process.exitcode}: {self.place.said()[-2000:]}"
        self.matrix.orphans += sum(not ended(pid) for pid in found)
        counts = self.place.server.counts()
        self._keys |= self.place.keys()
        # Only what had been answered before this kill may not be asked again from here on.
        for key, tag in self.place.answered().items():
            self._answered.setdefault(key, (tag, counts[tag]))
        return at


def trainers_of(parent: int) -> list[int]:
    """Give the training processes that a process started."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                who = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(who[1]) == parent and "selfimprove.trainers" in (folder / "cmdline").read_text():
                    found.append(int(folder.name))
    return found


def ended(pid: int, seconds: float = 3.0) -> bool:
    """Wait for a process to be gone."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}:
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def stages(place: Place) -> dict[Event, float]:
    """Give the stages and files of an uninterrupted campaign in their order, with the stages' seconds."""
    order = dict.fromkeys(place.moment(0).begun, 0.0)
    spans = place.rows("SELECT name, started, ended FROM spans")
    rounds = sorted((row for row in spans if row[0].startswith("round-")), key=lambda row: row[1])
    for name, started, ended in spans:
        event = f"{place._part(started, rounds)}/{name}"
        if event in order:
            order[event] = max(order[event], ended - started)
    return order


def kill_at_boundaries(killer: Killer, order: list[Event]) -> None:
    """Kill one campaign at the beginning of each stage in turn, and where a round's or the campaign's last file is."""
    reached = 0
    while reached < len(order):
        ahead = set(order[reached:])
        at = killer.kill_when(lambda moment, ahead=ahead: bool(ahead & set(moment.begun)))
        if at is None:
            return
        reached = 1 + max(order.index(event) for event in at.begun if event in ahead)


def kill_inside(killer: Killer, order: dict[Event, float], each: int, rng: Random) -> None:
    """Kill one campaign at random moments inside each stage, `each` times a stage; one that is over by then, later on."""
    events = list(order)
    for at, seconds in enumerate(order.values()):
        for _ in range(each if seconds else 0):
            ahead, after = set(events[at:]), rng.uniform(0, seconds)
            if killer.kill_when(lambda moment, ahead=ahead: bool(ahead & set(moment.begun)), after) is None:
                return


def kill_amid_answers(killer: Killer, times: int, rng: Random) -> None:
    """Kill one campaign so many times while paid answers are on their way, after a few more have been asked for."""
    server = killer.place.server
    for _ in range(times):
        wanted = server.counts().total() + rng.randint(1, 8)
        if killer.kill_when(lambda _, wanted=wanted: server.counts().total() >= wanted, rng.uniform(0, 0.02)) is None:
            return


def whole_matrix(root: Path, *, quick: bool, tell: Callable[[str], None] = lambda _: None) -> Matrix:
    """Kill campaigns at boundaries, inside stages, and their trainers alone; sixty times or more.

    Args:
        root: an empty folder.
        quick: at boundaries only.
        tell: told of each campaign.
    """
    made, rng, at = Matrix(), Random(0), 0
    with one_thread(), paid_server() as server:
        student = write_student(root / "student")
        whole = Place(root / "whole" / "run", server).settle_down(student)
        whole.finish()
        order = stages(whole)
        plans: list[tuple[str, Callable[[Killer], None]]] = [
            ("at each boundary", lambda killer: kill_at_boundaries(killer, list(order))),
            ("inside each stage", lambda killer: kill_inside(killer, order, 2, rng)),
            ("amid paid answers", lambda killer: kill_amid_answers(killer, 12, rng)),
            ("the trainers alone", kill_trainers),
        ]
        while plans[at:] or (made.kills < KILLS and not quick):
            name, plan = plans[at] if at < len(plans) else plans[1]
            started, at = time.monotonic(), at + 1
            killer = Killer(Place(root / str(at) / "run", server).settle_down(student), whole)
            plan(killer)
            found = killer.conclude()
            made.add(found)
            tell(f"{name}: {found.kills} kills, {time.monotonic() - started:.0f} s; {found}")
            if quick:
                break
    return made


def kill_trainers(killer: Killer) -> None:
    """Kill the parent while its trainer trains, then the trainer twice, which is an error, then once, which is not."""
    if killed_for_memory() is None:
        return  # without the system's count a kill is taken for want of memory, and the batch is halved
    assert killer.kill_when(lambda _: killer.steps()) is not None
    assert killer.kill_trainers(2) == 1, killer.place.said()[-2000:]
    assert killer.kill_trainers(1) == 0, killer.place.said()[-2000:]
    assert "was killed and is started again" in killer.place.said()


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

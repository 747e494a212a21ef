"""Kills a campaign for real, resumes it by the same command, and keeps the books of what that came to."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Final

from victim import WAIT_S, Event, Moment, Place

_INTERRUPTED: Final = 130


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
        deadline = time.monotonic() + WAIT_S
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
        process, deadline, killed = self.place.start(), time.monotonic() + WAIT_S, set[int]()
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
        process.join(WAIT_S)
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

"""Call a function in a child process with a deadline; a call that takes too long is killed, not waited for."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from selfimprove.answers.worker import PATIENCE

_START_S = 120.0  # on a busy machine
_PASSED_ON = (  # what a model wrote may be run in the child: keys and tokens are not for it
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT"),
    *("LD_LIBRARY_PATH", "OMP_NUM_THREADS"),
)
_USED_UP = int(getattr(signal, "SIGPROF", 0))


class WorkerError(RuntimeError):
    """The function raised, or the child ended, twice."""


class UsedUpError(TimeoutError):
    """The call used up its processor time, so that it would again; where the clock ran out, others may be to blame."""


class Killable:
    """One child process, started at the first call, killed and started again after a timeout.

    Calls from several threads wait for each other. A forked copy of this process starts a child of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self._replies: queue.Queue[str | None] = queue.Queue()
        self._owner = 0

    def call(self, function: str, *arguments: object, timeout_s: float) -> object:
        """Run `module:function` on JSON-able arguments.

        Args:
            function: name of an importable function.
            arguments: what it is called with, JSON-able.
            timeout_s: seconds of processor time it may take, and ten times that on the clock; starting the child and
                importing the module do not count.

        Raises:
            UsedUpError: it took more processor time.
            TimeoutError: it took longer on the clock.
            WorkerError: it raised, or its process ended.
        """
        line = json.dumps({"call": function, "args": arguments, "timeout_s": timeout_s})
        with self._lock:
            for last_try in (False, True):
                reply = self._exchange(line, timeout_s)
                if reply is not None:
                    break
                self._stop()
                if last_try:
                    raise WorkerError(f"the process that ran {function} ended")
        answer = json.loads(reply or "{}")
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer["value"]

    def renew(self) -> None:
        """Forget child and lock, in a fork: another thread of the original may have held it."""
        self._lock = threading.Lock()
        self._child = None

    def close(self) -> None:
        """End the child; a later call starts another."""
        with self._lock:
            self._stop()

    def _exchange(self, line: str, timeout_s: float) -> str | None:
        """Send a line and wait for its reply, None when the child has ended."""
        child = self._running()
        if child is None or child.stdin is None:
            return None
        try:
            child.stdin.write(line + "\n")
            child.stdin.flush()
            reply = self._replies.get(timeout=timeout_s * PATIENCE)
        except (BrokenPipeError, OSError):
            return None
        except queue.Empty:
            self._stop()
            raise TimeoutError(f"no reply within {timeout_s * PATIENCE:g} s") from None
        except BaseException:  # Ctrl-C: the reply that is still to come must not be taken for the next call's
            self._stop()
            raise
        if reply is None and child.wait() == -_USED_UP:
            self._stop()
            raise UsedUpError(f"no reply within {timeout_s:g} s of processor time")
        return reply

    def _running(self) -> subprocess.Popen[str] | None:
        """Give the child, started if need be; None when it does not start."""
        if self._child is not None and self._owner == os.getpid() and self._child.poll() is None:
            return self._child
        if self._owner != os.getpid():  # a fork: the other process's child is not ours to stop
            self._child = None
        self._stop()
        self._child = _spawn()
        self._owner = os.getpid()
        self._replies = queue.Queue()
        threading.Thread(target=_forward, args=(self._child.stdout, self._replies), daemon=True).start()
        try:
            return self._child if self._replies.get(timeout=_START_S) is not None else None
        except queue.Empty:
            return None

    def _stop(self) -> None:
        child, self._child = self._child, None
        if child is None or self._owner != os.getpid():
            return
        _kill(child)
        child.wait()
        if child.stdin is not None and not child.stdin.closed:
            with contextlib.suppress(BrokenPipeError):  # what was left to write has no reader any more
                child.stdin.close()


def _kill(child: subprocess.Popen[str]) -> None:
    """Kill a child and, where the system has process groups, what it has started."""
    if sys.platform == "win32" or child.poll() is not None:
        child.kill()
        return
    with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
        os.killpg(child.pid, signal.SIGKILL)


def _forward(source: IO[str] | None, replies: queue.Queue[str | None]) -> None:
    """Pass the child's lines on, and None at its end."""
    with source or open(os.devnull, encoding="utf-8") as lines:  # noqa: PTH123
        for line in lines:
            replies.put(line)
    replies.put(None)


def _spawn() -> subprocess.Popen[str]:
    root = str(Path(__file__).resolve().parents[2])  # the package may run from a checkout that is not installed
    known = os.environ.get("PYTHONPATH")
    passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "selfimprove.answers.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is the parent's to handle
        encoding="utf-8",
        env={**passed, "PYTHONPATH": f"{root}{os.pathsep}{known}" if known else root},
    )


_shared = Killable()
atexit.register(_shared.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.renew)


def shared() -> Killable:
    """Give the one child of this process that all comparisons use."""
    return _shared

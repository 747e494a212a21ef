import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from selfimprove.answers.killable import Killable, WorkerError


@pytest.fixture(scope="module")
def child() -> Iterator[Killable]:
    """One child process for the whole file."""
    made = Killable()
    yield made
    made.close()


def test_calls_return_values(child: Killable):
    """A call gives what the function gives, in the same child again and again."""
    first = child.call("os:getpid", timeout_s=5)
    assert child.call("math:gcd", 12, 18, timeout_s=5) == 6
    assert child.call("os:getpid", timeout_s=5) == first != os.getpid()


def test_the_child_has_no_keys(monkeypatch: pytest.MonkeyPatch):
    """Of the environment it gets what a program needs to start, and no more."""
    monkeypatch.setenv("FAKE_API_KEY", "secret")
    made = Killable()
    assert made.call("os:getenv", "FAKE_API_KEY", timeout_s=5) is None
    assert made.call("os:getenv", "PATH", timeout_s=5) == os.environ["PATH"]
    made.close()


def test_printing_functions_do_not_disturb(child: Killable):
    """What a function prints is not taken for its reply."""
    assert child.call("builtins:print", "not a reply", timeout_s=5) is None


def test_timeout_kills_and_the_next_call_works(child: Killable):
    """A call over its deadline ends with TimeoutError within the deadline, and the child is another one after."""
    before = child.call("os:getpid", timeout_s=5)
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        child.call("time:sleep", 60, timeout_s=0.2)
    assert time.monotonic() - started < 5
    assert child.call("os:getpid", timeout_s=5) != before


def test_raising_functions_are_errors(child: Killable):
    """A function that raises is told as such, with its reason."""
    with pytest.raises(WorkerError, match="ValueError"):
        child.call("builtins:int", "x", timeout_s=5)


def test_dying_functions_are_errors(child: Killable):
    """A function that ends its process is tried again once and then told as such."""
    with pytest.raises(WorkerError, match="ended"):
        child.call("os:_exit", 3, timeout_s=20)
    assert child.call("math:gcd", 4, 6, timeout_s=5) == 2


def test_threads_share_the_child(child: Killable):
    """Calls from many threads each get their own reply."""
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda n: child.call("math:factorial", n, timeout_s=20), range(40)))
    assert replies[:6] == [1, 1, 2, 6, 24, 120]


def _ended(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")
def test_child_ends_with_a_killed_parent():
    """When the parent is killed in the middle of a call, the child goes too."""
    script = (
        "import threading, time\n"
        "from selfimprove.answers.killable import Killable\n"
        "k = Killable()\n"
        "print(k.call('os:getpid', timeout_s=60), flush=True)\n"
        "k.call('time:sleep', 60, timeout_s=60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.3)
        parent.kill()
    deadline = time.monotonic() + 10
    while not _ended(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _ended(pid)


proc = pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes through /proc")


def _children() -> set[int]:
    found = set[int]()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # a thread that ended meanwhile
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@proc
def test_many_timeouts_leave_nothing_behind_and_stay_quick():
    """Eight hangs in a row each cost their deadline and a start: no zombie, thread or file stays, none is slower."""
    made = Killable()
    made.call("math:gcd", 4, 6, timeout_s=5)
    before, files, threads = _children(), _open_files(), threading.active_count()
    seconds = []
    for _ in range(8):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            made.call("time:sleep", 60, timeout_s=0.02)
        assert made.call("math:gcd", 4, 6, timeout_s=5) == 2
        seconds.append(time.monotonic() - started)
    assert sum(seconds[4:]) < 3 * sum(seconds[:4]) + 1
    assert len(_children()) == len(before)
    assert _open_files() <= files + 1
    assert threading.active_count() <= threads + 1
    made.close()
    assert len(_children()) == len(before) - 1


def test_computation_is_ended_by_its_processor_time():
    """A loop inside C code that no signal handler could interrupt is ended, long before the clock's deadline."""
    made = Killable()
    started = time.monotonic()
    with pytest.raises(TimeoutError, match="processor time"):
        made.call("math:factorial", 30_000_000, timeout_s=1.5)
    assert time.monotonic() - started < 120
    assert made.call("math:gcd", 4, 6, timeout_s=5) == 2
    made.close()


@proc
def test_what_a_killed_call_has_started_goes_too(tmp_path: Path):
    """A program that a hanging call runs is ended with it: nothing is orphaned."""
    made = Killable()
    script = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    with pytest.raises(TimeoutError):
        made.call("subprocess:call", [sys.executable, "-c", script], timeout_s=0.4)
    deadline = time.monotonic() + 10
    written = (tmp_path / "pid").read_text() if (tmp_path / "pid").exists() else ""
    while written and not _ended(int(written)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not written or _ended(int(written))
    made.close()


def test_interrupted_call_leaves_no_reply_for_the_next(monkeypatch: pytest.MonkeyPatch):
    """After Ctrl-C in the middle of a call, the next call gets its own reply, not the late one."""
    made = Killable()
    made.call("math:gcd", 4, 6, timeout_s=5)

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(made._replies, "get", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.call("math:factorial", 5, timeout_s=5)
    assert made.call("math:gcd", 12, 18, timeout_s=5) == 6
    made.close()


def test_memory_hunger_is_an_error_not_a_crash():
    """A computation that grows without end fails inside the child, which works on."""
    made = Killable()
    with pytest.raises((WorkerError, TimeoutError)):
        made.call("operator:mul", "x" * 1000, 10**12, timeout_s=20)
    assert made.call("math:gcd", 4, 6, timeout_s=5) == 2
    made.close()

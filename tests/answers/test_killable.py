import os
import subprocess
import sys
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

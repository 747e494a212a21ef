"""A child process that runs functions which may hang: symbolic algebra on whatever a model wrote.

Started as `python -m selfimprove.answers.worker`. Each line on standard input is a JSON object
`{"call": "module:function", "args": [...], "timeout_s": 5}`, each line on standard output its `{"value": ...}` or
`{"error": "..."}`. A call that uses up its processor time is ended by the system, whatever it computes. The worker also
ends with its parent, when standard input closes, or, should a call hold the interpreter without computing, some time
after its deadline.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from typing import TextIO

PATIENCE = 10.0
"""Seconds on the clock for each second of processor time: other programs may be busy too."""
_MEMORY_BYTES = 8 << 30
_GRACE_S = 5.0  # the parent kills first; this is for when there is no parent any more


def main() -> None:
    """Answer calls until the parent goes away."""
    _limit_memory()
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    nowhere = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - it lives as long as the process
    os.dup2(nowhere.fileno(), sys.stdout.fileno())  # what a library prints must not stand between the replies
    calls: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(calls,), daemon=True).start()
    print(json.dumps({"value": "ready"}), file=replies, flush=True)
    while True:
        print(json.dumps(_answer(json.loads(calls.get()), nowhere)), file=replies, flush=True)


def _listen(calls: queue.Queue[str]) -> None:
    """Pass lines on; end the process at once, whatever it computes, when there are no more."""
    for line in sys.stdin:
        calls.put(line)
    os._exit(0)


def _answer(call: Mapping[str, object], nowhere: TextIO) -> dict[str, object]:
    module, _, name = str(call["call"]).partition(":")
    arguments, timeout_s = call["args"], float(str(call["timeout_s"]))
    try:
        function = getattr(importlib.import_module(module), name)  # importing does not count
        faulthandler.dump_traceback_later(timeout_s * PATIENCE + _GRACE_S, exit=True, file=nowhere)
        _alarm(timeout_s)
        value = function(*(arguments if isinstance(arguments, list) else []))
    except Exception as error:  # noqa: BLE001 - whatever a library raises on model text is reported to the parent
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    finally:
        _alarm(0)
        faulthandler.cancel_dump_traceback_later()
    return {"value": value}


def _alarm(seconds: float) -> None:
    """Let the system end this process after so much processor time, 0 for not at all, where it can."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # nothing handles SIGPROF, so it ends even C code


def _limit_memory() -> None:
    """Make a computation that grows without end fail with MemoryError, where the system can do that."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


if __name__ == "__main__":
    main()

"""Training processes that begin at once: each is a fork of one process that has the training's libraries imported.

`python warm_trainer.py ADDRESS -m MODULE ARGUMENTS` is to `ProcessTrainer` what `python -m MODULE ARGUMENTS` is: the same
module with the same arguments, environment, folder, standard input and output runs in a process of its own, whose end is
the launcher's end. It dies when the launcher is killed. What it lacks is an interpreter's start and seconds of imports;
trainings that are begun in the ordinary way are in test_launching, test_extras, test_resuming, test_prm_training,
test_end_to_end and tests/kill.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

_ROOT: Final = Path(__file__).resolve().parent.parent
_LENGTH: Final = struct.Struct("!Q")
_IMPORTED: Final = (
    "torch", "transformers", "transformers.models.llama.modeling_llama", "datasets", "accelerate", "peft",
    "trl.trainer.sft_trainer", "trl.trainer.dpo_trainer", "trl.trainer.kto_trainer", "trl.trainer.grpo_trainer",
    "selfimprove.trainers.learning", "selfimprove.trainers.practising", "selfimprove.trainers.completion_head",
)  # fmt: skip
"""What the methods share. A method's own module is not here, as it runs as the main program."""


class Warm(NamedTuple):
    """What begins trainings."""

    launcher: tuple[str, ...]
    """For `ProcessTrainer`."""
    pid: Path
    """Holds the id of the training process that was begun last."""


@contextlib.contextmanager
def warm_trainer() -> Iterator[Warm]:
    """Give what begins trainings, for as long as its process runs."""
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        address, ours = f"{folder}/line", str(Path(__file__).resolve())
        # CUDA is asked about without being started, as a fork could not start it again; hashes are those of a training.
        own = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "PYTORCH_NVML_BASED_CUDA_CHECK": "1"}
        path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(address)
            door.listen()  # so that a launcher can call while the libraries are still being imported
            server = subprocess.Popen(
                [sys.executable, "-u", ours, "serve", str(door.fileno())],
                stdin=subprocess.PIPE,
                env={**os.environ, **own, "PYTHONPATH": path},
                pass_fds=[door.fileno()],
            )
        with server:  # which closes its standard input, and with that it ends
            yield Warm((sys.executable, "-I", "-S", ours, address), Path(f"{address}.pid"))


def serve(handle: int) -> None:
    """Be what is forked, until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=handle) as door:
        for name in _IMPORTED:
            importlib.import_module(name)
        gc.freeze()  # a collection that walked over all this would copy it into each fork
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while door in select.select([door, 0], [], [])[0]:
            line, _ = door.accept()
            if not os.fork():
                door.close()
                _keep(line)
            line.close()


def _keep(line: socket.socket) -> None:
    """Fork the training, wait for its end or the launcher's, and tell how it ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    head, handles, _, _ = socket.recv_fds(line, _LENGTH.size, 3)
    told = json.loads(_exactly(line, _LENGTH.unpack(head)[0]))
    ready, go = os.pipe()
    trainer = os.fork()
    if not trainer:
        line.close()
        os.close(go)
        os.read(ready, 1)  # until the launcher knows whom it began
        os.close(ready)
        _become(told, handles)
        return
    os.close(ready)
    for handle in handles:
        os.close(handle)
    line.sendall(_LENGTH.pack(trainer))
    _exactly(line, 1)
    os.close(go)
    watched = os.pidfd_open(trainer)
    if watched not in select.select([watched, line], [], [])[0]:
        os.kill(trainer, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(trainer, 0)[1])
    with contextlib.suppress(OSError):
        line.sendall(struct.pack("!q", code))
    os._exit(0)


def _become(told: dict[str, Any], handles: list[int]) -> None:
    """Run the module as a program, with what the launcher was given."""
    os.setsid()
    for number, handle in enumerate(handles):
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(told["folder"])
    os.environ.clear()
    os.environ.update(told["environment"])
    flag, module, *arguments = told["arguments"]
    assert flag == "-m", told
    sys.path[:1] = [told["folder"], *filter(None, told["environment"].get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = [module, *arguments]
    sys.modules.pop(module, None)  # it is run anew, as a program
    code = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            sys.stderr.write(f"{end.code}\n")
    except BaseException:  # noqa: BLE001 - it is told as an interpreter tells it
        code = 1
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)  # taking every module apart takes longer than most of these trainings


def launch(address: str, arguments: list[str]) -> None:
    """Begin a training, and end as it ends."""
    told = {"arguments": arguments, "environment": dict(os.environ), "folder": str(Path.cwd())}
    data = json.dumps(told).encode()
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(address)
        socket.send_fds(line, [_LENGTH.pack(len(data))], [0, 1, 2])
        line.sendall(data)
        Path(f"{address}.pid").write_text(str(_LENGTH.unpack(_exactly(line, _LENGTH.size))[0]))
        line.sendall(b".")
        (code,) = struct.unpack("!q", _exactly(line, 8))
    if code < 0:
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _exactly(line: socket.socket, size: int) -> bytes:
    """Read so many bytes."""
    found = b""
    while len(found) < size:
        more = line.recv(size - len(found))
        if not more:
            raise SystemExit("the process that trainings are forked from is gone")
        found += more
    return found


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        launch(sys.argv[1], sys.argv[2:])

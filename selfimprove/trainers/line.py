"""A line to the teacher: a training process asks, and its parent answers.

So one process owns the ledger: what is asked is journaled, cached and paid within the budget as in a lesson. The line
is a local socket in a folder that only this user may enter; a request and its reply are a line of JSON each.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from selfimprove.errors import InputError, TrainingError
from selfimprove.protocols import Teacher
from selfimprove.records import Answer, Question

LINE: Final = "SELFIMPROVE_LINE"
"""Names the socket to a training process."""
_TICK_S: Final = 0.2
_LAST_S: Final = 5.0
"""An answer that comes later than this is nobody's any more."""


class Switchboard:
    """The parent's end: answers one call after another until it is closed.

    Args:
        teacher: who answers.
        address: file of the socket.

    Attributes:
        failed: what the teacher raised, which ends the training.
    """

    def __init__(self, teacher: Teacher, address: Path) -> None:
        self.teacher, self.address = teacher, address
        self.failed: Exception | None = None
        self._closed = threading.Event()
        self._caller: socket.socket | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(address))
        self._socket.settimeout(_TICK_S)
        self._socket.listen()
        within = contextvars.copy_context()  # the stage that calls are counted to
        self._thread = threading.Thread(target=within.run, args=(self._serve,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._closed.set()
        if self._caller is not None:
            with contextlib.suppress(OSError):  # it has hung up
                self._caller.shutdown(socket.SHUT_RDWR)
        self._thread.join(_LAST_S)
        self._socket.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                caller, _ = self._socket.accept()
            except TimeoutError:
                continue
            caller.settimeout(None)
            self._caller = caller
            with caller, caller.makefile("rw", encoding="utf-8") as lines, contextlib.suppress(OSError):
                for line in lines:
                    lines.write(self._reply(line) + "\n")
                    lines.flush()

    def _reply(self, line: str) -> str:
        asked = [Question.model_validate(each) for each in json.loads(line)]
        try:
            answers = self.teacher.answer(asked)
        except Exception as error:  # noqa: BLE001 - of any teacher; the parent raises it when the training has ended
            self.failed = error
            return json.dumps({"failed": str(error)})
        return json.dumps({"answers": [answer.model_dump(mode="json") for answer in answers]})


@contextlib.contextmanager
def answering(teacher: Teacher | None) -> Iterator[Switchboard | None]:
    """Let a teacher answer what a training process asks, for as long as this lasts; None: nobody does."""
    if teacher is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="selfimprove-") as folder:
        board = Switchboard(teacher, Path(folder) / "line")
        try:
            yield board
        finally:
            board.close()


class Caller:
    """The training process's end: the half of a `Teacher` that answers questions.

    Raises:
        InputError: there is no line.
    """

    def __init__(self) -> None:
        address = os.environ.get(LINE)
        if not address:
            raise InputError("the reward questions needs a teacher that answers, and this training was given none")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(address)
        self._lines: Any = self._socket.makefile("rw", encoding="utf-8")

    def answer(self, asked: Sequence[Question]) -> list[Answer]:
        """Ask the parent, and wait.

        Raises:
            TrainingError: the teacher cannot answer; what it said is the parent's to tell.
        """
        self._lines.write(json.dumps([question.model_dump(mode="json") for question in asked]) + "\n")
        self._lines.flush()
        told = json.loads(self._lines.readline() or '{"failed": "the line is closed"}')
        if "failed" in told:
            raise TrainingError(f"the teacher cannot answer: {told['failed']}")
        return [Answer.model_validate(each) for each in told["answers"]]

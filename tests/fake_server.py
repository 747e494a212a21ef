"""A small OpenAI-compatible server on this machine that answers what a test scripts, or misbehaves by a seed."""

from __future__ import annotations

import hashlib
import json
import random
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, NamedTuple

Broken = Literal["", "closed", "half json", "no choices", "html", "huge", "drip"]
HUGE_BYTES = 20_000_000


class Reply(NamedTuple):
    """What the server does with one request."""

    content: str = "Answer: 4"
    status: int = 200
    headers: Mapping[str, str] = {}
    reasoning: str = ""
    usage: bool = True
    finish_reason: str = "stop"
    delay_s: float = 0.0
    prompt_tokens: int = 7
    completion_tokens: int = 3
    hidden_tokens: int = 0
    """Of reasoning, in the total alone."""
    error: str = "scripted"
    code: str = ""
    """Of an error, beside its message."""
    broken: Broken = ""
    """A reply that is no answer, sent with status 200."""


class Misbehaviour(NamedTuple):
    """One way to go wrong, and what a caller with retries and a fallback is expected to make of it."""

    reply: Reply
    outcome: Literal["again", "fallback", "answer", "cut off"]
    """`again`: asked again there; `fallback`: never asked there again; `answer`, `cut off`: it is the answer."""
    doubtful: bool = False
    """It may have been billed though no answer came, so its worst cost stays counted."""


MISBEHAVIOURS: dict[str, Misbehaviour] = {
    "429": Misbehaviour(Reply(status=429), "again"),
    "429, Retry-After": Misbehaviour(Reply(status=429, headers={"Retry-After": "0.2"}), "again"),
    "500": Misbehaviour(Reply(status=500), "again"),
    "503": Misbehaviour(Reply(status=503), "again"),
    "402": Misbehaviour(Reply(status=402), "fallback"),
    "hang": Misbehaviour(Reply(delay_s=30.0, broken="closed"), "again", doubtful=True),
    "drip": Misbehaviour(Reply(broken="drip"), "again", doubtful=True),
    "closed": Misbehaviour(Reply(broken="closed"), "again", doubtful=True),
    "half json": Misbehaviour(Reply(broken="half json"), "again", doubtful=True),
    "no choices": Misbehaviour(Reply(broken="no choices"), "again", doubtful=True),
    "html": Misbehaviour(Reply(broken="html"), "again", doubtful=True),
    "huge": Misbehaviour(Reply(broken="huge"), "again", doubtful=True),
    "length": Misbehaviour(Reply(finish_reason="length"), "cut off"),
    "no usage": Misbehaviour(Reply(usage=False), "answer"),
}
"""Every way to go wrong beside its expected outcome."""


class FakeServer:
    """Counts what reaches it and what it answered; `script` decides on each reply from the request's body."""

    def __init__(self, script: Callable[[dict[str, Any]], Reply]) -> None:
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.at: list[float] = []
        self.answered: Counter[str] = Counter()
        """Whole answers made, by request; the server's own count of what was paid for."""
        self.billed: list[tuple[int, int]] = []
        """Prompt and completion tokens of every reply with status 200, broken or not, from the moment it is asked for."""
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        handler = type("Handler", (_Handler,), {"server_of_test": self})
        self._http = _Listening(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def calls(self) -> int:
        """Completions asked for so far."""
        return len(self.bodies)

    def models(self) -> list[str]:
        """Names of the models asked, in order."""
        return [body["model"] for body in self.bodies]

    def close(self) -> None:
        """Stop listening; whoever hangs is let go."""
        self._closed.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def answer(self, body: dict[str, Any], key: str) -> tuple[Reply, bytes]:
        """Note a request and give what is sent back."""
        reply = self.script(body)
        with self._lock:
            self.bodies.append(body)
            self.keys.append(key)
            self.at.append(time.monotonic())
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            if reply.status == 200:
                self.billed.append((reply.prompt_tokens, reply.completion_tokens))
        self._closed.wait(reply.delay_s)
        with self._lock:
            self._in_flight -= 1
        if reply.status != 200:
            told = {"message": reply.error, "type": reply.code or "scripted", "code": reply.code or None}
            return reply, json.dumps({"error": told}).encode()
        return reply, written(body, reply)

    def note_answered(self, body: dict[str, Any]) -> None:
        """Count a whole answer before it goes out."""
        asked = [body["messages"], body.get("seed"), body.get("temperature")]
        with self._lock:
            self.answered[hashlib.sha256(json.dumps(asked).encode()).hexdigest()] += 1

    def wait(self, seconds: float) -> bool:
        """Wait, and say whether the server was closed meanwhile."""
        return self._closed.wait(seconds)


class _Listening(ThreadingHTTPServer):
    request_queue_size = 512
    """Callers that may wait to be let in; the default, 5, has some of 64 at once reset on a busy machine."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_of_test: FakeServer

    def do_GET(self) -> None:
        self._send(Reply(), b'{"object": "list", "data": []}')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply, sent = self.server_of_test.answer(body, self.headers.get("Authorization", ""))
        if reply.status == 200 and not reply.broken and not self._hung_up():
            self.server_of_test.note_answered(body)
        self._send(reply, sent)

    def _send(self, reply: Reply, sent: bytes) -> None:
        try:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "text/html" if reply.broken == "html" else "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            if reply.broken == "closed":
                self.close_connection = True
                sent = sent[: len(sent) // 2]
            while reply.broken == "drip" and not self.server_of_test.wait(0.05):
                self.wfile.write(b" ")
            self.wfile.write(sent)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the caller has hung up, as after a timeout

    def _hung_up(self) -> bool:
        readable = select.select([self.connection], [], [], 0)[0]
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Keep quiet: the base class writes each request to stderr."""


def written(body: dict[str, Any], reply: Reply) -> bytes:
    """Write a reply with status 200 as the protocol has it, or as `broken` says."""
    content = "x" * HUGE_BYTES if reply.broken == "huge" else reply.content
    message = {"role": "assistant", "content": content}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    choice = {"index": 0, "finish_reason": reply.finish_reason, "message": message}
    sent: dict[str, Any] = {
        "id": "fake",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [] if reply.broken == "no choices" else [choice],
    }
    if reply.usage:
        spent = reply.prompt_tokens, reply.completion_tokens
        total = sum(spent) + reply.hidden_tokens
        sent["usage"] = {"prompt_tokens": spent[0], "completion_tokens": spent[1], "total_tokens": total}
    data = json.dumps(sent).encode()
    if reply.broken == "html":
        return b"<html><body>Please sign in to the hotel's network.</body></html>"
    return data[: len(data) // 2] if reply.broken == "half json" else data


class Schedule:
    """Misbehaves at a seeded share of the requests, as `script` of a server.

    What happens to a request depends on the seed and on how many came before it alone. A model called `broke` says that
    it is out of credit once it has answered a few; no other ever does.
    """

    def __init__(
        self, share: float, seed: int = 0, names: Sequence[str] = tuple(MISBEHAVIOURS), good: Reply | None = None
    ) -> None:
        self.faults: Counter[str] = Counter()
        self._share, self._good = share, good or Reply()
        self._names = [name for name in names if name != "402"]
        self._credit = 20 if "402" in names else 1 << 60
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def __call__(self, body: dict[str, Any]) -> Reply:
        """Give the next reply."""
        with self._lock:
            name = self._random.choice(self._names) if self._random.random() < self._share else ""
            if body["model"] == "broke":
                self._credit -= 1
                name = name if self._credit >= 0 else "402"
            if not name:
                return self._good
            self.faults[name] += 1
        reply = MISBEHAVIOURS[name].reply
        return reply._replace(content=self._good.content)


@contextmanager
def serving(script: Callable[[dict[str, Any]], Reply] | Reply | None = None) -> Iterator[FakeServer]:
    """Run a server for the length of a test."""
    fixed = script if isinstance(script, Reply) else Reply()
    server = FakeServer(script if callable(script) else lambda _: fixed)
    try:
        yield server
    finally:
        server.close()

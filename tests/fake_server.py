"""A small OpenAI-compatible server on this machine that answers what a test scripts."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


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
    error: str = "scripted"


class FakeServer:
    """Counts what reaches it; `script` decides on each reply from the request's body."""

    def __init__(self, script: Callable[[dict[str, Any]], Reply]) -> None:
        self.script = script
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.at: list[float] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
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
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def answer(self, body: dict[str, Any], key: str) -> tuple[Reply, bytes]:
        """Note a request and give what is sent back."""
        with self._lock:
            self.bodies.append(body)
            self.keys.append(key)
            self.at.append(time.monotonic())
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            reply = self.script(body)
            time.sleep(reply.delay_s)
        finally:
            with self._lock:
                self._in_flight -= 1
        if reply.status != 200:
            return reply, json.dumps({"error": {"message": reply.error, "type": "scripted"}}).encode()
        message = {"role": "assistant", "content": reply.content}
        if reply.reasoning:
            message["reasoning_content"] = reply.reasoning
        sent: dict[str, Any] = {
            "id": "fake",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": reply.finish_reason, "message": message}],
        }
        if reply.usage:
            spent = reply.prompt_tokens, reply.completion_tokens
            sent["usage"] = {
                "prompt_tokens": spent[0],
                "completion_tokens": spent[1],
                "total_tokens": sum(spent),
            }
        return reply, json.dumps(sent).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._send(200, {}, b'{"object": "list", "data": []}')

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                reply, sent = server.answer(body, self.headers.get("Authorization", ""))
                self._send(reply.status, reply.headers, sent)

            def _send(self, status: int, headers: Mapping[str, str], sent: bytes) -> None:
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(sent)))
                    self.end_headers()
                    self.wfile.write(sent)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the caller has hung up, as after a timeout

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
                pass

        return Handler


@contextmanager
def serving(script: Callable[[dict[str, Any]], Reply] | Reply | None = None) -> Iterator[FakeServer]:
    """Run a server for the length of a test."""
    fixed = script if isinstance(script, Reply) else Reply()
    server = FakeServer(script if callable(script) else lambda _: fixed)
    try:
        yield server
    finally:
        server.close()

"""A teacher that costs money: an OpenAI-compatible server that answers sums and counts what it is asked.

It lives in the process that kills, so it outlives the killed. Each answer carries the hash of its request as hidden
reasoning, so that a row of the ledger names the request that it answers.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_SUM = re.compile(r"What is ([-+\d ]+)\?")


class _Quiet(ThreadingHTTPServer):
    """A server that does not print what a killed client leaves behind."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is what is tested."""


class PaidServer:
    """Counts requests by their hash.

    Attributes:
        asked: how often each request came.
        delay_s: how long an answer takes.
    """

    def __init__(self, delay_s: float) -> None:
        self.asked: Counter[str] = Counter()
        self.delay_s = delay_s
        self._lock = threading.Lock()
        self._http = _Quiet(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def counts(self) -> Counter[str]:
        """Give how often each request came so far."""
        with self._lock:
            return Counter(self.asked)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """Count a request, and answer it the same at any time."""
        tag = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
        with self._lock:
            self.asked[tag] += 1
        time.sleep(self.delay_s)
        asked = body["messages"][-1]["content"]
        found = _SUM.search(asked)
        said = "Look at the first number."
        if found and "Question:" not in asked:
            said = f"Answer: {sum(int(part) for part in re.findall(r'[-+]?[0-9]+', found[1].replace(' ', '')))}"
        message = {"role": "assistant", "content": said, "reasoning_content": tag}
        return {
            "id": tag,
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 40, "completion_tokens": 8, "total_tokens": 48},
        }

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._send({"object": "list", "data": []})

            def do_POST(self) -> None:
                self._send(server.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))

            def _send(self, value: dict[str, Any]) -> None:
                sent = json.dumps(value).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(sent)))
                    self.end_headers()
                    self.wfile.write(sent)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the client was killed

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
                pass

        return Handler


@contextmanager
def paid_server(delay_s: float = 0.02) -> Iterator[PaidServer]:
    """Run a server for as long as the block."""
    server = PaidServer(delay_s)
    try:
        yield server
    finally:
        server.close()

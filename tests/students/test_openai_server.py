import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from selfimprove.errors import InputError, StudentError
from selfimprove.protocols import Student
from selfimprove.records import Message, Request, Sampling
from selfimprove.students import load_student
from selfimprove.students.openai_server import OpenAIServerStudent, read

SAME: dict[str, Any] = {"model": "tiny", "sampling": Sampling(), "sample": 0}


class Server(ThreadingHTTPServer):
    """A server that echoes, can refuse, and counts who is inside at once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, Any], str]] = []
        self.inside = self.most = 0
        self.lock = threading.Lock()
        self.offers_logprobs = self.offers_lora = self.offers_more = True
        self.faults: list[str] = []
        """What goes wrong with the next calls, one each."""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    """Answers chat completions and vLLM's adapter call."""

    server: Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Answer one call."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.seen.append((self.path, body, self.headers.get("Authorization", "")))
            self.server.inside += 1
            self.server.most = max(self.server.most, self.server.inside)
            fault = self.server.faults.pop() if self.server.faults else ""
        threading.Event().wait(0.01)
        status, answer = (503, "busy") if fault == "busy" else self.answer(body)
        with self.server.lock:
            self.server.inside -= 1
        if fault == "reset":
            self.close_connection = True
            return
        data = answer.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def answer(self, body: dict[str, Any]) -> tuple[int, str]:
        """Give status and text."""
        if self.path == "/v1/load_lora_adapter":
            return (200, "Success") if self.server.offers_lora else (404, "Not Found")
        said = body["messages"][-1]["content"]
        if "logprobs" in body and not self.server.offers_logprobs:
            return 400, '{"error": "logprobs is not supported"}'
        unknown = [name for name in ("top_k", "min_p", "repetition_penalty") if name in body]
        if unknown and not self.server.offers_more:
            return 422, json.dumps({"error": f"Unexpected keys in the request: {unknown[0]}"})
        if said in {"fail", "nonsense"}:
            return (500, "boom") if said == "fail" else (200, '{"hello": 1}')
        logprobs = {"content": [{"logprob": -1.0}, {"logprob": -3.0}]} if "logprobs" in body else None
        choice = {"message": {"content": f"{body['model']}: {said}"}, "finish_reason": "length", "logprobs": logprobs}
        return 200, json.dumps({"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 2}})


@pytest.fixture
def server() -> Iterator[Server]:
    """A real server on a free port, stopped at the end."""
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join(5)


def ask(text: str, sample: int = 0) -> Request:
    """One user turn."""
    sampling = Sampling(temperature=0.5, top_p=0.9, max_tokens=11, stop=("END",))
    return Request(role="solve", messages=(Message(role="user", content=text),), sampling=sampling, sample=sample)


def test_requests_go_out_whole_and_answers_come_back_in_order(server: Server) -> None:
    """Sampling and messages reach the server; text, counts, reason and mean log-probability come back."""
    student = load_student(f"openai-server:tiny@{server.url}", concurrency=3)
    assert isinstance(student, Student)
    made = student.complete([ask(str(i), sample=i) for i in range(12)])
    assert [one.text for one in made] == [f"tiny: {i}" for i in range(12)]
    assert {(one.finish_reason, one.prompt_tokens, one.completion_tokens) for one in made} == {("length", 7, 2)}
    assert {(one.mean_logprob, one.lowest_logprob) for one in made} == {(-2.0, -3.0)}
    assert [one.sample for one in made] == list(range(12))
    assert {one.model for one in made} == {student.identity}
    bodies = [body for _, body, _ in server.seen]
    assert {(b["temperature"], b["top_p"], b["max_tokens"], tuple(b["stop"])) for b in bodies} == {
        (0.5, 0.9, 11, ("END",))
    }
    assert {(b["top_k"], b["min_p"], b["repetition_penalty"]) for b in bodies} == {(0, 0.0, 1.0)}
    assert len({b["seed"] for b in bodies}) == 12
    assert 1 < server.most <= 3


def test_failures_are_completions_with_errors(server: Server) -> None:
    """A server's error and a strange answer are recorded, and not asked for again; the rest of the batch goes on."""
    student = OpenAIServerStudent("tiny", server.url)
    failed, strange, good = student.complete([ask("fail"), ask("nonsense"), ask("fine")])
    assert (failed.finish_reason, "500" in failed.error) == ("error", True)
    assert (strange.finish_reason, "not a chat completion" in strange.error) == ("error", True)
    assert good.text == "tiny: fine"
    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": "<think>2 and 2</think>Answer: 4"}, "Answer: 4", "2 and 2"),
        ({"content": "Answer: 4", "reasoning_content": "2 and 2"}, "Answer: 4", "2 and 2"),
        ({"content": "Answer: 4", "reasoning": "2 and 2"}, "Answer: 4", "2 and 2"),
        ({"content": "4 \ud83d", "reasoning": "\ud83d"}, "4 ?", "?"),
        ({"content": None}, "", ""),
    ],
)
def test_thinking_is_parted_from_the_answer(message: dict[str, Any], text: str, reasoning: str) -> None:
    """However a server gives it; half a character, which no file takes, is a question mark."""
    made = read({"choices": [{"message": message, "finish_reason": "stop"}]}, SAME)
    assert (made.text, made.reasoning, made.finish_reason) == (text, reasoning, "stop")
    assert made.model_dump_json()


@pytest.mark.parametrize("ended", ["abort", "content_filter"])
def test_what_was_aborted_is_no_answer(ended: str) -> None:
    """It would count as a wrong one."""
    with pytest.raises(ValueError, match=f"ended by {ended}"):
        read({"choices": [{"message": {"content": "4"}, "finish_reason": ended}]}, SAME)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfimprove.students.openai_server._PAUSES_S", (0.01, 0.02, 0.03))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", ["busy", "reset"])
def test_what_may_pass_is_tried_again(server: Server, fault: str) -> None:
    """A busy server and a connection that breaks are asked the same again, and answer; in vain four times is an error."""
    student, server.faults = OpenAIServerStudent("tiny", server.url), [fault] * 3
    assert student.complete([ask("fine")])[0].text == "tiny: fine"
    assert [body for _, body, _ in server.seen] == [server.seen[0][1]] * 4
    server.faults = [fault] * 4
    (failed,) = student.complete([ask("fine")])
    assert failed.finish_reason == "error"
    assert ("503" if fault == "busy" else "Error") in failed.error


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_not_there_ends_the_run() -> None:
    """Nothing is answered where nobody listens, so the caller is told, and no completion is made up."""
    student = OpenAIServerStudent("tiny", "http://127.0.0.1:9/v1")
    with pytest.raises(StudentError, match=r"127\.0\.0\.1:9/v1 cannot be reached \(ConnectError.*run the same command"):
        student.complete([ask(str(at)) for at in range(200)])


def test_a_server_is_asked_without_what_it_does_not_know(server: Server) -> None:
    """Log-probabilities, and the switches that are not of the protocol, are left out where they are refused by name."""
    server.offers_logprobs = server.offers_more = False
    made = OpenAIServerStudent("tiny", server.url).complete([ask("fine")])[0]
    assert (made.text, made.mean_logprob, made.lowest_logprob) == ("tiny: fine", None, None)
    assert [len(body) for _, body, _ in server.seen] == [11, 10, 9, 8, 7]


def test_a_server_is_asked_only_once_what_it_knows(server: Server) -> None:
    """What it answered without is left out from then on."""
    server.offers_more = False
    student = OpenAIServerStudent("tiny", server.url)
    student.complete([ask("fine")])
    server.seen.clear()
    assert student.complete([ask("again")])[0].mean_logprob == -2.0
    assert len(server.seen) == 1


def test_the_key_is_read_from_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key travels as a bearer token; a variable that is not set is bad input."""
    with pytest.raises(InputError, match="TINY_KEY is not set"):
        OpenAIServerStudent("tiny", server.url, "TINY_KEY")
    monkeypatch.setenv("TINY_KEY", "secret")
    OpenAIServerStudent("tiny", server.url, "TINY_KEY").complete([ask("fine")])
    assert server.seen[0][2] == "Bearer secret"


def test_adapters_go_to_vllm_only(server: Server, tmp_path: Path) -> None:
    """An adapter is loaded by its hash and answers under its own name; other servers say what they are for."""
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    student = OpenAIServerStudent("tiny", server.url, lora=True)
    trained = student.with_adapter(tmp_path)
    path, body, _ = server.seen[0]
    assert (path, body["lora_path"]) == ("/v1/load_lora_adapter", str(tmp_path.resolve()))
    assert trained.complete([ask("fine")])[0].text == f"{body['lora_name']}: fine"
    assert trained.identity != student.identity
    assert trained.with_adapter(None).identity == student.identity
    server.offers_lora = False
    with pytest.raises(InputError, match="only serves the stages before training"):
        student.with_adapter(tmp_path)
    with pytest.raises(
        InputError, match=r"only serves the stages before training; .* OpenAIServerStudent\(\.\.\., lora"
    ):
        OpenAIServerStudent("tiny", server.url).with_adapter(tmp_path)


def test_settings_of_a_model_that_is_loaded_here_are_refused() -> None:
    """A server loads its model itself; what is generated at once is what it is asked at once."""
    spec = "openai-server:tiny@http://127.0.0.1:9/v1"
    made = load_student(spec, dtype="auto", device="auto", slots=5)
    assert isinstance(made, OpenAIServerStudent)
    assert made.concurrency == 5
    assert load_student(spec, dtype="auto", device="auto", slots=None, max_tokens=9).concurrency == 64  # type: ignore[attr-defined]
    for setting in ({"dtype": "bfloat16"}, {"device": "cuda"}, {"max_length": 4096}):
        with pytest.raises(InputError, match=r"cannot be set for a student behind a server, .*; leave it out"):
            load_student(spec, **setting)


@pytest.mark.parametrize("spec", ["openai-server:tiny", "openai-server:@http://x/v1", "openai-server:tiny@ftp://x"])
def test_incomplete_addresses_are_refused(spec: str) -> None:
    """A server's spec needs a model and an http address."""
    with pytest.raises(InputError, match="MODEL@http"):
        load_student(spec)

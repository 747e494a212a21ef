"""A student behind any server that speaks OpenAI's protocol: vLLM, llama.cpp, `transformers serve`, ..."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx

from selfimprove import progress
from selfimprove.errors import InputError, StudentError
from selfimprove.records import Completion, Request
from selfimprove.students.adapters import adapter_hash
from selfimprove.students.engine import row_seed
from selfimprove.thinking import split_thinking, whole

_OK = 200
_BAD_REQUEST, _UNPROCESSABLE = 400, 422
_ENDS: Final = {"stop", "length", "eos", "eos_token", "stop_sequence"}
"""What servers call an end that is one; what was aborted or filtered is no answer."""
_PLAIN: Final = {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
"""Switches off what a server, or the model's generation config, would add to the sampling that is asked for."""
_OPTIONAL: Final = ("logprobs", *_PLAIN)
_BUSY: Final = {429, 502, 503, 504}
_GONE: Final = (httpx.ConnectError, httpx.ConnectTimeout)
_PASSING: Final = (*_GONE, httpx.NetworkError, httpx.RemoteProtocolError)
_PAUSES_S: Final = (0.5, 2.0, 8.0)
"""Before each further try of what was not answered: a row's seed is its own, so a second try is the same."""


class OpenAIServerStudent:
    """A model served over HTTP. Satisfies `Student`.

    Named by a setting it serves the stages before training. As an object with `lora=True` it takes the adapters of a
    trainer of one's own, where vLLM serves it.

    A connection that breaks and a server that is busy are tried again, three times within eleven seconds. A request
    that fails still, that takes too long or that the server refuses is a completion with an error.

    Args:
        model: the name the server knows it by.
        base_url: up to and with `/v1`.
        api_key_env: name of the environment variable that holds the key, if the server wants one.
        lora: the server takes adapters while it runs (vLLM: `--enable-lora` and
            `VLLM_ALLOW_RUNTIME_LORA_UPDATING=True`).
        concurrency: requests under way at once.
        timeout_s: longest wait for one completion.
        adapter: name and hash of the adapter in use; set by `with_adapter`.

    Raises:
        InputError: the address is no http address, or the environment variable is not set.
    """

    def __init__(
        self,
        model: str,
        base_url: str,
        api_key_env: str | None = None,
        *,
        lora: bool = False,
        concurrency: int = 64,
        timeout_s: float = 600.0,
        adapter: str = "",
    ) -> None:
        if not base_url.startswith(("http://", "https://")):
            raise InputError(f'base_url = "{base_url}" is no http address; write http://HOST:PORT/v1')
        if api_key_env is not None and not os.environ.get(api_key_env):
            raise InputError(f"the environment variable {api_key_env} is not set; put the server's key in it")
        self.model, self.base_url, self.api_key_env = model, base_url.rstrip("/"), api_key_env
        self.lora, self.concurrency, self.timeout_s, self.adapter = lora, concurrency, timeout_s, adapter
        self._refused = frozenset[str]()

    @property
    def identity(self) -> str:
        """Model and adapter at their server."""
        return f"openai-server/{self.model}{'+' + self.adapter if self.adapter else ''}@{self._address}"

    @property
    def _address(self) -> str:
        """Give the address without user and password."""
        return re.sub(r"(?<=//)[^/@]*@", "", self.base_url)

    def _without_key(self, said: str) -> str:
        """Take the key out of what the server says: some repeat it."""
        key = os.environ.get(self.api_key_env or "", "")
        return said.strip().replace(key, "***") if key else said.strip()

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Complete every request, in order.

        Raises:
            StudentError: nothing answers at the server's address.
        """
        if not requests:
            return []
        watcher = progress.current()  # a context variable: the pool's threads do not see it
        with self._client() as client, ThreadPoolExecutor(min(self.concurrency, len(requests))) as pool:
            found = []
            for completion in pool.map(lambda request: self._one(client, request), requests):
                watcher.advance(done=1, tokens=completion.completion_tokens)
                found.append(completion)
            return found

    def with_adapter(self, path: Path | None) -> OpenAIServerStudent:
        """Give the same server with another adapter in use, or with none.

        The server reads the folder itself, so it must be on the same file system.

        Raises:
            InputError: the server cannot take adapters, or refuses this one.
        """
        name = "" if path is None else self._load(path)
        return OpenAIServerStudent(
            self.model,
            self.base_url,
            self.api_key_env,
            lora=self.lora,
            concurrency=self.concurrency,
            timeout_s=self.timeout_s,
            adapter=name,
        )

    def _load(self, path: Path) -> str:
        """Have the server load an adapter; its name holds its hash, so loading it twice is the same."""
        if not self.lora:
            raise InputError(
                f"the server at {self._address} only serves the stages before training; use a student that runs here, "
                "or in Python OpenAIServerStudent(..., lora=True) with a vLLM that takes adapters (--enable-lora)"
            )
        name = f"adapter-{adapter_hash(path)}"
        asked = {"lora_name": name, "lora_path": str(path.resolve())}
        try:
            with self._client() as client:
                answer = client.post("/load_lora_adapter", json=asked)
        except httpx.HTTPError as error:
            raise InputError(f"the server at {self._address} cannot be reached ({_why(error)}); start it") from error
        if answer.status_code != _OK and "already" not in answer.text:
            raise InputError(
                f"the server at {self._address} refused the adapter {path} ({answer.status_code}: "
                f"{self._without_key(answer.text)[:200]}), so it only serves the stages before training"
            )
        return name

    def _client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {os.environ[self.api_key_env]}"} if self.api_key_env else {}
        limits = httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
        wait = httpx.Timeout(self.timeout_s, connect=10.0)
        # trust_env=False: a student's server is never behind the proxy that other traffic goes through
        return httpx.Client(base_url=self.base_url, headers=headers, limits=limits, timeout=wait, trust_env=False)

    def _one(self, client: httpx.Client, request: Request) -> Completion:
        same = {"model": self.identity, "sampling": request.sampling, "sample": request.sample}
        try:
            answer = self._asked(client, self._body(request))
            if answer.status_code != _OK:
                said = f"{answer.status_code}: {self._without_key(answer.text)[:300]}"
                return Completion(text="", finish_reason="error", error=said, **same)
            return read(answer.json(), same)
        except _GONE as error:
            raise StudentError(
                f"the student's server at {self._address} cannot be reached ({_why(error)}); start it, and run the "
                "same command again to go on"
            ) from error
        except httpx.HTTPError as error:
            return Completion(text="", finish_reason="error", error=_why(error), **same)
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            said = f"the server's answer is not a chat completion ({_why(error)})"
            return Completion(text="", finish_reason="error", error=said, **same)

    def _asked(self, client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
        """Ask the server, again where its fault may pass."""
        for pause in _PAUSES_S:
            with suppress(*_PASSING):
                answer = self._post(client, body)
                if answer.status_code not in _BUSY:
                    return answer
            time.sleep(pause)
        return self._post(client, body)

    def _post(self, client: httpx.Client, body: dict[str, Any]) -> httpx.Response:
        """Ask for a completion, without what the server refuses by name and can be done without.

        What it answered without is left out of the requests to come.
        """
        without = set(self._refused)
        while True:
            answer = client.post("/chat/completions", json={k: v for k, v in body.items() if k not in without})
            bad = answer.status_code in {_BAD_REQUEST, _UNPROCESSABLE}
            named = {name for name in _OPTIONAL if bad and name not in without and name in answer.text}
            if not named:
                break
            without |= named
        if answer.status_code == _OK:
            self._refused = frozenset(without)
        return answer

    def _body(self, request: Request) -> dict[str, Any]:
        drawn = request.sampling
        body: dict[str, Any] = {
            "model": self.adapter or self.model,
            "messages": [{"role": m.role, "content": m.content} for m in request.messages],
            "temperature": drawn.temperature,
            "top_p": drawn.top_p,
            "max_tokens": drawn.max_tokens,
            "seed": row_seed(request) % 2**31,
            "logprobs": True,
            **_PLAIN,
        }
        if drawn.stop:
            body["stop"] = list(drawn.stop)
        if request.prefix:  # vLLM's way to continue a reply; without both switches it would begin a new turn
            body["messages"].append({"role": "assistant", "content": request.prefix})
            body |= {"continue_final_message": True, "add_generation_prompt": False}
        return body


def read(answer: Mapping[str, Any], same: Mapping[str, Any]) -> Completion:
    """Make a completion of a server's answer, with the fields in `same` beside it."""
    choice, usage = answer["choices"][0], answer.get("usage") or {}
    message, ended = choice["message"], choice.get("finish_reason") or "stop"
    if ended not in _ENDS:
        raise ValueError(f"it ended by {ended}")
    hidden = message.get("reasoning_content") or message.get("reasoning") or ""
    text, thought = split_thinking(whole(message.get("content") or ""))
    scored = [one["logprob"] for one in (choice.get("logprobs") or {}).get("content") or ()]
    return Completion(
        text=text,
        finish_reason="length" if ended == "length" else "stop",
        prompt_tokens=usage.get("prompt_tokens") or 0,
        completion_tokens=usage.get("completion_tokens") or 0,
        mean_logprob=sum(scored) / len(scored) if scored else None,
        lowest_logprob=min(scored, default=None),
        reasoning="\n".join(part for part in (whole(hidden).strip(), thought) if part),
        **same,
    )


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__

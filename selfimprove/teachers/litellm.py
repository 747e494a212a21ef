"""Any model that LiteLLM reaches, as one role's language model: pooled, journaled, within the budget, with fallbacks.

The ledger is the only cache and the loop in this file the only retrier.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from typing import Any, Final

from selfimprove import progress
from selfimprove.errors import BudgetExceededError, InputError, TeacherError
from selfimprove.ledger import Ledger, Reservation, Settlement
from selfimprove.records import Completion, Request, digest
from selfimprove.teachers.deployment import Deployment, at, make_deployment, provider_of
from selfimprove.teachers.faults import Fault, fault_of, secrets_of
from selfimprove.teachers.prices import find_price, given_price

_FIRST_WAIT_S: Final = 0.5
_LONGEST_BACKOFF_S: Final = 30.0
_LONGEST_WAIT_S: Final = 300.0
"""A provider that asks for more is given up for this call."""


class _StoppedError(Exception):
    """The batch ended before this call was sent; nobody reads it."""


class LiteLLMModel:
    """A language model made of one or more deployments. Satisfies `LanguageModel`; may be used from several threads.

    Args:
        role: what it is for, in messages: `answer`, `reason`, `judge`.
        models: LiteLLM model strings, the first and then its fallbacks.
        ledger: journals every call and keeps the budget.
        base_url: address of the first model and of fallbacks of the same provider; None: the provider's own.
        api_key: key of the first model's provider; None: from the provider's usual environment variable.
        concurrency: calls in flight at once.
        timeout_s: longest wait for one answer, in seconds.
        retries: further tries of one deployment after a passing fault.
        input_price: dollars per million prompt tokens of the first model, and of fallbacks without a known price.
        output_price: the same for completion tokens.
        parameters: anything else LiteLLM passes on.

    Raises:
        InputError: no such provider, no key, no price; nothing has been sent.
    """

    def __init__(
        self,
        role: str,
        models: Sequence[str],
        ledger: Ledger,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        concurrency: int = 16,
        timeout_s: float = 120.0,
        retries: int = 3,
        input_price: float | None = None,
        output_price: float | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        if not models:
            raise InputError(f'the teacher has no model for the role "{role}"; set teacher.model')
        self.role, self.retries, self.concurrency = role, retries, concurrency
        self._ledger = ledger
        how = dict(parameters or {})
        given = given_price(input_price, output_price)
        first = provider_of(models[0])

        def deployment(place: int, model: str) -> Deployment:
            address, key = (base_url, api_key) if provider_of(model) == first else (None, None)
            price = find_price(model, address, given, how, fallback=place > 0)
            return make_deployment(model, address, key, price, how, timeout_s)

        self.deployments = tuple(deployment(i, model) for i, model in enumerate(models))
        self._secrets = secrets_of(api_key, how)
        extra = f"#{digest(how)}" if how else ""
        self._identity = "|".join(models) + at(base_url) + extra
        self._slots = threading.BoundedSemaphore(concurrency)
        self._money = threading.Condition()
        self._in_flight = 0
        self._dead: dict[str, str] = {}

    @property
    def identity(self) -> str:
        """The role's list of models with its address, so that an answer by a fallback is found again."""
        return self._identity

    def check(self) -> None:
        """See that the servers named by address answer.

        Raises:
            InputError: one does not.
        """
        for deployment in self.deployments:
            deployment.check(self._secrets)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order, each key called for at most once.

        Raises:
            BudgetExceededError: the next call could go over the budget; those under way were settled first.
            TeacherError: no deployment will ever answer (key, account, model name).
        """
        keys = [request.key(self._identity) for request in requests]
        found = self._ledger.lookup(keys)
        missing = {key: request for key, request in zip(keys, requests, strict=True) if key not in found}
        if missing:
            found.update(self._make(missing))
        return [found[key] for key in keys]

    def _make(self, missing: Mapping[str, Request]) -> dict[str, Completion]:
        watcher, stop = progress.current(), threading.Event()
        made: dict[str, Completion] = {}
        with ThreadPoolExecutor(min(self.concurrency, len(missing)), "teacher") as pool:
            # Each call gets its own copy of the context: the ledger reads the stage from it.
            calls = [pool.submit(copy_context().run, self._one, k, r, stop) for k, r in missing.items()]
            try:
                for call in as_completed(calls):
                    completion = call.result()
                    made[completion.call] = completion
                    watcher.advance(done=1, tokens=completion.completion_tokens)
            except BaseException:
                stop.set()  # what is in flight settles, nothing else is sent
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return made

    def _one(self, key: str, request: Request, stop: threading.Event) -> Completion:
        """Try each deployment in turn."""
        said: list[str] = []
        for deployment in self.deployments:
            if deployment.identity not in self._dead:
                got = self._persist(deployment, key, request, stop)
                if isinstance(got, Completion):
                    return got
                said.append(got.said)
                if got.kind == "deployment":
                    self._dead[deployment.identity] = got.said
        if all(each.identity in self._dead for each in self.deployments):
            why = "; ".join(self._dead.values())
            raise TeacherError(
                f"no model can answer for the role {self.role}: {why}; mend that and run the same command again"
            )
        return _failed(key, request, "; ".join(said), self._identity)

    def _persist(self, deployment: Deployment, key: str, request: Request, stop: threading.Event) -> Completion | Fault:
        """Try one deployment, again after passing faults."""
        tried = 0
        while True:
            got = self._try(deployment, key, request, stop)
            if isinstance(got, Completion) or got.kind != "passing" or tried == self.retries:
                return got
            backoff_s = min(_LONGEST_BACKOFF_S, _FIRST_WAIT_S * 2**tried) * random.uniform(0.5, 1.5)
            wait_s = max(got.wait_s or 0.0, backoff_s)
            if wait_s > _LONGEST_WAIT_S:
                return got
            tried += 1
            stop.wait(wait_s)

    def _try(self, deployment: Deployment, key: str, request: Request, stop: threading.Event) -> Completion | Fault:
        """Reserve, call, settle: once."""
        import openai

        with self._slots:
            worst_usd = self._reserve(deployment, key, request, stop)
            started = time.monotonic()
            try:
                got: Completion | Fault
                try:
                    got = kept = deployment.send(request, key)
                except openai.OpenAIError as error:
                    got = fault_of(error, deployment.identity, self._secrets)
                    kept = _failed(key, request, got.said, deployment.identity, worst_usd if got.billable else 0.0)
                self._ledger.settle([Settlement(key, kept, time.monotonic() - started)])
            finally:
                with self._money:
                    self._in_flight -= 1
                    self._money.notify_all()
        return got

    def _reserve(self, deployment: Deployment, key: str, request: Request, stop: threading.Event) -> float:
        """Set the worst cost aside; where it does not fit, wait for calls under way to give theirs back."""
        worst_usd = deployment.worst_usd(request)
        wanted = [Reservation(key, request, self._identity, "teacher", worst_usd)]
        with self._money:
            while True:
                if stop.is_set():
                    raise _StoppedError
                try:
                    self._ledger.reserve(wanted)
                except BudgetExceededError:
                    if not self._in_flight:
                        raise
                    self._money.wait()
                else:
                    self._in_flight += 1
                    return worst_usd


def _failed(key: str, request: Request, said: str, model: str, usd: float = 0.0) -> Completion:
    return Completion(
        text="",
        finish_reason="error",
        sampling=request.sampling,
        sample=request.sample,
        model=model,
        call=key,
        usd=usd,
        error=said,
    )

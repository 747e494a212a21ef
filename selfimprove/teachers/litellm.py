"""Any model that LiteLLM reaches, as one role's language model: pooled, journaled, within the budget, with fallbacks.

The ledger is the only cache, and `asking` the only retrier.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from typing import Any

from selfimprove import progress
from selfimprove.config.showing import without_secrets
from selfimprove.errors import InputError
from selfimprove.ledger import CapReachedError, Ledger, Used
from selfimprove.records import Completion, Request, digest
from selfimprove.teachers.asking import Asking, Call
from selfimprove.teachers.deployment import Deployment, at, make_deployment, provider_of
from selfimprove.teachers.faults import secrets_of
from selfimprove.teachers.gate import Gates
from selfimprove.teachers.prices import find_price, given_price


class LiteLLMModel:
    """A language model made of one or more deployments. Satisfies `LanguageModel`; may be used from several threads.

    Args:
        role: what it is for, in messages: `answer`, `reason`, `judge`.
        models: LiteLLM model strings, the first and then its fallbacks.
        ledger: journals every call and keeps the budget.
        owner: the model that address, key and price belong to; default: the first.
        base_url: address of the owner and of others of its provider; None: the provider's own.
        api_key: key of the owner's provider; None: from the provider's usual environment variable.
        timeout_s: longest wait for one answer, in seconds.
        deadline_s: longest that a call may take over all its tries, pauses and fallbacks, in seconds.
        retries: further tries of one deployment after a passing fault.
        gates: how many calls may be under way and how fast, shared with other roles; default: 16, no rate.
        input_price: dollars per million prompt tokens of the owner, and of others without a known price.
        output_price: the same for completion tokens.
        parameters: anything else LiteLLM passes on.

    Raises:
        InputError: no such provider, no key, no price; nothing has been sent.
    """

    def __init__(  # noqa: PLR0913 - one for each setting of a teacher
        self,
        role: str,
        models: Sequence[str],
        ledger: Ledger,
        *,
        owner: str = "",
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        deadline_s: float = 900.0,
        retries: int = 3,
        gates: Gates | None = None,
        input_price: float | None = None,
        output_price: float | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        if not models:
            raise InputError(f'the teacher has no model for the role "{role}"; set teacher.model')
        self.role, self.deadline_s = role, deadline_s
        self._ledger = ledger
        how = dict(parameters or {})
        given = given_price(input_price, output_price)
        owner = owner or models[0]

        def deployment(model: str) -> Deployment:
            address, key = (base_url, api_key) if provider_of(model) == provider_of(owner) else (None, None)
            price = find_price(model, address, given, how, named=model == owner)
            return make_deployment(model, address, key, price, how)

        self.deployments = tuple(deployment(model) for model in models)
        secrets = secrets_of(api_key, how, base_url)
        extra = f"#{digest(without_secrets(how))}" if how else ""  # with a new key the answers are the same
        self._identity = "|".join(models) + at(base_url) + extra
        doors = gates or Gates()
        self.concurrency = doors.limits.concurrency
        by_name = {each.identity: doors.of(each.identity) for each in self.deployments}
        self._asking = Asking(role, self._identity, self.deployments, by_name, ledger, retries, timeout_s, secrets)

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
            deployment.check(self._asking.secrets)

    def complete(self, requests: Sequence[Request]) -> list[Completion]:
        """Answer every request, in order, each key called for at most once.

        Raises:
            CapReachedError: the next call could go over a cap; those under way were settled first.
            TeacherError: no deployment can answer (key, account, model name), or none has for a while.
        """
        if any(request.prefix for request in requests):
            raise InputError(
                "a reply cannot be begun for a model behind an API; let the student's own engine go on from it"
            )
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
            except BaseException as error:
                stop.set()  # what is in flight settles, nothing else is sent
                pool.shutdown(wait=True, cancel_futures=True)
                if isinstance(error, CapReachedError):
                    raise self._to_finish(error, calls) from None
                raise
        return made

    def _one(self, key: str, request: Request, stop: threading.Event) -> Completion:
        """Ask, within the deadline that begins when it is the call's turn."""
        now = time.monotonic()
        return self._asking.ask(Call(key, request, stop, now, now + self.deadline_s))

    def _to_finish(self, error: CapReachedError, calls: Sequence[Future[Completion]]) -> CapReachedError:
        """Say what the calls that are left would take, by what those made took on average."""
        left = sum(call.cancelled() or call.exception() is not None for call in calls)
        mean = self._ledger.mean(self.role) or Used(**{error.kind: error.more})
        if not error.scope:
            mean.hours /= self.concurrency  # the campaign's hours go by once for all that are under way
        return error.to_finish(left, mean)

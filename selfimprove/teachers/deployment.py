"""One model at one address, reached through LiteLLM: its price, its key, and a single call."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from selfimprove.errors import InputError
from selfimprove.records import Completion, Request
from selfimprove.teachers.deadline import within
from selfimprove.teachers.faults import redacted
from selfimprove.teachers.prices import HERE, Price, is_here, quiet_litellm, refuse_unbounded, unknown_price
from selfimprove.teachers.replies import UnusableReplyError, read_reply

_MARGIN: Final = 1.2
_TEMPLATE_TOKENS: Final = 32
NO_KEY: Final = "none"
"""What a server named by its address is sent: not the key of the provider whose protocol it speaks."""
_CHECK_S: Final = 10.0
_GRACE: Final = 1.25
_GRACE_S: Final = 0.5
_OURS: Final = frozenset(
    {"model", "messages", "max_tokens", "max_completion_tokens", "n", "stream", "temperature", "top_p", "stop", "seed"}
    | {"num_retries", "max_retries", "caching", "cache", "fallbacks", "timeout", "request_timeout"}
    | {"retry_policy", "retry_strategy", "context_window_fallback_dict", "model_list"}
    | {"api_key", "api_base", "base_url"}
)


@dataclass(frozen=True)
class Deployment:
    """A model at an address. LiteLLM's own retries, fallbacks and cache are off.

    Attributes:
        model: as LiteLLM names it, provider first.
        base_url: where it is, None for the provider's own address.
        price: what a token and a call can cost.
        api_key: never shown; None: LiteLLM takes it from the environment.
    """

    model: str
    base_url: str | None
    price: Price
    api_key: str | None = field(default=None, repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def identity(self) -> str:
        """Model and address, without user and password."""
        return self.model + at(self.base_url)

    def worst(self, request: Request) -> tuple[float, int]:
        """Give the most that one call can take, in dollars and in tokens; with a margin where they are guessed."""
        prompt: float = quiet_litellm().token_counter(model=self.model, messages=_turns(request))
        if self.base_url or provider_of(self.model) != "openai":
            prompt = prompt * _MARGIN + _TEMPLATE_TOKENS
        longest = request.sampling.max_tokens
        return self.price.of(prompt, longest, 1), math.ceil(prompt) + longest

    def send(self, request: Request, key: str, timeout_s: float) -> Completion:
        """Make one call, never a second.

        Args:
            request: what is asked.
            key: its row in the ledger.
            timeout_s: longest wait, in seconds, whatever comes meanwhile.

        Raises:
            openai.OpenAIError: what LiteLLM makes of any failure, see `faults`.
            UnusableReplyError: a reply with nothing to read in it, or that cannot be read.
            DeadlineError: the time was over.
        """
        litellm = quiet_litellm()
        drawn = request.sampling
        how: dict[str, Any] = {"temperature": drawn.temperature, "max_tokens": drawn.max_tokens}
        if drawn.top_p < 1:
            how["top_p"] = drawn.top_p  # some providers refuse it beside a temperature
        if drawn.stop:
            how["stop"] = list(drawn.stop)
        if drawn.temperature:
            how["seed"] = request.seed
        response = within(
            timeout_s * _GRACE + _GRACE_S,  # the client's own error, where it has one, says more
            lambda: litellm.completion(
                model=self.model,
                messages=_turns(request),
                api_base=self.base_url,
                api_key=self.api_key,
                timeout=timeout_s,
                num_retries=0,
                max_retries=0,
                caching=False,
                drop_params=True,
                **how,
                **self.parameters,
            ),
        )
        try:
            return self._read(request, key, response)
        except UnusableReplyError:
            raise
        except Exception as error:  # a provider may send anything
            raise UnusableReplyError(f"a reply that cannot be read: {type(error).__name__}: {error}") from error

    def _read(self, request: Request, key: str, response: Any) -> Completion:
        said, counted = read_reply(response, request.sampling.max_tokens), quiet_litellm().token_counter
        prompt = said.prompt_tokens or counted(model=self.model, messages=_turns(request))
        made = said.made(prompt)
        if not made and (said.text or said.reasoning):
            made = counted(model=self.model, text=f"{said.reasoning}{said.text}")
        known = (getattr(response, "_hidden_params", None) or {}).get("response_cost") if said.completion_tokens else 0
        return Completion(
            text=said.text,
            finish_reason="length" if said.cut_off else "stop",
            prompt_tokens=prompt,
            completion_tokens=made,
            sampling=request.sampling,
            sample=request.sample,
            reasoning=said.reasoning,
            model=self.identity,
            call=key,
            usd=self._bill(
                known if said.completion_tokens else None, prompt, made, whole=made == said.completion_tokens
            ),
        )

    def _bill(self, known: float | None, prompt_tokens: int, completion_tokens: int, *, whole: bool) -> float:
        """Give what a call cost: by LiteLLM's own sum (it knows discounts), else by the price.

        Args:
            known: LiteLLM's sum.
            prompt_tokens: read.
            completion_tokens: written.
            whole: they are all in that sum.
        """
        mine = self.price.of(prompt_tokens, completion_tokens, 1)
        if self.price.free or self.price.given or not known:
            return mine
        return float(known) if whole and not self.price.call_usd else max(float(known), mine)  # it may lack the search

    def check(self, secrets: frozenset[str]) -> None:
        """See that a server answers at all, where an address was given.

        Raises:
            InputError: nothing answers there.
        """
        import httpx

        if self.base_url is None or "mock_response" in self.parameters:
            return
        try:
            # A server on this machine is never behind the proxy that other traffic goes through.
            trust = not is_here(self.base_url)
            httpx.get(f"{self.base_url.rstrip('/')}/models", timeout=_CHECK_S, trust_env=trust)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = redacted(str(error) or type(error).__name__, secrets)
            raise InputError(
                f"the model server {at(self.base_url)[1:]} cannot be reached ({said}); start it or correct its address"
            ) from error


def _turns(request: Request) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in request.messages]


def at(base_url: str | None) -> str:
    """Write `@address` without user and password, nothing where there is no address.

    >>> at("http://me:secret@host:8000/v1/")
    '@http://host:8000/v1'
    """
    if not base_url:
        return ""
    parts = urlsplit(base_url)
    return "@" + urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))


def provider_of(model: str) -> str:
    """Give LiteLLM's name of the provider.

    Raises:
        InputError: the model string names none.
    """
    litellm = quiet_litellm()
    try:
        return str(litellm.get_llm_provider(model)[1])
    except litellm.BadRequestError as error:
        raise InputError(
            f'the model "{model}" names no provider that LiteLLM knows; write "provider/model", such as '
            f'"openai/{model}" with base_url for an OpenAI-compatible server'
        ) from error


def check_address(base_url: str | None) -> None:
    """Refuse what is no http address; a password in it is not repeated."""
    if base_url is not None and not base_url.startswith(("http://", "https://")):
        shown = re.sub(r"[^/@]*@", "***@", base_url)
        raise InputError(f'teacher.base_url = "{shown}" is no http address; write http://HOST:PORT/v1')


def make_deployment(
    model: str, base_url: str | None, api_key: str | None, price: Price | None, how: Mapping[str, Any]
) -> Deployment:
    """Make a deployment whose key and price are known before anything is sent.

    Raises:
        InputError: no provider, no key, no price, no limit on what it writes, or a parameter that is not the user's
            to set.
    """
    litellm = quiet_litellm()
    for name in how:
        if name in _OURS:
            raise InputError(f"teacher.parameters.{name} is not for setting there; use the teacher's own keys")
    check_address(base_url)
    refuse_unbounded(model, provider_of(model))
    mocked = "mock_response" in how
    if api_key is None and not mocked and not is_here(base_url):
        missing = [n for n in litellm.validate_environment(model)["missing_keys"] if n.endswith(("_API_KEY", "_TOKEN"))]
        if missing:
            raise InputError(
                f'the model "{model}" needs a key: set the environment variable {" or ".join(missing)} (a '
                "configuration can name another one: api_key_env)"
            )
    if is_here(base_url):
        _past_the_proxy()
    key = NO_KEY if api_key is None and is_here(base_url) else api_key
    if price is None:
        raise unknown_price(model)
    return Deployment(model, base_url, price, key, dict(how))


def _past_the_proxy() -> None:
    """Keep traffic to this machine off a proxy that the environment names: HTTP clients read it from there."""
    for name in ("NO_PROXY", "no_proxy"):
        listed = [part for part in os.environ.get(name, "").split(",") if part]
        os.environ[name] = ",".join([*listed, *(host for host in sorted(HERE) if host not in listed)])

"""What went wrong with a call: will it pass, who is at fault, may it have been billed, and how to say it."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Collection
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from selfimprove.config.showing import SECRET

_TOO_LONG: Final = 240
_UNCALLED: Final = ("ConnectError", "ConnectTimeout", "ConnectionRefusedError", "gaierror", "PoolTimeout")
_KEY_LIKE: Final = re.compile(r"\b(?:(?:sk|pk|key|gsk|xai|hf)[-_]|AIza|Bearer )[A-Za-z0-9_*.-]{8,}")
_SECRET_NAMES: Final = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD)S?$")
_SHORTEST_SECRET: Final = 6
_NO_CREDIT: Final = re.compile(
    r"insufficient[_ ](?:quota|credits?|balance|funds)|credit balance is too low|exceeded your current quota",
    re.IGNORECASE,
)
# Gemini says "exceeded your current quota" of each passing minute too, and then when it will have passed.
_AGAIN: Final = re.compile(r"retry in\b|retryDelay|RetryInfo", re.IGNORECASE)
_DELAY: Final = re.compile(r"(?:retryDelay\W+|retry in )(\d+(?:\.\d+)?)s\b", re.IGNORECASE)
_BAD_KEY: Final = re.compile(
    r"(?:invalid|incorrect)[_ ]api[_ ]key|api[_ ]key[_ ](?:not valid|invalid|expired)", re.IGNORECASE
)
_MODERATED: Final = re.compile(r"moderation|flagged|content[_ ](?:policy|filter)|safety", re.IGNORECASE)
_FORBIDDEN: Final = 403
_REQUEST_TIMEOUT: Final = 408
_TIMEOUTS: Final = (_REQUEST_TIMEOUT, 504, 524)
"""The last is Cloudflare's: who stands behind it took longer than it waits."""
_SERVER: Final = 500
_TOO_MUCH: Final = (429, 529)

Kind = Literal["passing", "deployment", "request"]


class Fault(NamedTuple):
    """One failed try.

    Attributes:
        kind: `passing` (the same call may work later), `deployment` (no call to it will: key, account, name), or
            `request` (this one will not do there).
        billable: the provider may have done the work and bill it, though no answer came.
        wait_s: how long the provider asks to wait, in seconds; None where it does not say.
        said: one sentence without secrets.
        limited: it was too much at once: fewer calls may pass.
    """

    kind: Kind
    billable: bool
    wait_s: float | None
    said: str
    limited: bool = False


def fault_of(error: Exception, deployment: str, secrets: Collection[str]) -> Fault:
    """Read what an exception of LiteLLM means, or one of ours about a reply of no use."""
    status = getattr(error, "status_code", None)
    status = status if isinstance(status, int) else _SERVER
    chain = _chain(error)
    reached = not any(name in _UNCALLED for name in chain)
    lost = status in _TIMEOUTS or any(name.startswith("Read") for name in chain)
    # A fault that no status of the provider says (half a reply, one that is none) came after the work was done.
    lost = lost or "RemoteProtocolError" in chain or (status >= _SERVER and "HTTPStatusError" not in chain)
    text = " ".join(str(error).split("\n", 1)[0].split())
    said = f"{deployment} did not answer ({redacted(text, secrets)[:_TOO_LONG]})"
    # Some providers say "no money left" with the status of a rate limit or of a bad request, and "no such key" too.
    # LiteLLM keeps the provider's code out of its text: OpenAI's `insufficient_quota` stands in the body alone.
    told = f"{error} {getattr(error, 'body', None)}"
    kind = _kind(status, told)
    limited = kind == "passing" and status in _TOO_MUCH
    return Fault(kind, reached and lost, _wait(error, told), said, limited)


def _kind(status: int, told: str) -> Kind:
    barred = status == _FORBIDDEN and not _MODERATED.search(told)
    broke = _NO_CREDIT.search(told) and not (status in _TOO_MUCH and _AGAIN.search(told))
    if barred or status in {401, 402, 404} or broke or _BAD_KEY.search(told):
        return "deployment"
    return "passing" if status in {_REQUEST_TIMEOUT, 409, 425, 429} or status >= _SERVER else "request"


def _chain(error: BaseException | None) -> list[str]:
    names: list[str] = []
    while error is not None and len(names) < 20:  # noqa: PLR2004 - a bound against cycles
        names.append(type(error).__name__)
        error = error.__cause__ or error.__context__
    return names


def _wait(error: Exception, told: str) -> float | None:
    """Read Retry-After: seconds, or a date; where there is none, the delay that the body tells (Gemini's)."""
    headers: Any = getattr(error, "litellm_response_headers", None)
    if headers is None:
        headers = getattr(getattr(error, "response", None), "headers", None)
    value = (headers or {}).get("retry-after")
    if value is None:
        delay = _DELAY.search(told)
        return float(delay[1]) if delay else None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def redacted(text: str, secrets: Collection[str]) -> str:
    """Take known secrets, and what looks like a key, out of a text.

    >>> redacted("key my-own-secret refused", ["my-own-secret"])
    'key *** refused'
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return _KEY_LIKE.sub("***", text)


def secrets_of(api_key: str | None, parameters: object, base_url: str | None = None) -> frozenset[str]:
    """Collect what must never be written: the key, secrets of the environment, of the parameters and of the address."""
    found = {value for name, value in os.environ.items() if _SECRET_NAMES.search(name.upper())}
    password = urlsplit(base_url or "").password or ""
    return frozenset({*found, *_leaves(parameters), api_key or "", password} - {""})


def _leaves(value: object, *, secret: bool = False) -> list[str]:
    if isinstance(value, dict):
        return [leaf for k, v in value.items() for leaf in _leaves(v, secret=secret or bool(SECRET.search(str(k))))]
    return [value, value.removeprefix("Bearer ")] if secret and isinstance(value, str) else []

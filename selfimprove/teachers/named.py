"""A model as a command or a setting names it: MODEL, or MODEL@URL of a server."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any, Final
from urllib.parse import urlsplit

from selfimprove.errors import InputError
from selfimprove.ledger import Ledger
from selfimprove.protocols import LanguageModel
from selfimprove.teachers.deployment import NO_KEY
from selfimprove.teachers.gate import Gates, Limits
from selfimprove.teachers.litellm import LiteLLMModel
from selfimprove.teachers.prices import quiet_litellm

_HOW: Final = "write MODEL as LiteLLM names it, or MODEL@http://HOST:PORT/v1"
SERVED_S: Final = 600.0
"""Longest wait for a server named by its address: it may be one's own, on a few cores, with prompts that queue."""
_HOSTED_S: Final = 120.0


def model_named(
    named: str,
    ledger: Ledger,
    *,
    role: str = "label",
    concurrency: int = 16,
    input_price: float | None = None,
    output_price: float | None = None,
) -> LanguageModel:
    """Give a LiteLLM model, or one of an OpenAI-compatible server by its address; its calls go through the ledger.

    An answer is waited for at most two minutes, ten where the server is named by its address.

    Args:
        named: MODEL or MODEL@URL.
        ledger: journals the calls and keeps the budget.
        role: what messages call it.
        concurrency: calls under way at once.
        input_price: dollars per million prompt tokens, where no list has it.
        output_price: the same for completion tokens.

    Raises:
        InputError: no model is named, it has no key or no price, or the server does not answer.
    """
    model, address = parted(named)
    made = LiteLLMModel(
        role,
        [model],
        ledger,
        base_url=address,
        api_key=NO_KEY if address else None,
        gates=Gates(Limits(concurrency)),
        input_price=input_price,
        output_price=output_price,
        timeout_s=SERVED_S if address else _HOSTED_S,
    )
    made.check()
    return made


def parted(named: str) -> tuple[str, str | None]:
    """Part MODEL@URL into LiteLLM's name and the address; None: there is none, also behind a version as Vertex has it.

    A server by its address speaks OpenAI's protocol where no provider is named.

    >>> parted("Qwen/Qwen2.5-7B@http://127.0.0.1:8000/v1")
    ('openai/Qwen/Qwen2.5-7B', 'http://127.0.0.1:8000/v1')
    >>> parted("hosted_vllm/m@http://127.0.0.1:8000/v1")
    ('hosted_vllm/m', 'http://127.0.0.1:8000/v1')
    >>> parted("vertex_ai/claude-3-5-sonnet@20240620")
    ('vertex_ai/claude-3-5-sonnet@20240620', None)

    Raises:
        InputError: what stands there is no model or no address.
    """
    model, sign, url = named.partition("@")
    if model and url.isdecimal():
        return named, None
    if not model or (sign and not _is_address(url)):
        raise InputError(f'the model "{named}" names none; {_HOW}')
    if not url:
        return model, None
    provider, slash, _ = model.partition("/")
    return (model if slash and provider in quiet_litellm().provider_list else f"openai/{model}"), url


def check_models(names: Iterable[str], **how: Any) -> None:
    """Refuse a model that cannot be had before anything is written; how it is asked, as for `model_named`.

    Raises:
        InputError: see there.
    """
    for named in sorted(names):
        with closing(Ledger(":memory:")) as ledger:
            model_named(named, ledger, **how)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        return False

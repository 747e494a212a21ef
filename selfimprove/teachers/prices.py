"""What a call can cost at most, before it is sent, and whether a model's price is known at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from selfimprove.errors import InputError

_PER: Final = 1_000_000
HERE: Final = {"127.0.0.1", "localhost", "::1", "0.0.0.0"}  # noqa: S104 - compared with, not bound to
_CHEAPER_TIERS: Final = ("_batches", "_flex", "_cache_hit")


def quiet_litellm() -> Any:
    """Import LiteLLM (1.5 s) without its banner, its counting home, its look for prices on the network, its retries.

    `LITELLM_LOCAL_MODEL_COST_MAP=False` in the environment makes it fetch today's prices.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    # It takes `num_retries=0` for "not said" and then does as the process was told elsewhere.
    litellm.num_retries = litellm.num_retries_per_request = litellm.model_fallbacks = None
    litellm.disable_hf_tokenizer_download = True
    return litellm


class Price(NamedTuple):
    """Dollars a prompt token, a completion token and a call can cost.

    Attributes:
        input_usd: the most for one prompt token.
        output_usd: the most for one completion token, hidden reasoning counted in.
        given: set in the configuration, so that it holds for the bill too and not only for the reservation.
        call_usd: the most for one call beside its tokens: a fee, a search.
    """

    input_usd: float
    output_usd: float
    given: bool = False
    call_usd: float = 0.0

    @property
    def free(self) -> bool:
        """True when a call cannot cost anything."""
        return self.input_usd == self.output_usd == self.call_usd == 0

    def of(self, prompt_tokens: float, completion_tokens: float, calls: float) -> float:
        """Give the dollars for this many tokens in so many calls."""
        return prompt_tokens * self.input_usd + completion_tokens * self.output_usd + calls * self.call_usd


def is_here(address: str | None) -> bool:
    """Say whether an address is on this machine.

    >>> is_here("http://127.0.0.1:8000/v1"), is_here("https://api.openai.com/v1"), is_here(None)
    (True, False, False)
    """
    return bool(address) and urlsplit(address).hostname in HERE


def given_price(input_price: float | None, output_price: float | None) -> Price | None:
    """Give the configured price, from dollars per million tokens; None where none is set.

    Raises:
        InputError: only one of the two is set.
    """
    if input_price is None and output_price is None:
        return None
    if input_price is None or output_price is None:
        lacking = "input" if input_price is None else "output"
        raise InputError(
            f"{lacking}_price (--{lacking}-price) is not set but the other price is; set both, in dollars per "
            "million tokens"
        )
    return Price(input_price / _PER, output_price / _PER, given=True)


def find_price(
    model: str, base_url: str | None, given: Price | None, parameters: Mapping[str, object], *, named: bool
) -> Price | None:
    """Give what a model costs: as configured, nothing on this machine, else as listed; None where nobody says.

    A configured price is that of the model that is `named` beside it, and of others without a known one; what else is
    asked at the same address costs the higher of the two.
    """
    known = Price(0.0, 0.0) if is_here(base_url) else listed_price(model, parameters)
    if given is None or known is None or named:
        return given or known
    return dearest([known, given])._replace(given=True) if base_url else known


def dearest(prices: Sequence[Price]) -> Price:
    """Give the most that any of these prices has, part by part."""
    return Price(
        max(price.input_usd for price in prices),
        max(price.output_usd for price in prices),
        call_usd=max(price.call_usd for price in prices),
    )


def listed_price(model: str, parameters: Mapping[str, object]) -> Price | None:
    """Give LiteLLM's price for a model, None where it lists none.

    Where it depends on the length of the prompt or on the kind of token, the highest counts: it is for reserving. A
    model that searches, always or as its parameters say, does so once a call; where it does so as often as it likes
    (deep research), nobody knows what a call costs.
    """
    litellm = quiet_litellm()
    try:
        key = litellm.get_model_info(model)["key"]
    except litellm.exceptions.ModelNotMappedError:
        return None
    row = litellm.model_cost.get(key, {})
    tier = str(parameters.get("service_tier") or "")
    ins, outs = (
        [float(v) for k, v in row.items() if k.startswith(heads) and _applies(k, tier) and isinstance(v, int | float)]
        for heads in (("input_cost_per_token",), ("output_cost_per_token", "output_cost_per_reasoning_token"))
    )
    if not ins or not outs or "deep-research" in key:
        return None
    searches = row.get("litellm_provider") == "perplexity" or "search" in f"{key} {parameters}".casefold()
    fees = (row.get("search_context_cost_per_query") or {}).values() if searches else ()
    return Price(max(ins), max(outs), call_usd=max(fees, default=0.0) + row.get("input_cost_per_request", 0.0))


def _applies(key: str, tier: str) -> bool:
    """Leave out what is only billed in a tier that was not asked for."""
    tiers = ("_priority", "_ultrafast", "_balanced", "_decisions")
    return not key.endswith(_CHEAPER_TIERS) and not any(key.endswith(each) and each[1:] != tier for each in tiers)


def refuse_unbounded(model: str, provider: str) -> None:
    """See that a model can be told how many tokens it may write.

    Raises:
        InputError: LiteLLM would leave that out, so that no worst cost holds.
    """
    taken = quiet_litellm().get_supported_openai_params(model, custom_llm_provider=provider)
    if taken is not None and not {"max_tokens", "max_completion_tokens"} & set(taken):
        raise InputError(
            f'the model "{model}" takes no limit on the tokens it writes, so the budget could not be kept; '
            "name another model"
        )


def unknown_price(model: str) -> InputError:
    """Write what a user reads when a model has no known price."""
    return InputError(
        f'the model "{model}" has no known price, so the budget could not be kept; set input_price and output_price in '
        "its configuration, or --input-price and --output-price, in dollars per million tokens (0 when it is free)"
    )

"""What a call can cost at most, before it is sent, and whether a model's price is known at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
    """Dollars a prompt token and a completion token can cost.

    Attributes:
        input_usd: the most for one prompt token.
        output_usd: the most for one completion token, hidden reasoning counted in.
        given: set in the configuration, so that it holds for the bill too and not only for the reservation.
    """

    input_usd: float
    output_usd: float
    given: bool = False

    @property
    def free(self) -> bool:
        """True when a call cannot cost anything."""
        return self.input_usd == 0 and self.output_usd == 0

    def of(self, prompt_tokens: float, completion_tokens: float) -> float:
        """Give the dollars for this many tokens."""
        return prompt_tokens * self.input_usd + completion_tokens * self.output_usd


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
        lacking = "input_price" if input_price is None else "output_price"
        raise InputError(f"teacher.{lacking} is not set but the other price is; set both (dollars per million tokens)")
    return Price(input_price / _PER, output_price / _PER, given=True)


def find_price(
    model: str, base_url: str | None, given: Price | None, parameters: Mapping[str, object], *, fallback: bool
) -> Price | None:
    """Give what a model costs: as configured, nothing on this machine, else as listed; None where nobody says.

    A configured price is the first model's and that of the configured address; it holds for a fallback elsewhere only
    where no other is known.
    """
    known = Price(0.0, 0.0) if is_here(base_url) else listed_price(model, parameters)
    elsewhere = fallback and base_url is None and known is not None
    return known if given is None or elsewhere else given


def listed_price(model: str, parameters: Mapping[str, object]) -> Price | None:
    """Give LiteLLM's price for a model, None where it lists none.

    Where it depends on the length of the prompt or on the kind of token, the highest counts: it is for reserving.
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
    return Price(max(ins), max(outs)) if ins and outs else None


def _applies(key: str, tier: str) -> bool:
    """Leave out what is only billed in a tier that was not asked for."""
    tiers = ("_priority", "_ultrafast", "_balanced", "_decisions")
    return not key.endswith(_CHEAPER_TIERS) and not any(key.endswith(each) and each[1:] != tier for each in tiers)


def unknown_price(model: str) -> InputError:
    """Write what a user reads when a model has no known price."""
    return InputError(
        f'teacher model "{model}" has no known price, so the budget could not be kept; set teacher.input_price and '
        "teacher.output_price, in dollars per million tokens (0 when it is free)"
    )

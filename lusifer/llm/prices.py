"""Prices of tokens, from the kept library ``genai-prices``; unknown is ``None``, never zero.

``prices.toml`` in the data folder goes before it, for models that the library does not know or that
cost something else here; dollars for a million tokens::

    ["llama-3.3-70b"]
    input = 0.59
    output = 0.79
    cached = 0.10        # may be left out: then as input
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from lusifer import settings
from lusifer.errors import InvalidInputError

MAX_PRICE = 1e6
"""Dollars for a million tokens: a dollar a token is no price but a mistake."""


def price(identity: str, input_tokens: int, cached_tokens: int, output_tokens: int) -> float | None:
    """US dollars for one call, or ``None`` where the endpoint or model has no known price.

    Args:
        identity: `LLM.identity`, an endpoint's address and a model. A server on this machine has no
            price list of its own, so its calls are unpriced, whatever the model is called.
        input_tokens: tokens read, those from the server's cache too.
        cached_tokens: those from its cache.
        output_tokens: tokens written.
    """
    address, _, model = identity.partition("|")
    if address.startswith("recording:"):
        return 0.0  # nobody is asked
    override = _overrides().get(model)
    if override is not None:
        fresh = input_tokens - cached_tokens
        cached = override.get("cached", override["input"])
        return (fresh * override["input"] + cached_tokens * cached + output_tokens * override["output"]) / 1e6
    if not address.startswith("http"):
        return None
    if (urlsplit(address).hostname or "") in {"localhost", "127.0.0.1", "::1"}:
        return None
    import genai_prices  # a third of a second to import

    usage = genai_prices.Usage(input_tokens=input_tokens, cache_read_tokens=cached_tokens, output_tokens=output_tokens)
    try:
        calculation = genai_prices.calc_price(usage, model, provider_api_url=address)
    except LookupError:
        return None
    return float(calculation.total_price)


def context_window(identity: str) -> int | None:
    """Tokens that a model reads at most, or ``None`` where nobody has said."""
    address, _, model = identity.partition("|")
    if not address.startswith("http"):
        return None
    from genai_prices.data_snapshot import get_snapshot

    try:
        _, info = get_snapshot().find_provider_model(model, None, None, address)
    except LookupError:
        return None
    return info.context_window


def _overrides() -> dict[str, dict[str, float]]:
    file = settings.data_dir() / "prices.toml"
    try:
        return _read(str(file), file.stat().st_mtime_ns)
    except FileNotFoundError:
        return {}


@lru_cache(maxsize=4)
def _read(file: str, changed: int) -> dict[str, dict[str, float]]:
    from pathlib import Path

    try:
        table = tomllib.loads(Path(file).read_text(encoding="utf-8"))
        return {str(model): _prices(str(model), prices) for model, prices in table.items()}
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"{file} can't be read: {error}.",
            'Each model is a table such as ["my-model"] with input and output, dollars per million tokens.',
        ) from None


def _prices(model: str, prices: Any) -> dict[str, float]:
    """The prices of one model.

    Raises:
        ValueError: one is missing, or no amount: below zero, without end, or no number at all. What is not compared
            rightly with a limit switches every budget off.
    """
    if not isinstance(prices, dict) or not {"input", "output"} <= prices.keys():
        raise ValueError(f"{model} lacks input or output")
    found = {name: prices[name] for name in ("input", "output", "cached") if name in prices}
    for name, value in found.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_PRICE:
            raise ValueError(f"{name} of {model} is {value!r}, which is no price")
    return {name: float(value) for name, value in found.items()}

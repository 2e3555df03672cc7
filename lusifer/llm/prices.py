"""Prices of tokens, from the kept library ``genai-prices``; unknown is ``None``, never zero."""

from __future__ import annotations

from urllib.parse import urlsplit


def price(identity: str, input_tokens: int, cached_tokens: int, output_tokens: int) -> float | None:
    """US dollars for one call, or ``None`` where the endpoint or model has no known price.

    Args:
        identity: `LLM.identity`, an endpoint's address and a model. A server on this machine has no
            price list of its own, so its calls are unpriced, whatever the model is called.
    """
    address, _, model = identity.partition("|")
    if (urlsplit(address).hostname or "") in {"localhost", "127.0.0.1", "::1"}:
        return None
    import genai_prices  # a third of a second to import

    usage = genai_prices.Usage(
        input_tokens=input_tokens, cache_read_tokens=cached_tokens, output_tokens=output_tokens
    )
    try:
        found = genai_prices.calc_price(usage, model, provider_api_url=address)
    except LookupError:
        return None
    return float(found.total_price)

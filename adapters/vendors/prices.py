"""What tokens cost: the operator's price table, applied to one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens: of input, of output, and of input that the vendor had cached."""

    input: float
    output: float
    cached: float | None = None


def cost(
    prices: Mapping[str, Price], model: str, tokens_in: int, tokens_out: int, cached: int = 0
) -> float | None:
    """US dollars of one call, ``None`` when the table has no price for ``model``.

    ``cached`` of the ``tokens_in`` came from the vendor's cache. A dated name such as ``gpt-5-mini-2025-08-07`` falls
    back to the longest name in the table that it begins with, up to a dash.
    """
    price = prices.get(model) or next(
        (prices[name] for name in sorted(prices, key=len, reverse=True) if model.startswith(f"{name}-")), None
    )
    if price is None:
        return None
    reused = cached if price.cached is not None else 0
    dollars = (tokens_in - reused) * price.input + tokens_out * price.output
    return (dollars + reused * (price.cached or 0.0)) / MILLION

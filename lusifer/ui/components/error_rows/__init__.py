"""Errors of predictors, a row each, as a dot with its interval: small enough for the first page that anybody loads.

A custom component without an iframe; a chart of plotly would bring 4.7 MB of script for seven dots.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import pandas as pd
from streamlit.components.v2.types import ComponentRenderer

from lusifer.ui.components.own_component import build_component

KEY = "error-rows"
MOST_TICKS = 7


@cache
def _component() -> ComponentRenderer:
    """The component; its files are read once."""
    return build_component(__file__, ("../linked_evolution/elements.js", "error_rows.js"))


def describe_rows(frame: pd.DataFrame) -> dict[str, Any]:
    """What the component draws.

    Args:
        frame: columns predictor, rmse, rmse_low, rmse_high (NaN where there is no interval), simulator (whether it is
            one), at least one row; drawn in that order.

    Returns:
        ``rows``: name, whether it is a simulator, and ``rmse``, ``low``, ``high`` (``None`` where there is none);
        ``ticks`` of the axis at round values; ``from`` and ``to``: its ends.
    """
    ends = frame[["rmse", "rmse_low", "rmse_high"]].to_numpy(dtype=float)
    low, high = float(pd.Series(ends.ravel()).min()), float(pd.Series(ends.ravel()).max())
    span = max(high - low, 0.01)
    scale = 10 ** math.floor(math.log10(span / MOST_TICKS))
    apart = next(scale * step for step in (1, 2, 5, 10, 20) if span / (scale * step) <= MOST_TICKS)
    margin = 0.04 * span
    ticks = [round(apart * i, 6) for i in range(math.ceil(low / apart), math.floor(high / apart) + 1)]
    names = ("rmse", "rmse_low", "rmse_high")
    return {
        "rows": [
            {
                "name": str(row["predictor"]),
                "simulator": bool(row["simulator"]),
                **{n.removeprefix("rmse_"): float(row[n]) if math.isfinite(row[n]) else None for n in names},
            }
            for row in frame.to_dict("records")
        ],
        "ticks": ticks,
        "from": low - margin,
        "to": high + margin,
    }


def show_error_rows(frame: pd.DataFrame) -> None:
    """Draw the rows of `describe_rows`."""
    _component()(key=KEY, data=describe_rows(frame))

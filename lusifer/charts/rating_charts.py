"""Charts of the page that rates items."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.figures import rating_pairs
from lusifer.charts.style import ABOVE, ACCENT, BELOW, NEUTRAL, with_layout


def expected_vs_true(frame: pd.DataFrame, scale: tuple[float, float]) -> go.Figure:
    """One line a movie from expected to true. Columns: title, expected, true (NaN if unknown)."""
    ends = {"expected": ("Expected", ABOVE, "circle"), "true": ("Actual rating", BELOW, "diamond")}
    return rating_pairs(frame, ends, scale, "Rating")


def waterfall(parts: Mapping[str, float], total: str) -> go.Figure:
    """What a number is made of, part by part, up to the total."""
    names, values = list(parts), list(parts.values())
    figure = go.Figure(
        go.Waterfall(
            x=[*names, total],
            y=[*values, 0],
            measure=["relative"] * len(names) + ["total"],
            text=[f"{v:+.2f}" if index else f"{v:.2f}" for index, v in enumerate(values)] + [f"{sum(values):.2f}"],
            textposition="outside",
            connector={"line": {"color": NEUTRAL, "width": 1}},
            increasing={"marker": {"color": ABOVE}},
            decreasing={"marker": {"color": BELOW}},
            totals={"marker": {"color": ACCENT}},
            hovertemplate="%{x}: %{y:+.3f}<extra></extra>",
        )
    )
    running = np.cumsum(values)
    low, high = float(running.min()), float(running.max())
    margin = max(high - low, 0.2) * 0.35
    figure.update_yaxes(title="Stars", range=[low - margin, high + margin])
    return with_layout(figure, 340, showlegend=False)

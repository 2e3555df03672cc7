"""Charts of the page that rates items."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.style import ABOVE, ACCENT, BELOW, NEUTRAL, with_layout


def expected_vs_true(frame: pd.DataFrame, scale: tuple[float, float]) -> go.Figure:
    """One line a movie from expected to true. Columns: title, expected, true (NaN if unknown)."""
    figure = go.Figure()
    for row in frame.to_dict("records"):
        expected, true = float(row["expected"]), float(row["true"])
        if np.isfinite(true) and np.isfinite(expected):
            figure.add_scatter(
                x=[expected, true],
                y=[row["title"], row["title"]],
                mode="lines",
                line={"color": NEUTRAL, "width": 2},
                showlegend=False,
                hoverinfo="skip",
            )
    for column, name, colour, symbol in (
        ("expected", "Expected", ABOVE, "circle"),
        ("true", "Actual rating", BELOW, "diamond"),
    ):
        figure.add_scatter(
            x=frame[column],
            y=frame["title"],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": 11},
            hovertemplate="%{y}: %{x:.2f}<extra>" + name.lower() + "</extra>",
        )
    low, high = scale
    figure.update_xaxes(title="Rating", range=[low - 0.2, high + 0.2], dtick=1)
    figure.update_yaxes(autorange="reversed")
    return with_layout(figure, max(220, 30 * len(frame) + 90))


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

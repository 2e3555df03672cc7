"""Charts of the What-if lab."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.style import ABOVE, NEUTRAL, with_layout


def rating_shifts(frame: pd.DataFrame, scale: tuple[float, float]) -> go.Figure:
    """One line a movie from its rating before to the one after. Columns: title, before, after."""
    figure = go.Figure()
    for row in frame.to_dict("records"):
        figure.add_scatter(
            x=[row["before"], row["after"]],
            y=[row["title"], row["title"]],
            mode="lines",
            line={"color": NEUTRAL, "width": 2},
            showlegend=False,
            hoverinfo="skip",
        )
    for column, name, colour, symbol in (
        ("before", "Before", NEUTRAL, "circle-open"),
        ("after", "After", ABOVE, "circle"),
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
    figure.update_xaxes(title="Expected rating", range=[low - 0.2, high + 0.2], dtick=1)
    figure.update_yaxes(autorange="reversed")
    return with_layout(figure, max(220, 30 * len(frame) + 90))

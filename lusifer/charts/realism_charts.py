"""Charts of the Realism page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.style import NEUTRAL, series_style, with_layout


def rating_shares(frame: pd.DataFrame) -> go.Figure:
    """Shares of each rating (index), a line a column; the first column, the truth, as bars."""
    figure = go.Figure()
    first, *others = frame.columns
    figure.add_bar(
        x=frame.index,
        y=frame[first],
        name=first,
        marker={"color": NEUTRAL, "pattern": {"shape": "/"}},
        hovertemplate="%{x}: %{y:.0%}<extra>" + str(first) + "</extra>",
    )
    for index, name in enumerate(others):
        figure.add_scatter(
            x=frame.index,
            y=frame[name],
            name=name,
            mode="lines+markers",
            hovertemplate="%{x}: %{y:.0%}<extra>" + str(name) + "</extra>",
            **series_style(index),
        )
    figure.update_xaxes(title="Rating", type="category")
    figure.update_yaxes(title="Share of ratings", tickformat=".0%", rangemode="tozero")
    return with_layout(figure, 380)

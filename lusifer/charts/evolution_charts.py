"""Charts of the Evolution page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.style import ABOVE, ACCENT, NEUTRAL, PALETTE, with_layout


def taste_evolution(frame: pd.DataFrame) -> go.Figure:
    """Genre preferences over steps. Columns: step, genre, effect (shrunk difference from the user's mean)."""
    figure = go.Figure()
    symbols = ["circle", "square", "diamond", "cross", "x", "triangle-up", "star"]
    for index, (genre, rows) in enumerate(frame.groupby("genre", sort=False)):
        figure.add_scatter(
            x=rows["step"],
            y=rows["effect"],
            mode="lines+markers",
            name=str(genre),
            marker={"symbol": symbols[index % len(symbols)], "size": 9},
            line={"color": PALETTE[index % len(PALETTE)]},
            hovertemplate=f"{genre}: %{{y:+.2f}} stars after step %{{x}}<extra></extra>",
        )
    figure.add_hline(y=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="Step", dtick=1)
    figure.update_yaxes(title="Stars vs. the mean")
    return with_layout(figure, 300)


def forecast_errors(frame: pd.DataFrame, step: int) -> go.Figure:
    """Forecast error over steps. Columns: step, rmse, usual (RMSE of the user's mean so far)."""
    figure = go.Figure()
    for column, name, line, marker in (
        ("rmse", "Forecast", {"color": ABOVE}, {"size": 9}),
        (
            "usual",
            "Running-mean baseline",
            {"color": NEUTRAL, "dash": "dot"},
            {"size": 8, "symbol": "diamond-open"},
        ),
    ):
        figure.add_scatter(
            x=frame["step"],
            y=frame[column],
            mode="lines+markers",
            name=name,
            line=line,
            marker=marker,
            hovertemplate=f"Step %{{x}}: RMSE %{{y:.2f}}<extra>{name.lower()}</extra>",
        )
    figure.add_vline(x=step, line={"color": ACCENT, "width": 1})
    figure.update_xaxes(title="Step", dtick=1)
    figure.update_yaxes(title="RMSE of the batch", rangemode="tozero")
    return with_layout(figure, 300)

"""Charts of the Prompts page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.style import ABOVE, NEUTRAL, with_layout


def quality_vs_cost(frame: pd.DataFrame, cost: str) -> go.Figure:
    """RMSE against cost. Columns: name, rmse, cost, front (whether nothing beats it in both)."""
    figure = go.Figure()
    ordered = frame.sort_values("cost")
    best = ordered[ordered["front"]]
    figure.add_scatter(
        x=best["cost"],
        y=best["rmse"],
        mode="lines",
        line={"color": ABOVE, "dash": "dot"},
        showlegend=False,
        hoverinfo="skip",
    )
    for front, name, colour, symbol in (
        (True, "Pareto front", ABOVE, "diamond"),
        (False, "Dominated", NEUTRAL, "circle-open"),
    ):
        rows = ordered[ordered["front"] == front]
        figure.add_scatter(
            x=rows["cost"],
            y=rows["rmse"],
            mode="markers+text",
            name=name,
            text=rows["name"],
            textposition="top center",
            marker={"color": colour, "symbol": symbol, "size": 12},
            hovertemplate="%{text}<br>RMSE %{y:.3f}<br>%{x}<extra></extra>",
        )
    figure.update_xaxes(title=cost, rangemode="tozero")
    figure.update_yaxes(title="RMSE")
    return with_layout(figure, 360)

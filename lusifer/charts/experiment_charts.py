"""Charts of the Experiments page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.style import PALETTE, series_style, with_layout

LEGEND_BESIDE_FROM = 6
"""Series from which a legend stands beside its chart."""
MAX_BANDS = 4
"""Lines up to which intervals are drawn as bands; of more, they are read by pointing."""


def experiment_panel(frame: pd.DataFrame, kind: str, x: str, y: str) -> go.Figure:
    """One chart of an experiment. Columns: series, x (numbers for ``line``, names for ``points`` and, joined by lines, ``steps``), value, low,
    high (95 % interval; NaN for none)."""
    figure = go.Figure()
    grouped = list(frame.groupby("series", sort=False))
    for index, (name, rows) in enumerate(grouped):
        style = series_style(index)
        has_interval = rows["low"].notna() & rows["high"].notna()
        hover = "%{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})" if has_interval.all() else "%{y:.3f}"
        shared = {
            "x": rows["x"],
            "y": rows["value"],
            "name": str(name),
            "legendgroup": str(name),
            "customdata": rows[["low", "high"]],
            "hovertemplate": f"%{{x}}: {hover}<extra>{name}</extra>",
        }
        if kind in {"line", "steps"}:
            if kind == "line":
                rows = rows.sort_values("x")
                shared |= {"x": rows["x"], "y": rows["value"], "customdata": rows[["low", "high"]]}
            if has_interval.all() and len(grouped) <= MAX_BANDS:
                figure.add_scatter(
                    x=[*rows["x"], *rows["x"][::-1]],
                    y=[*rows["high"], *rows["low"][::-1]],
                    fill="toself",
                    mode="lines",
                    fillcolor=PALETTE[index % len(PALETTE)],
                    opacity=0.15,
                    line={"width": 0},
                    showlegend=False,
                    hoverinfo="skip",
                    legendgroup=str(name),
                )
            figure.add_scatter(mode="lines+markers", **shared, **style)
            continue
        figure.add_scatter(
            mode="markers",
            **shared,
            marker={**style["marker"], "size": 10},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": rows["high"] - rows["value"],
                "arrayminus": rows["value"] - rows["low"],
                "thickness": 1.5,
            },
        )
    figure.update_xaxes(title=x or None, type=None if kind == "line" else "category")
    if kind == "line" and frame["x"].astype(float).abs().max() <= MAX_BANDS * 2:
        figure.update_xaxes(dtick=1)
    figure.update_yaxes(title=y)
    if kind == "points" and len(grouped) > 1:
        figure.update_layout(scattermode="group", scattergap=0.6)
    figure = with_layout(figure, 460 if len(grouped) > LEGEND_BESIDE_FROM else 340)
    if len(grouped) > LEGEND_BESIDE_FROM:
        figure.update_layout(legend={"orientation": "v", "x": 1.02, "xanchor": "left", "y": 1, "yanchor": "top"})
    return figure.update_layout(showlegend=len(grouped) > 1)

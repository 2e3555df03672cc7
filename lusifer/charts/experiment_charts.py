"""Charts of the Experiments page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.figures import add_band, add_line, error_bars
from lusifer.charts.style import series_style, with_layout

LEGEND_BESIDE_FROM = 6
"""Series from which a legend stands beside its chart."""
MAX_BANDS = 4
"""Lines up to which intervals are drawn as bands; of more, they are read by pointing."""


def experiment_panel(frame: pd.DataFrame, kind: str, x: str, y: str) -> go.Figure:
    """One chart of an experiment.

    Columns: series, x (numbers for ``line``, names for ``points`` and, joined by lines, ``steps``), value, low, high
    (95 % interval; NaN for none).
    """
    figure = go.Figure()
    grouped = list(frame.groupby("series", sort=False))
    for index, (series, rows) in enumerate(grouped):
        name = str(series)
        if kind == "line":
            rows = rows.sort_values("x")
        has_interval = (rows["low"].notna() & rows["high"].notna()).all()
        hover = "%{x}: %{y:.3f}" + " (%{customdata[0]:.3f} to %{customdata[1]:.3f})" * bool(has_interval)
        shared = {"legendgroup": name, "customdata": rows[["low", "high"]]}
        if kind == "points":
            figure.add_scatter(
                x=rows["x"],
                y=rows["value"],
                name=name,
                mode="markers",
                hovertemplate=f"{hover}<extra>{name}</extra>",
                marker={**series_style(index)["marker"], "size": 10},
                error_y=error_bars(rows, "value", "low", "high", thickness=1.5),
                **shared,
            )
            continue
        if has_interval and len(grouped) <= MAX_BANDS:
            add_band(figure, index, name, rows, "x")
        add_line(figure, index, name, rows["x"], rows["value"], hover, **shared)
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

"""Errors by slices of the ratings: small multiples on one scale."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.figures import error_bars
from lusifer.charts.style import MARGIN, MARKERS, NEUTRAL, PALETTE, SAME_LOOK, with_layout

ROW, ROW_PER_SERIES, FRAME = 12, 9, 50
"""Pixels of a slice, of each predictor in it, and of the axis below."""


def shared_range(frame: pd.DataFrame) -> tuple[float, float]:
    """The range of RMSE that all facets have. Columns: rmse, low, high."""
    low, high = frame[["rmse", "low"]].min().min(), frame[["rmse", "high"]].max().max()
    edge = max(0.04 * (high - low), 0.02)
    return max(float(low - edge), 0.0), float(high + edge)


def facet(
    frame: pd.DataFrame,
    names: Sequence[str],
    span: tuple[float, float],
    *,
    by_predictor: bool = False,
    chosen: tuple[str, str] | None = None,
    legend: bool = False,
) -> go.Figure:
    """RMSE on the slices of one slicing, with intervals; a point is one predictor on one slice.

    Args:
        frame: columns label (a line of the chart: the slice with its count), name, predictor (its title), rmse, low,
            high, rows, point (what a click gives back); in the order of the slices.
        names: all predictors of the small multiples, in the order that decides their colours and symbols.
        span: range of RMSE, the same on every facet.
        by_predictor: a line is a predictor rather than a slice; such a facet is the legend of the others.
        chosen: the line and the name of the predictor that are open.
        legend: whether the predictors are named above.
    """
    figure = go.Figure()
    lines = list(dict.fromkeys(frame["label"]))
    if chosen is not None and chosen[0] in lines:
        at = lines.index(chosen[0])
        figure.add_hrect(y0=at - 0.5, y1=at + 0.5, fillcolor=NEUTRAL, opacity=0.18, line_width=0, layer="below")
    for index, name in enumerate(names):
        rows = frame[frame["name"] == name]
        if rows.empty:
            continue
        colour, is_open = PALETTE[index % len(PALETTE)], [chosen == (label, name) for label in rows["label"]]
        figure.add_scatter(
            x=rows["rmse"],
            y=rows["label"],
            orientation="h",
            mode="markers",
            name=str(rows["predictor"].iloc[0]),
            marker={
                "color": colour,
                "symbol": MARKERS[index % len(MARKERS)],
                "size": [13 if o else 8 for o in is_open],
            },
            error_x=error_bars(rows, "rmse", "low", "high", thickness=1.2, width=0),
            offsetgroup=name,
            selected=SAME_LOOK,
            unselected=SAME_LOOK,
            customdata=rows[["point"]].to_numpy().tolist(),
            hovertext=[
                f"{p}, {g}: {v:.3f}" + (f" ({a:.3f} to {b:.3f})" if a == a else "") + f", {n:,} ratings"
                for p, g, v, a, b, n in rows[["predictor", "slice", "rmse", "low", "high", "rows"]].itertuples(
                    index=False
                )
            ],
            hovertemplate="%{hovertext}<extra></extra>",
            showlegend=legend,
        )
    series = 1 if by_predictor else max(len(names), 1)
    figure.update_xaxes(range=list(span), title="RMSE", nticks=6, showgrid=True)
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=lines, range=[len(lines) - 0.5, -0.5], showgrid=False
    )
    height = len(lines) * (ROW + ROW_PER_SERIES * series) + FRAME
    with_layout(figure, height, scattermode="overlay" if by_predictor else "group", scattergap=0.25)
    if not legend:
        figure.update_layout(margin={**MARGIN, "t": 0})
    return figure.update_layout(clickmode="event+select", dragmode=False)

"""What charts are built of: lines in a series' own style, bands, error bars, bars of shares, pairs of ratings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.style import NEUTRAL, PALETTE, series_style, with_layout


def error_bars(rows: pd.DataFrame, column: str, low: str, high: str, **look: object) -> dict[str, object]:
    """An interval around each value of a column, for plotly's ``error_x`` or ``error_y``."""
    return {
        "type": "data",
        "symmetric": False,
        "array": rows[high] - rows[column],
        "arrayminus": rows[column] - rows[low],
        **look,
    }


def add_band(figure: go.Figure, index: int, name: str, rows: pd.DataFrame, x: str) -> None:
    """The interval of the n-th line as a band behind it. Columns: X, low, high."""
    figure.add_scatter(
        x=[*rows[x], *rows[x][::-1]],
        y=[*rows["high"], *rows["low"][::-1]],
        fill="toself",
        mode="lines",
        fillcolor=PALETTE[index % len(PALETTE)],
        opacity=0.15,
        line={"width": 0},
        showlegend=False,
        hoverinfo="skip",
        legendgroup=name,
    )


def add_line(
    figure: go.Figure, index: int, name: str, x: Iterable[Any], y: Iterable[Any], hover: str, **more: object
) -> None:
    """The n-th line with its markers. ``hover`` is what pointing at one says, ahead of the line's name."""
    figure.add_scatter(
        x=x,
        y=y,
        name=name,
        mode="lines+markers",
        hovertemplate=f"{hover}<extra>{name}</extra>",
        **series_style(index),
        **more,
    )


def add_bars(figure: go.Figure, name: str, x: Iterable[Any], y: Iterable[Any], colour: str, pattern: str) -> None:
    """Bars of shares, told from others by colour and pattern."""
    figure.add_bar(
        x=x,
        y=y,
        name=name,
        marker={"color": colour, "pattern": {"shape": pattern}},
        hovertemplate=f"%{{x}}: %{{y:.0%}}<extra>{name}</extra>",
    )


def with_share_axes(figure: go.Figure, height: int, title: str = "Rating", **more: object) -> go.Figure:
    """A chart of shares of ratings with its axes: ratings as categories, shares in percent."""
    figure.update_xaxes(title=title, type="category")
    figure.update_yaxes(title="Share of ratings", tickformat=".0%", rangemode="tozero")
    return with_layout(figure, height, **more)


def rating_pairs(
    frame: pd.DataFrame, ends: Mapping[str, tuple[str, str, str]], scale: tuple[float, float], title: str
) -> go.Figure:
    """Two ratings of each movie, joined by a line.

    Args:
        frame: one row a movie: title, and the two columns (NaN where a rating is not known).
        ends: name, colour and symbol of each of the two columns.
        scale: the lowest and the highest rating.
        title: of the axis.
    """
    figure = go.Figure()
    for movie, *values in frame[["title", *ends]].itertuples(index=False):
        if np.isfinite(values).all():
            figure.add_scatter(
                x=values,
                y=[movie, movie],
                mode="lines",
                line={"color": NEUTRAL, "width": 2},
                showlegend=False,
                hoverinfo="skip",
            )
    for column, (name, colour, symbol) in ends.items():
        figure.add_scatter(
            x=frame[column],
            y=frame["title"],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": 11},
            hovertemplate=f"%{{y}}: %{{x:.2f}}<extra>{name.lower()}</extra>",
        )
    low, high = scale
    figure.update_xaxes(title=title, range=[low - 0.2, high + 0.2], dtick=1)
    figure.update_yaxes(autorange="reversed")
    return with_layout(figure, max(220, 30 * len(frame) + 90))

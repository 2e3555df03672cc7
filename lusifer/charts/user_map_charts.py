"""The map of users."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.style import ACCENT, BELOW, MARKERS, NEUTRAL, PALETTE, with_layout

MOST_CATEGORIES = 6
"""Categories that have a colour of their own; the others share one."""
SCALE = ((0.0, "#d97a1d"), (0.5, "#b9c2c6"), (1.0, "#2a9a9c"))
REVERSED_SCALE = tuple((1 - at, colour) for at, colour in reversed(SCALE))
DENSE_FROM = 3000
"""Points from which they are drawn by the graphics card."""


def user_map(
    frame: pd.DataFrame,
    title: str,
    axes: Sequence[str],
    *,
    low_is_good: bool = False,
    logarithmic: bool = False,
    height: int = 470,
) -> go.Figure:
    """Every user a point.

    Args:
        frame: columns user (what a click gives back), label, x, y, value (a number, NaN for unknown, or a text, "" for
            none), found (whether it is searched for), alike (whether it is like the selected one), selected.
        title: what the colour says.
        axes: the words at the low and the high end of x, then of y.
        low_is_good: whether low values have the colour that high ones have otherwise.
        logarithmic: whether the colour goes by the logarithm of the value.
        height: in pixels.
    """
    figure = go.Figure()
    draw = go.Scattergl if len(frame) > DENSE_FROM else go.Scatter
    size = 8 if len(frame) <= DENSE_FROM else 4
    others = frame[~frame["found"]]
    if len(others):
        figure.add_trace(_points(draw, others, "Others", {"size": size - 2, "color": NEUTRAL, "opacity": 0.25}))
    shown = frame[frame["found"]]
    if pd.api.types.is_numeric_dtype(frame["value"]):
        known = shown[shown["value"].notna()]
        unknown = shown[shown["value"].isna()]
        if len(unknown):
            figure.add_trace(_points(draw, unknown, "Not known", {"size": size - 2, "color": NEUTRAL, "opacity": 0.3}))
        values = np.log10(known["value"]) if logarithmic else known["value"]
        if len(known):
            low, high = float(np.quantile(values, 0.02)), float(np.quantile(values, 0.98))
            bar: dict[str, object] = {"title": {"text": title, "side": "right"}, "thickness": 10, "len": 0.9}
            if logarithmic:
                ticks = np.unique(np.round(10 ** np.linspace(low, high, 4)).astype(int))
                bar |= {"tickvals": np.log10(ticks).tolist(), "ticktext": [f"{t:,}" for t in ticks]}
            marker = {"size": size, "color": values, "colorscale": REVERSED_SCALE if low_is_good else SCALE}
            marker |= {"cmin": low, "cmax": high if high > low else low + 1, "colorbar": bar, "opacity": 0.85}
            figure.add_trace(_points(draw, known, title, marker))
    else:
        counts = shown["value"].where(shown["value"] != "").value_counts()
        first = list(counts.index[:MOST_CATEGORIES])
        for index, name in enumerate([*first, "other"]):
            rows = shown[shown["value"] == name] if name in first else shown[~shown["value"].isin(first)]
            if len(rows):
                marker = {
                    "size": size,
                    "color": PALETTE[index % len(PALETTE)],
                    "symbol": MARKERS[index],
                    "opacity": 0.8,
                }
                figure.add_trace(_points(draw, rows, str(name), marker, named=True))
    for column, colour, name, ring in (("alike", ACCENT, "Alike", 13), ("selected", BELOW, "Selected", 19)):
        rows = frame[frame[column]]
        if len(rows):
            marker = {"size": ring, "symbol": "circle-open", "color": colour, "line": {"width": 3}}
            figure.add_trace(_points(draw, rows, name, marker, named=True))
    left, right, bottom, top = axes
    quiet = {"showgrid": False, "zeroline": False, "showticklabels": False}
    figure.update_xaxes(title=_ends(left, right, "←", "→"), **quiet)
    figure.update_yaxes(title=_ends(bottom, top, "↓", "↑"), **quiet)
    return with_layout(figure, height, clickmode="event+select", dragmode="pan")


def _ends(low: str, high: str, back: str, forth: str) -> str:
    return "   ".join(part for part in (f"{back} {low}" if low else "", f"{high} {forth}" if high else "") if part)


def _points(draw: type, rows: pd.DataFrame, name: str, marker: dict[str, object], named: bool = False) -> object:
    same = {"marker": {"opacity": marker.get("opacity", 1)}}
    return draw(
        x=rows["x"],
        y=rows["y"],
        mode="markers",
        name=name,
        showlegend=named,
        marker=marker,
        # A click selects one; the others keep their looks.
        selected=same,
        unselected=same,
        text=rows["label"],
        customdata=rows[["user"]].to_numpy().tolist(),
        hovertemplate="%{text}<extra></extra>",
    )

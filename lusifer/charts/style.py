"""Colors, line styles and the layout that all charts share."""

from __future__ import annotations

import plotly.graph_objects as go

ABOVE, BELOW, NEUTRAL, ACCENT = "#2a9a9c", "#d97a1d", "#8796a0", "#7d6bd0"
SAME_LOOK = {"marker": {"opacity": 1}}
"""For ``selected`` and ``unselected``: a click chooses a point and leaves the others as they are."""
PALETTE = ("#2a9a9c", "#d97a1d", "#7d6bd0", "#c7486a", "#6c9a2f", "#4b8fd6", "#8796a0")
MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


def with_layout(figure: go.Figure, height: int, **more: object) -> go.Figure:
    """The layout that all charts share: small margins, the legend above."""
    figure.update_layout(
        height=height,
        margin=MARGIN,
        hovermode="closest",
        bargap=0.25,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": None},
        **more,
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
PATTERNS = ("", "/", "x", ".", "-", "+")
MARKERS = ("circle", "diamond", "square", "x", "triangle-up", "cross", "star")


def series_style(index: int) -> dict[str, dict[str, object]]:
    """Colour, dash and marker of the n-th line: three ways to tell it from the others."""
    colour = PALETTE[index % len(PALETTE)]
    return {
        "line": {"color": colour, "dash": DASHES[index % len(DASHES)], "width": 2},
        "marker": {"color": colour, "symbol": MARKERS[index % len(MARKERS)], "size": 8},
    }

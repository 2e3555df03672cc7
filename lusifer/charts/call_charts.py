"""Charts of the LLM calls page: how long calls took, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.style import PALETTE, PATTERNS, with_layout

MOST_POINTS = 300
"""Calls of a purpose that are drawn one by one; of more, those far from the others."""


def latency_by_purpose(calls: pd.DataFrame) -> go.Figure:
    """How long calls took, a box a purpose.

    Args:
        calls: columns purpose (as it is shown), seconds.
    """
    figure = go.Figure()
    purposes = list(dict.fromkeys(calls["purpose"]))
    for index, purpose in enumerate(purposes):
        seconds = calls.loc[calls["purpose"] == purpose, "seconds"]
        colour = PALETTE[index % len(PALETTE)]
        figure.add_box(
            x=seconds,
            name=purpose,
            boxpoints="all" if len(seconds) <= MOST_POINTS else "outliers",
            jitter=0.5,
            pointpos=0,
            marker={"color": colour, "size": 4, "opacity": 0.6},
            line={"color": colour},
            fillcolor="rgba(0,0,0,0)",
            hovertemplate=f"%{{x:.2f}} s<extra>{purpose}</extra>",
        )
    figure.update_xaxes(title="Seconds per call", rangemode="tozero")
    figure.update_yaxes(autorange="reversed")
    return with_layout(figure, max(180, 70 * len(purposes) + 90), showlegend=False)


def amount_by_step(calls: pd.DataFrame, series: Sequence[str], title: str, unit: str) -> go.Figure:
    """What the calls of each step took on average, stacked.

    Args:
        calls: one row a step: step (as it is shown), and a column each series.
        series: columns, the lowest first.
        title: of the axis.
        unit: before the figure where it is ``$``, else after it.
    """
    figure = go.Figure()
    digits = "$%{y:.5f}" if unit == "$" else f"%{{y:,.0f}} {unit}"
    for index, name in enumerate(series):
        figure.add_bar(
            x=calls["step"],
            y=calls[name],
            name=name,
            marker={
                "color": PALETTE[index % len(PALETTE)],
                "pattern": {"shape": PATTERNS[index % len(PATTERNS)], "solidity": 0.2},
            },
            hovertemplate=f"%{{x}}: {digits}<extra>{name}</extra>",
        )
    figure.update_xaxes(type="category", title="Step")
    figure.update_yaxes(title=title, rangemode="tozero", tickprefix="$" if unit == "$" else "")
    return with_layout(figure, 280, barmode="stack")

"""Charts of the Environment page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.figures import add_band, add_line, error_bars
from lusifer.charts.style import ABOVE, NEUTRAL, with_layout


def learning_curves(frame: pd.DataFrame, reward: str) -> go.Figure:
    """Mean reward over a run. Columns: agent (as shown), step, reward, low, high (95 % interval)."""
    figure = go.Figure()
    for index, (agent, rows) in enumerate(frame.groupby("agent", sort=False)):
        name = str(agent)
        if rows["low"].notna().all():
            add_band(figure, index, name, rows, "step")
        hover = "%{y:.2f} at interaction %{x:.0f}"
        add_line(figure, index, name, rows["step"], rows["reward"], hover, legendgroup=name)
    figure.update_xaxes(title="Interactions")
    figure.update_yaxes(title=f"Reward ({reward})")
    return with_layout(figure, 380)


def rank_agreement(frame: pd.DataFrame, column: str, title: str) -> go.Figure:
    """Agents by what they gain on held-out ratings and in the environment.

    Columns: agent, held_out and ``column``, each with _low and _high.
    """
    look = {"thickness": 0.6, "color": NEUTRAL}
    figure = go.Figure()
    figure.add_scatter(
        x=frame["held_out"],
        y=frame[column],
        mode="markers",
        text=frame["agent"],
        marker={"color": ABOVE, "size": 8},
        error_x=error_bars(frame, "held_out", "held_out_low", "held_out_high", **look),
        error_y=error_bars(frame, column, f"{column}_low", f"{column}_high", **look),
        hovertemplate="%{text}: %{x:.3f} held out, %{y:.3f} here<extra></extra>",
    )
    figure.update_xaxes(title="Gain in held-out real ratings (stars)")
    figure.update_yaxes(title=title)
    return with_layout(figure, 340)

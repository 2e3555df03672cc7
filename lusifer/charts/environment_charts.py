"""Charts of the Environment page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.style import ABOVE, NEUTRAL, PALETTE, series_style, with_layout


def learning_curves(frame: pd.DataFrame, reward: str) -> go.Figure:
    """Mean reward over a run. Columns: agent (as shown), step, reward, low, high (95 % interval)."""
    figure = go.Figure()
    for index, (agent, rows) in enumerate(frame.groupby("agent", sort=False)):
        style = series_style(index)
        colour = PALETTE[index % len(PALETTE)]
        if rows["low"].notna().all():
            figure.add_scatter(
                x=[*rows["step"], *rows["step"][::-1]],
                y=[*rows["high"], *rows["low"][::-1]],
                fill="toself",
                mode="lines",
                fillcolor=colour,
                opacity=0.15,
                line={"width": 0},
                showlegend=False,
                hoverinfo="skip",
                legendgroup=str(agent),
            )
        figure.add_scatter(
            x=rows["step"],
            y=rows["reward"],
            mode="lines+markers",
            name=str(agent),
            legendgroup=str(agent),
            hovertemplate="%{y:.2f} at step %{x:.0f}<extra>" + str(agent) + "</extra>",
            **style,
        )
    figure.update_xaxes(title="Interactions")
    figure.update_yaxes(title=f"Reward ({reward})")
    return with_layout(figure, 380)


def rank_agreement(frame: pd.DataFrame, column: str, title: str) -> go.Figure:
    """Agents by what they gain on held-out ratings and in the environment. Columns: agent, held_out and ``column``,
    each with _low and _high."""
    figure = go.Figure()

    def bars(name: str) -> dict[str, object]:
        return {
            "type": "data",
            "symmetric": False,
            "array": frame[f"{name}_high"] - frame[name],
            "arrayminus": frame[name] - frame[f"{name}_low"],
            "thickness": 0.6,
            "color": NEUTRAL,
        }

    figure.add_scatter(
        x=frame["held_out"],
        y=frame[column],
        mode="markers",
        text=frame["agent"],
        marker={"color": ABOVE, "size": 8},
        error_x=bars("held_out"),
        error_y=bars(column),
        hovertemplate="%{text}: %{x:.3f} held out, %{y:.3f} here<extra></extra>",
    )
    figure.update_xaxes(title="Gain in held-out real ratings (stars)")
    figure.update_yaxes(title=title)
    return with_layout(figure, 340)

"""The chart of the Home page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.figures import error_bars
from lusifer.charts.style import ABOVE, NEUTRAL, with_layout


def errors(frame: pd.DataFrame) -> go.Figure:
    """RMSE with its interval, a row a predictor, the simulators coloured.

    Args:
        frame: columns predictor, rmse, rmse_low, rmse_high, simulator (whether it is one); drawn in that order.
    """
    figure = go.Figure()
    for simulator, colour, symbol in ((False, NEUTRAL, "circle"), (True, ABOVE, "diamond")):
        rows = frame[frame["simulator"] == simulator]
        if rows.empty:
            continue
        figure.add_scatter(
            x=rows["rmse"],
            y=rows["predictor"],
            mode="markers",
            marker={"size": 13, "color": colour, "symbol": symbol},
            error_x=error_bars(rows, "rmse", "rmse_low", "rmse_high", thickness=3, width=0, color=colour),
            customdata=rows[["rmse_low", "rmse_high"]],
            hovertemplate="%{y}: %{x:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
            showlegend=False,
        )
    ends = frame["rmse_high"].fillna(frame["rmse"])  # a single user has no interval
    for end, name, rmse in zip(ends, frame["predictor"], frame["rmse"], strict=True):
        figure.add_annotation(x=end, y=name, text=f"{rmse:.3f}", showarrow=False, xanchor="left", xshift=10)
    figure.update_xaxes(title=None, automargin=True)
    names = [f"<b>{n}</b>" if s else n for n, s in zip(frame["predictor"], frame["simulator"], strict=True)]
    figure.update_yaxes(
        autorange="reversed",
        categoryorder="array",
        categoryarray=list(frame["predictor"]),
        tickmode="array",
        tickvals=list(frame["predictor"]),
        ticktext=names,
    )
    return with_layout(figure, 36 * len(frame) + 60)

"""Charts of the Realism page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.figures import add_bars, add_line, with_share_axes
from lusifer.charts.style import NEUTRAL


def rating_shares(frame: pd.DataFrame) -> go.Figure:
    """Shares of each rating (index), a line a column; the first column, the truth, as bars."""
    figure = go.Figure()
    first, *others = frame.columns
    add_bars(figure, first, frame.index, frame[first], NEUTRAL, "/")
    for index, name in enumerate(others):
        add_line(figure, index, name, frame.index, frame[name], "%{x}: %{y:.0%}")
    return with_share_axes(figure, 380)

"""Charts of the What-if lab."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.figures import rating_pairs
from lusifer.charts.style import ABOVE, NEUTRAL


def rating_shifts(frame: pd.DataFrame, scale: tuple[float, float]) -> go.Figure:
    """One line a movie from its rating before to the one after. Columns: title, before, after."""
    ends = {"before": ("Before", NEUTRAL, "circle-open"), "after": ("After", ABOVE, "circle")}
    return rating_pairs(frame, ends, scale, "Expected rating")

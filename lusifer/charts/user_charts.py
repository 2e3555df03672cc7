"""Charts of the Users page."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from lusifer.charts.figures import add_bars, with_share_axes
from lusifer.charts.style import ABOVE, BELOW, NEUTRAL, with_layout


def rating_history(frame: pd.DataFrame, scale: tuple[float, float]) -> go.Figure:
    """Ratings over time. Columns: time (datetime), rating, title, part (a label a marker style)."""
    figure = go.Figure()
    styles = {
        "History read by the simulator": (ABOVE, "circle"),
        "Older": (NEUTRAL, "circle"),
        "Test set": (BELOW, "diamond-open"),
    }
    for part, rows in frame.groupby("part", sort=False):
        colour, symbol = styles.get(str(part), (NEUTRAL, "circle"))
        figure.add_scatter(
            x=rows["time"],
            y=rows["rating"],
            mode="markers",
            name=str(part),
            text=rows["title"],
            marker={"color": colour, "symbol": symbol, "size": 8, "opacity": 0.75},
            hovertemplate="%{text}<br>%{y} on %{x|%d %b %Y, %H:%M}<extra></extra>",
        )
    low, high = scale
    figure.update_yaxes(title="Rating", range=[low - 0.4, high + 0.4], dtick=1)
    return with_layout(figure, 260)


def rating_distribution(frame: pd.DataFrame) -> go.Figure:
    """Shares of each rating. Columns: rating, this user, all users (shares 0–1)."""
    figure = go.Figure()
    names = [f"{r:g}" for r in frame["rating"]]
    for column, colour, pattern in (("this user", ABOVE, ""), ("all users", NEUTRAL, "/")):
        add_bars(figure, column.capitalize(), names, frame[column], colour, pattern)
    return with_share_axes(figure, 260, barmode="group")


def genre_tastes(frame: pd.DataFrame) -> go.Figure:
    """Genres against the user's own mean. Columns: genre, effect, difference, count; drawn in that order."""
    colours = [ABOVE if d >= 0 else BELOW for d in frame["effect"]]
    figure = go.Figure(
        go.Bar(
            x=frame["effect"],
            y=frame["genre"],
            orientation="h",
            marker={"color": colours},
            customdata=frame[["difference", "count"]],
            hovertemplate="%{y}: %{customdata[0]:+.2f} stars vs. the user's mean in %{customdata[1]} ratings, "
            "%{x:+.2f} shrunk<extra></extra>",
        )
    )
    figure.update_xaxes(title="Stars vs. this user's mean (shrunk)", zeroline=True)
    figure.update_yaxes(autorange="reversed")
    return with_layout(figure, max(220, 26 * len(frame) + 70))

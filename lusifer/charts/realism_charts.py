"""Charts of the Realism page."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from lusifer.charts.style import ABOVE, NEUTRAL, with_layout


def rating_histogram(
    levels: Sequence[str], shares: Sequence[float], real: Sequence[float], highest: float = 1.0
) -> go.Figure:
    """Shares of each rating as bars; where these are not the real ones, those as marks on the same axis.

    ``highest`` is the largest share of all histograms that stand side by side.
    """
    figure = go.Figure()
    is_real = list(shares) == list(real)
    figure.add_bar(
        x=list(levels),
        y=list(shares),
        marker={"color": NEUTRAL if is_real else ABOVE},
        hovertemplate="%{x}: %{y:.0%}<extra></extra>",
    )
    if not is_real:
        figure.add_scatter(
            x=list(levels),
            y=list(real),
            mode="markers",
            marker={"symbol": "line-ew-open", "size": 26, "color": NEUTRAL, "line": {"width": 3}},
            hovertemplate="%{x}: %{y:.0%} real<extra></extra>",
        )
    figure.update_yaxes(tickformat=".0%", range=[0, 1.1 * highest])
    figure.update_xaxes(title="Rating" if is_real else "Rating (marks: real users)", type="category")
    return with_layout(figure, 230, showlegend=False)

"""Charts of the Accuracy page and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike, NDArray

from lusifer.charts.figures import add_bars, add_line, error_bars, with_share_axes
from lusifer.charts.style import (
    ABOVE,
    ACCENT,
    BELOW,
    DASHES,
    MARKERS,
    NEUTRAL,
    PALETTE,
    PATTERNS,
    SAME_LOOK,
    with_layout,
)


def leaderboard(frame: pd.DataFrame, metric: str, title: str, references: pd.DataFrame | None = None) -> go.Figure:
    """One measure with its interval.

    Args:
        frame: columns predictor, METRIC, METRIC_low, METRIC_high, group.
        metric: which.
        title: of the axis.
        references: other results as marks with a line through all predictors: columns predictor, title, METRIC,
            METRIC_low, METRIC_high, rows.
    """
    figure = go.Figure()
    symbols = {
        "Simulator": "diamond",
        "Collaborative filtering": "circle",
        "Naive baselines": "circle-open",
    }
    colours = {"Simulator": BELOW, "Collaborative filtering": ABOVE, "Naive baselines": NEUTRAL}
    for group, rows in frame.groupby("group", sort=False):
        figure.add_scatter(
            x=rows[metric],
            y=rows["predictor"],
            mode="markers",
            name=str(group),
            marker={"size": 12, "symbol": symbols.get(str(group), "circle"), "color": colours.get(str(group), NEUTRAL)},
            error_x=error_bars(rows, metric, f"{metric}_low", f"{metric}_high", thickness=1.5, width=5),
            customdata=rows[[f"{metric}_low", f"{metric}_high"]],
            hovertemplate="%{y}: %{x:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
        )
    lines, height = list(frame["predictor"]), 34 * len(frame) + 110
    if references is not None and len(references):
        lines, height = [*lines, *references["predictor"]], height + 34 * len(references)
        figure.add_scatter(
            x=references[metric],
            y=references["predictor"],
            mode="markers",
            name="Pinned run",
            marker={"size": 14, "symbol": "star", "color": ACCENT},
            error_x=error_bars(references, metric, f"{metric}_low", f"{metric}_high", thickness=1.5, width=5),
            customdata=references[["title", f"{metric}_low", f"{metric}_high", "rows"]],
            hovertemplate="%{customdata[0]}: %{x:.3f} (%{customdata[1]:.3f} to %{customdata[2]:.3f}), "
            "%{customdata[3]:,} ratings<extra></extra>",
        )
        for value in references[metric]:
            figure.add_vline(x=value, line={"color": ACCENT, "width": 1, "dash": "dot"}, layer="below")
    figure.update_xaxes(title=title)
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=lines)
    return with_layout(figure, height)


def differences(frame: pd.DataFrame, references: Mapping[str, str]) -> go.Figure:
    """RMSE of each predictor minus that of references on the same ratings, with paired intervals.

    Args:
        frame: columns predictor, and for each reference REFERENCE, REFERENCE_low, REFERENCE_high.
        references: how each reference is called, by the column it has.
    """
    figure = go.Figure()
    for index, (column, name) in enumerate(references.items()):
        rows = frame.dropna(subset=[column])
        figure.add_scatter(
            x=rows[column],
            y=rows["predictor"],
            mode="markers",
            name=f"minus {name}",
            marker={"size": 9, "symbol": MARKERS[2 * index], "color": (NEUTRAL, ACCENT)[index]},
            error_x=error_bars(rows, column, f"{column}_low", f"{column}_high", thickness=1.2, width=4),
            hovertemplate=f"%{{y}}: %{{x:+.3f}} against {name}<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="Difference in RMSE (below 0 is better)")
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=list(frame["predictor"]))
    return with_layout(figure, 34 * len(frame) + 110, scattermode="group")


ERROR_STEP, MAX_ERROR_BINS = 0.5, 500
"""Width of a bin of errors, in stars; wider where there would be more than so many on a side."""


def error_bins(errors: Mapping[str, ArrayLike]) -> NDArray[np.float64]:
    """The edges of the bins that hold all of some errors; each bin holds its lower edge."""
    edge = max((float(np.max(np.abs(np.asarray(e, dtype=float)))) for e in errors.values() if np.size(e)), default=1.0)
    step = ERROR_STEP * max(1.0, np.ceil(edge / ERROR_STEP / MAX_ERROR_BINS))
    count = np.floor(edge / step) + 1
    return np.arange(-count, count + 1) * step


def error_distribution(errors: Mapping[str, ArrayLike]) -> go.Figure:
    """Predicted minus true, as shares in `error_bins`, a line a predictor.

    A click on a point gives back its number, line by line, bin by bin.
    """
    figure = go.Figure()
    arrays = {name: np.asarray(e, dtype=float) for name, e in errors.items()}
    bins = error_bins(arrays)
    middles = (bins[:-1] + bins[1:]) / 2
    for index, (name, values) in enumerate(arrays.items()):
        counts, _ = np.histogram(values, bins)
        figure.add_scatter(
            x=middles,
            y=counts / max(len(values), 1),
            mode="lines+markers",
            name=name,
            marker={"size": 6, "color": PALETTE[index % len(PALETTE)], "symbol": MARKERS[index % len(MARKERS)]},
            selected=SAME_LOOK,
            unselected=SAME_LOOK,
            customdata=(index * len(middles) + np.arange(len(middles)))[:, None].tolist(),
            line={"shape": "linear", "dash": DASHES[index % len(DASHES)], "color": PALETTE[index % len(PALETTE)]},
            hovertemplate="%{y:.1%} of errors near %{x:+.2f}<extra>" + name + "</extra>",
        )
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="Predicted minus actual (stars)")
    figure.update_yaxes(title="Share of ratings", tickformat=".0%")
    return with_layout(figure, 380, clickmode="event+select", dragmode=False)


def predicted_by_true(cells: pd.DataFrame, values: Sequence[float], chosen: int | None = None) -> go.Figure:
    """How often each actual rating was predicted as which, a square a cell.

    Args:
        cells: columns true, predicted (both on the scale), rows, share (of the ratings with this actual rating).
        values: the values of the scale.
        chosen: position of the cell that is open.
    """
    figure = go.Figure()
    names = [f"{v:g}" for v in values]
    low, high = -0.5, len(values) - 0.5
    figure.add_shape(
        type="line", x0=low, y0=low, x1=high, y1=high, line={"color": NEUTRAL, "width": 1, "dash": "dot"}, layer="below"
    )
    side = 300 / max(len(values), 5)
    x, y = cells["true"].map("{:g}".format), cells["predicted"].map("{:g}".format)
    rings = np.zeros(len(cells))
    if chosen is not None:
        rings[chosen] = 3
    figure.add_scatter(
        x=x,
        y=y,
        mode="markers+text",
        marker={
            "symbol": "square",
            "size": 8 + (side - 8) * np.sqrt(cells["share"]),
            "color": np.where(cells["true"] == cells["predicted"], ABOVE, BELOW),
            "opacity": 1,
            "line": {"width": rings, "color": ACCENT},
        },
        text=np.where(cells["share"] >= 0.12, cells["rows"].map("{:,}".format), ""),
        textfont={"color": "white"},
        selected=SAME_LOOK,
        unselected=SAME_LOOK,
        customdata=np.arange(len(cells))[:, None].tolist(),
        hovertext=[
            f"actual {t}, predicted {p}: {n:,} ratings, {s:.0%} of those with this actual rating"
            for t, p, n, s in zip(x, y, cells["rows"], cells["share"], strict=True)
        ],
        hovertemplate="%{hovertext}<extra></extra>",
        showlegend=False,
    )
    figure.update_xaxes(title="Actual rating", type="category", categoryorder="array", categoryarray=names)
    figure.update_yaxes(
        title="Predicted, rounded to the scale", type="category", categoryorder="array", categoryarray=names
    )
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(range=[low, high], showgrid=False, zeroline=False)
    return with_layout(figure, 380, clickmode="event+select", dragmode=False)


def reliability(curves: Mapping[str, pd.DataFrame], event: str) -> go.Figure:
    """Said against true frequency of an event, a line a predictor. Columns: said, true, rows.

    A click on a point gives back its number, line by line.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="Perfect",
        hoverinfo="skip",
        line={"color": NEUTRAL, "dash": "dot"},
    )
    before = 0
    for index, (name, rows) in enumerate(curves.items()):
        hover = "predicted %{x:.0%}, observed %{y:.0%} (%{customdata[1]:,} ratings)"
        numbered = [[before + at, count] for at, count in enumerate(rows["rows"].tolist())]
        look = {"selected": SAME_LOOK, "unselected": SAME_LOOK}
        add_line(figure, index, name, rows["said"], rows["true"], hover, customdata=numbered, **look)
        before += len(rows)
    figure.update_xaxes(title=f"Predicted probability of {event}", tickformat=".0%", range=[-0.02, 1.02])
    figure.update_yaxes(title="Observed frequency", tickformat=".0%", range=[-0.02, 1.02])
    return with_layout(figure, 360, clickmode="event+select", dragmode=False)


def histograms(columns: Mapping[str, ArrayLike], scale: Sequence[float]) -> go.Figure:
    """Shares of rounded values, a group of bars a column (the true ratings among them)."""
    figure = go.Figure()
    names = [f"{v:g}" for v in scale]
    for index, (name, values) in enumerate(columns.items()):
        nearest = np.abs(np.asarray(values, dtype=float)[:, None] - np.asarray(scale)).argmin(axis=1)
        shares = np.bincount(nearest, minlength=len(scale)) / max(len(nearest), 1)
        add_bars(figure, name, names, shares, PALETTE[index % len(PALETTE)], PATTERNS[index % len(PATTERNS)])
    return with_share_axes(figure, 340, "Rating (predictions rounded to the scale)", barmode="group")


def recommender_ranking(frame: pd.DataFrame) -> go.Figure:
    """Recommenders by what their choices gain with real and with simulated users, in stars.

    Columns: recommender, real, simulated.
    """
    figure = go.Figure()
    figure.add_scatter(
        x=frame["real"],
        y=frame["simulated"],
        mode="markers",
        text=frame["recommender"],
        marker={"color": ABOVE, "size": 9},
        hovertemplate="%{text}: %{x:.3f} real, %{y:.3f} simulated<extra></extra>",
    )
    figure.update_xaxes(title="Gain with all real users (stars)")
    figure.update_yaxes(title="Gain with the simulated users (stars)")
    return with_layout(figure, 340)

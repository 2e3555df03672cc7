"""Charts of the Accuracy page and its report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike

from lusifer.charts.figures import add_bars, add_line, error_bars, with_share_axes
from lusifer.charts.style import ABOVE, ACCENT, BELOW, DASHES, MARKERS, NEUTRAL, PALETTE, PATTERNS, with_layout


def leaderboard(frame: pd.DataFrame, metric: str, title: str) -> go.Figure:
    """One measure with its interval. Columns: predictor, METRIC, METRIC_low, METRIC_high, group."""
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
    figure.update_xaxes(title=title)
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=list(frame["predictor"]))
    return with_layout(figure, 34 * len(frame) + 110)


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


def error_distribution(errors: Mapping[str, ArrayLike], step: float = 0.5) -> go.Figure:
    """Predicted minus true, as shares in bins, a line a predictor."""
    figure = go.Figure()
    arrays = {name: np.asarray(e, dtype=float) for name, e in errors.items()}
    edge = max((float(np.max(np.abs(e))) for e in arrays.values() if len(e)), default=1.0)
    bins = np.arange(-np.ceil(edge / step), np.ceil(edge / step) + 1) * step
    middles = (bins[:-1] + bins[1:]) / 2
    for index, (name, values) in enumerate(arrays.items()):
        counts, _ = np.histogram(values, bins)
        figure.add_scatter(
            x=middles,
            y=counts / max(len(values), 1),
            mode="lines",
            name=name,
            line={"shape": "linear", "dash": DASHES[index % len(DASHES)], "color": PALETTE[index % len(PALETTE)]},
            hovertemplate="%{y:.1%} of errors near %{x:+.2f}<extra>" + name + "</extra>",
        )
    figure.add_vline(x=0, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="Predicted minus actual (stars)")
    figure.update_yaxes(title="Share of ratings", tickformat=".0%")
    return with_layout(figure, 340)


def predicted_by_true(frame: pd.DataFrame) -> go.Figure:
    """Boxes of predictions for each actual rating. Columns: true, predicted."""
    figure = go.Figure()
    levels = sorted(frame["true"].unique())
    for level in levels:
        rows = frame.loc[frame["true"] == level, "predicted"]
        figure.add_box(
            y=rows,
            name=f"{level:g}",
            marker={"color": ABOVE},
            boxpoints=False,
            showlegend=False,
        )
    figure.add_scatter(
        x=[f"{v:g}" for v in levels],
        y=levels,
        mode="markers",
        name="Perfect",
        marker={"symbol": "line-ew-open", "size": 34, "color": BELOW, "line": {"width": 3}},
    )
    figure.update_xaxes(title="Actual rating", type="category")
    figure.update_yaxes(title="Predicted")
    return with_layout(figure, 340)


def breakdown(frame: pd.DataFrame, title: str) -> go.Figure:
    """RMSE by group, a line a predictor. Columns: group, order, predictor, rmse, rows."""
    figure = go.Figure()
    groups = list(dict.fromkeys(frame.sort_values("order")["group"]))
    for index, (name, rows) in enumerate(frame.groupby("predictor", sort=False)):
        hover = "%{x}: RMSE %{y:.3f} (%{customdata:,} ratings)"
        add_line(figure, index, str(name), rows["group"], rows["rmse"], hover, customdata=rows["rows"])
    figure.update_xaxes(title=title, type="category", categoryorder="array", categoryarray=groups)
    figure.update_yaxes(title="RMSE")
    return with_layout(figure, 360)


def reliability(curves: Mapping[str, pd.DataFrame], event: str) -> go.Figure:
    """Said against true frequency of an event, a line a predictor. Columns: said, true, rows."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="Perfect",
        hoverinfo="skip",
        line={"color": NEUTRAL, "dash": "dot"},
    )
    for index, (name, rows) in enumerate(curves.items()):
        hover = "predicted %{x:.0%}, observed %{y:.0%} (%{customdata:,} ratings)"
        add_line(figure, index, name, rows["said"], rows["true"], hover, customdata=rows["rows"])
    figure.update_xaxes(title=f"Predicted probability of {event}", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="Observed frequency", tickformat=".0%", range=[0, 1])
    return with_layout(figure, 360)


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

"""Charts: a DataFrame in, a plotly Figure out. Pure, so that a notebook can use them too.

Colours that carry a meaning (above or below the mean, in the training or the test part) are fixed and
readable on light and dark; all others are left to the theme. Meaning never hangs on colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import ArrayLike

ABOVE, BELOW, QUIET, ACCENT = "#2a9a9c", "#d97a1d", "#8796a0", "#7d6bd0"
PALETTE = ("#2a9a9c", "#d97a1d", "#7d6bd0", "#c7486a", "#6c9a2f", "#4b8fd6", "#8796a0")
_MARGIN = {"l": 8, "r": 8, "t": 8, "b": 8}


def _layout(figure: go.Figure, height: int, **more: object) -> go.Figure:
    figure.update_layout(
        height=height,
        margin=_MARGIN,
        hovermode="closest",
        bargap=0.25,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "title": None},
        **more,
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure


def history(frame: pd.DataFrame, scale: tuple[float, float]) -> go.Figure:
    """Ratings over time. Columns: time (datetime), rating, title, part (a label a marker style)."""
    figure = go.Figure()
    styles = {
        "History read by the simulator": (ABOVE, "circle"),
        "Older": (QUIET, "circle"),
        "Held out": (BELOW, "diamond-open"),
    }
    for part, rows in frame.groupby("part", sort=False):
        colour, symbol = styles.get(str(part), (QUIET, "circle"))
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
    return _layout(figure, 260)


def distribution(frame: pd.DataFrame) -> go.Figure:
    """Shares of each rating. Columns: rating, this user, everybody (shares 0–1)."""
    figure = go.Figure()
    names = [f"{r:g}" for r in frame["rating"]]
    for column, colour, pattern in (("this user", ABOVE, ""), ("everybody", QUIET, "/")):
        figure.add_bar(
            x=names,
            y=frame[column],
            name=column.capitalize(),
            marker={"color": colour, "pattern": {"shape": pattern}},
            hovertemplate="Rating %{x}: %{y:.0%}<extra>" + column + "</extra>",
        )
    figure.update_xaxes(title="Rating", type="category")
    figure.update_yaxes(title="Share of ratings", tickformat=".0%")
    return _layout(figure, 260, barmode="group")


def tastes(frame: pd.DataFrame) -> go.Figure:
    """Genres against the user's own mean. Columns: genre, difference, count; drawn in that order."""
    colours = [ABOVE if d >= 0 else BELOW for d in frame["difference"]]
    figure = go.Figure(
        go.Bar(
            x=frame["difference"],
            y=frame["genre"],
            orientation="h",
            marker={"color": colours},
            customdata=frame["count"],
            hovertemplate="%{y}: %{x:+.2f} stars against the user's mean, %{customdata} ratings<extra></extra>",
        )
    )
    figure.update_xaxes(title="Stars above or below this user's mean", zeroline=True)
    figure.update_yaxes(autorange="reversed")
    return _layout(figure, max(220, 26 * len(frame) + 70))


def taste_steps(frame: pd.DataFrame) -> go.Figure:
    """Tastes over steps. Columns: step, genre, effect (shrunk difference from the user's mean)."""
    figure = go.Figure()
    symbols = ["circle", "square", "diamond", "cross", "x", "triangle-up", "star"]
    for at, (genre, rows) in enumerate(frame.groupby("genre", sort=False)):
        figure.add_scatter(
            x=rows["step"],
            y=rows["effect"],
            mode="lines+markers",
            name=str(genre),
            marker={"symbol": symbols[at % len(symbols)], "size": 9},
            line={"color": PALETTE[at % len(PALETTE)]},
            hovertemplate=f"{genre}: %{{y:+.2f}} stars after step %{{x}}<extra></extra>",
        )
    figure.add_hline(y=0, line={"color": QUIET, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="Step", dtick=1)
    figure.update_yaxes(title="Stars against the mean")
    return _layout(figure, 300)


def forecast_steps(frame: pd.DataFrame, step: int) -> go.Figure:
    """Forecast error over steps. Columns: step, rmse, usual (RMSE of the user's mean so far)."""
    figure = go.Figure()
    figure.add_scatter(
        x=frame["step"],
        y=frame["rmse"],
        mode="lines+markers",
        name="Forecast",
        line={"color": ABOVE},
        marker={"size": 9},
        hovertemplate="Step %{x}: RMSE %{y:.2f}<extra>forecast</extra>",
    )
    figure.add_scatter(
        x=frame["step"],
        y=frame["usual"],
        mode="lines+markers",
        name="The mean seen before",
        line={"color": QUIET, "dash": "dot"},
        marker={"size": 8, "symbol": "diamond-open"},
        hovertemplate="Step %{x}: RMSE %{y:.2f}<extra>mean seen before</extra>",
    )
    figure.add_vline(x=step, line={"color": ACCENT, "width": 1})
    figure.update_xaxes(title="Step", dtick=1)
    figure.update_yaxes(title="RMSE of the batch", rangemode="tozero")
    return _layout(figure, 300)


def expected_against_true(frame: pd.DataFrame, scale: tuple[float, float]) -> go.Figure:
    """One line a movie from expected to true. Columns: title, expected, true (NaN if unknown)."""
    figure = go.Figure()
    for row in frame.to_dict("records"):
        expected, true = float(row["expected"]), float(row["true"])
        if np.isfinite(true) and np.isfinite(expected):
            figure.add_scatter(
                x=[expected, true],
                y=[row["title"], row["title"]],
                mode="lines",
                line={"color": QUIET, "width": 2},
                showlegend=False,
                hoverinfo="skip",
            )
    for column, name, colour, symbol in (
        ("expected", "Expected", ABOVE, "circle"),
        ("true", "True rating", BELOW, "diamond"),
    ):
        figure.add_scatter(
            x=frame[column],
            y=frame["title"],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": 11},
            hovertemplate="%{y}: %{x:.2f}<extra>" + name.lower() + "</extra>",
        )
    low, high = scale
    figure.update_xaxes(title="Rating", range=[low - 0.2, high + 0.2], dtick=1)
    figure.update_yaxes(autorange="reversed")
    return _layout(figure, max(220, 30 * len(frame) + 90))


def leaderboard(frame: pd.DataFrame, metric: str, title: str) -> go.Figure:
    """One measure with its interval. Columns: predictor, METRIC, METRIC_low, METRIC_high, group."""
    figure = go.Figure()
    symbols = {
        "Simulator": "diamond",
        "Collaborative filtering": "circle",
        "Trivial": "circle-open",
    }
    colours = {"Simulator": BELOW, "Collaborative filtering": ABOVE, "Trivial": QUIET}
    for group, rows in frame.groupby("group", sort=False):
        value = rows[metric]
        figure.add_scatter(
            x=value,
            y=rows["predictor"],
            mode="markers",
            name=str(group),
            marker={"size": 12, "symbol": symbols.get(str(group), "circle"), "color": colours.get(str(group), QUIET)},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": rows[f"{metric}_high"] - value,
                "arrayminus": value - rows[f"{metric}_low"],
                "thickness": 1.5,
                "width": 5,
            },
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    figure.update_xaxes(title=title)
    figure.update_yaxes(autorange="reversed", categoryorder="array", categoryarray=list(frame["predictor"]))
    # No legend: shape and colour repeat the group, which the table names.
    return _layout(figure, 34 * len(frame) + 80, showlegend=False)


def error_distribution(errors: Mapping[str, ArrayLike], step: float = 0.5) -> go.Figure:
    """Predicted minus true, as shares in bins, a line a predictor."""
    figure = go.Figure()
    dashes = ["solid", "dash", "dot", "dashdot", "longdash"]
    arrays = {name: np.asarray(e, dtype=float) for name, e in errors.items()}
    edge = max((float(np.max(np.abs(e))) for e in arrays.values() if len(e)), default=1.0)
    bins = np.arange(-np.ceil(edge / step), np.ceil(edge / step) + 1) * step
    middles = (bins[:-1] + bins[1:]) / 2
    for at, (name, values) in enumerate(arrays.items()):
        counts, _ = np.histogram(values, bins)
        figure.add_scatter(
            x=middles,
            y=counts / max(len(values), 1),
            mode="lines",
            name=name,
            line={"shape": "linear", "dash": dashes[at % len(dashes)], "color": PALETTE[at % len(PALETTE)]},
            hovertemplate="%{y:.1%} of errors near %{x:+.2f}<extra>" + name + "</extra>",
        )
    figure.add_vline(x=0, line={"color": QUIET, "width": 1, "dash": "dot"})
    figure.update_xaxes(title="Predicted minus true (stars)")
    figure.update_yaxes(title="Share of ratings", tickformat=".0%")
    return _layout(figure, 340)


def predicted_by_true(frame: pd.DataFrame) -> go.Figure:
    """Boxes of predictions for each true rating. Columns: true, predicted."""
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
    figure.update_xaxes(title="True rating", type="category")
    figure.update_yaxes(title="Predicted")
    return _layout(figure, 340)


_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_MARKS = ("circle", "diamond", "square", "x", "triangle-up", "cross", "star")


def _series(at: int) -> dict[str, dict[str, object]]:
    """Colour, dash and marker of the n-th line: three ways to tell it from the others."""
    colour = PALETTE[at % len(PALETTE)]
    return {
        "line": {"color": colour, "dash": _DASHES[at % len(_DASHES)], "width": 2},
        "marker": {"color": colour, "symbol": _MARKS[at % len(_MARKS)], "size": 8},
    }


def breakdown(frame: pd.DataFrame, title: str) -> go.Figure:
    """RMSE by group, a line a predictor. Columns: group, order, predictor, rmse, rows."""
    figure = go.Figure()
    groups = list(dict.fromkeys(frame.sort_values("order")["group"]))
    for at, (name, rows) in enumerate(frame.groupby("predictor", sort=False)):
        figure.add_scatter(
            x=rows["group"],
            y=rows["rmse"],
            name=str(name),
            mode="lines+markers",
            customdata=rows["rows"],
            **_series(at),
            hovertemplate="%{x}: RMSE %{y:.3f} (%{customdata:,} ratings)<extra>" + str(name) + "</extra>",
        )
    figure.update_xaxes(title=title, type="category", categoryorder="array", categoryarray=groups)
    figure.update_yaxes(title="RMSE")
    return _layout(figure, 360)


def reliability(curves: Mapping[str, pd.DataFrame], event: str) -> go.Figure:
    """Said against true frequency of an event, a line a predictor. Columns: said, true, rows."""
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        name="Perfect",
        hoverinfo="skip",
        line={"color": QUIET, "dash": "dot"},
    )
    for at, (name, rows) in enumerate(curves.items()):
        figure.add_scatter(
            x=rows["said"],
            y=rows["true"],
            name=name,
            mode="lines+markers",
            customdata=rows["rows"],
            **_series(at),
            hovertemplate="said %{x:.0%}, true %{y:.0%} (%{customdata:,} ratings)<extra>" + name + "</extra>",
        )
    figure.update_xaxes(title=f"Said probability of {event}", tickformat=".0%", range=[0, 1])
    figure.update_yaxes(title="How often it was so", tickformat=".0%", range=[0, 1])
    return _layout(figure, 360)


def waterfall(parts: Mapping[str, float], total: str) -> go.Figure:
    """What a number is made of, part by part, up to the total."""
    names, values = list(parts), list(parts.values())
    figure = go.Figure(
        go.Waterfall(
            x=[*names, total],
            y=[*values, 0],
            measure=["relative"] * len(names) + ["total"],
            text=[f"{v:+.2f}" if at else f"{v:.2f}" for at, v in enumerate(values)] + [f"{sum(values):.2f}"],
            textposition="outside",
            connector={"line": {"color": QUIET, "width": 1}},
            increasing={"marker": {"color": ABOVE}},
            decreasing={"marker": {"color": BELOW}},
            totals={"marker": {"color": ACCENT}},
            hovertemplate="%{x}: %{y:+.3f}<extra></extra>",
        )
    )
    running = np.cumsum(values)
    low, high = float(running.min()), float(running.max())
    margin = max(high - low, 0.2) * 0.35
    figure.update_yaxes(title="Stars", range=[low - margin, high + margin])
    return _layout(figure, 340, showlegend=False)


def histograms(columns: Mapping[str, ArrayLike], scale: Sequence[float]) -> go.Figure:
    """Shares of rounded values, a group of bars a column (the true ratings among them)."""
    figure = go.Figure()
    names = [f"{v:g}" for v in scale]
    patterns = ("", "/", "x", ".", "-", "+")
    for at, (name, values) in enumerate(columns.items()):
        nearest = np.abs(np.asarray(values, dtype=float)[:, None] - np.asarray(scale)).argmin(axis=1)
        shares = np.bincount(nearest, minlength=len(scale)) / max(len(nearest), 1)
        figure.add_bar(
            x=names,
            y=shares,
            name=name,
            marker={"color": PALETTE[at % len(PALETTE)], "pattern": {"shape": patterns[at % len(patterns)]}},
            hovertemplate="%{x}: %{y:.0%}<extra>" + name + "</extra>",
        )
    figure.update_xaxes(title="Rating (predictions rounded to the scale)", type="category")
    figure.update_yaxes(title="Share of ratings", tickformat=".0%")
    return _layout(figure, 340, barmode="group")


def quality_against_cost(frame: pd.DataFrame, cost: str) -> go.Figure:
    """RMSE against cost. Columns: name, rmse, cost, front (whether nothing beats it in both)."""
    figure = go.Figure()
    ordered = frame.sort_values("cost")
    best = ordered[ordered["front"]]
    figure.add_scatter(
        x=best["cost"],
        y=best["rmse"],
        mode="lines",
        line={"color": ABOVE, "dash": "dot"},
        showlegend=False,
        hoverinfo="skip",
    )
    for front, name, colour, symbol in (
        (True, "Best front", ABOVE, "diamond"),
        (False, "Beaten in both", QUIET, "circle-open"),
    ):
        rows = ordered[ordered["front"] == front]
        figure.add_scatter(
            x=rows["cost"],
            y=rows["rmse"],
            mode="markers+text",
            name=name,
            text=rows["name"],
            textposition="top center",
            marker={"color": colour, "symbol": symbol, "size": 12},
            hovertemplate="%{text}<br>RMSE %{y:.3f}<br>%{x}<extra></extra>",
        )
    figure.update_xaxes(title=cost, rangemode="tozero")
    figure.update_yaxes(title="RMSE")
    return _layout(figure, 360)


def moved(frame: pd.DataFrame, scale: tuple[float, float]) -> go.Figure:
    """One line a movie from its rating before to the one after. Columns: title, before, after."""
    figure = go.Figure()
    for row in frame.to_dict("records"):
        figure.add_scatter(
            x=[row["before"], row["after"]],
            y=[row["title"], row["title"]],
            mode="lines",
            line={"color": QUIET, "width": 2},
            showlegend=False,
            hoverinfo="skip",
        )
    for column, name, colour, symbol in (
        ("before", "Before", QUIET, "circle-open"),
        ("after", "After", ABOVE, "circle"),
    ):
        figure.add_scatter(
            x=frame[column],
            y=frame["title"],
            mode="markers",
            name=name,
            marker={"color": colour, "symbol": symbol, "size": 11},
            hovertemplate="%{y}: %{x:.2f}<extra>" + name.lower() + "</extra>",
        )
    low, high = scale
    figure.update_xaxes(title="Expected rating", range=[low - 0.2, high + 0.2], dtick=1)
    figure.update_yaxes(autorange="reversed")
    return _layout(figure, max(220, 30 * len(frame) + 90))


def learning_curves(frame: pd.DataFrame, reward: str) -> go.Figure:
    """Mean reward over a run. Columns: agent (as shown), step, reward, low, high (95 % interval)."""
    figure = go.Figure()
    for at, (agent, rows) in enumerate(frame.groupby("agent", sort=False)):
        look = _series(at)
        colour = PALETTE[at % len(PALETTE)]
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
            **look,
        )
    figure.update_xaxes(title="Interactions")
    figure.update_yaxes(title=f"Reward ({reward})")
    return _layout(figure, 380)


def shares(frame: pd.DataFrame) -> go.Figure:
    """Shares of each rating (index), a line a column; the first column, the truth, as bars."""
    figure = go.Figure()
    first, *others = frame.columns
    figure.add_bar(
        x=frame.index,
        y=frame[first],
        name=first,
        marker={"color": QUIET, "pattern": {"shape": "/"}},
        hovertemplate="%{x}: %{y:.0%}<extra>" + str(first) + "</extra>",
    )
    for at, name in enumerate(others):
        figure.add_scatter(
            x=frame.index,
            y=frame[name],
            name=name,
            mode="lines+markers",
            hovertemplate="%{x}: %{y:.0%}<extra>" + str(name) + "</extra>",
            **_series(at),
        )
    figure.update_xaxes(title="Rating", type="category")
    figure.update_yaxes(title="Share of ratings", tickformat=".0%", rangemode="tozero")
    return _layout(figure, 380)


MANY = 6
"""Series from which a legend stands beside its chart."""
BANDS = 4
"""Lines up to which intervals are drawn as bands; of more, they are read by pointing."""


def panel(frame: pd.DataFrame, kind: str, x: str, y: str) -> go.Figure:
    """One chart of an experiment. Columns: series, x (numbers for ``line``, names for ``points`` and, joined by lines, ``steps``), value, low,
    high (95 % interval; NaN for none)."""
    figure = go.Figure()
    grouped = list(frame.groupby("series", sort=False))
    for at, (name, rows) in enumerate(grouped):
        look = _series(at)
        told = rows["low"].notna() & rows["high"].notna()
        hover = "%{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})" if told.all() else "%{y:.3f}"
        shared = {
            "x": rows["x"],
            "y": rows["value"],
            "name": str(name),
            "legendgroup": str(name),
            "customdata": rows[["low", "high"]],
            "hovertemplate": f"%{{x}}: {hover}<extra>{name}</extra>",
        }
        if kind in {"line", "steps"}:
            if kind == "line":
                rows = rows.sort_values("x")
                shared |= {"x": rows["x"], "y": rows["value"], "customdata": rows[["low", "high"]]}
            if told.all() and len(grouped) <= BANDS:
                figure.add_scatter(
                    x=[*rows["x"], *rows["x"][::-1]],
                    y=[*rows["high"], *rows["low"][::-1]],
                    fill="toself",
                    mode="lines",
                    fillcolor=PALETTE[at % len(PALETTE)],
                    opacity=0.15,
                    line={"width": 0},
                    showlegend=False,
                    hoverinfo="skip",
                    legendgroup=str(name),
                )
            figure.add_scatter(mode="lines+markers", **shared, **look)
            continue
        figure.add_scatter(
            mode="markers",
            **shared,
            marker={**look["marker"], "size": 10},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": rows["high"] - rows["value"],
                "arrayminus": rows["value"] - rows["low"],
                "thickness": 1.5,
            },
        )
    figure.update_xaxes(title=x or None, type=None if kind == "line" else "category")
    if kind == "line" and frame["x"].astype(float).abs().max() <= BANDS * 2:
        figure.update_xaxes(dtick=1)
    figure.update_yaxes(title=y)
    if kind == "points" and len(grouped) > 1:
        figure.update_layout(scattermode="group", scattergap=0.6)
    figure = _layout(figure, 460 if len(grouped) > MANY else 340)
    if len(grouped) > MANY:
        figure.update_layout(legend={"orientation": "v", "x": 1.02, "xanchor": "left", "y": 1, "yanchor": "top"})
    return figure.update_layout(showlegend=len(grouped) > 1)


def agreement(frame: pd.DataFrame, column: str, title: str) -> go.Figure:
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
            "color": QUIET,
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
    return _layout(figure, 340)

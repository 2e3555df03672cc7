"""Where the errors of a comparison are: by size, group, probability, item and predictor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from lusifer.charts import accuracy_charts
from lusifer.evaluation import rmse_difference
from lusifer.evaluation.comparison_metrics import chance_bins
from lusifer.evaluation.error_slices import count_cells, round_predictions
from lusifer.store import Store
from lusifer.ui import page_registry
from lusifer.ui.components import predictor_titles
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.pages.accuracy import accuracy_figures, rating_rows
from lusifer.ui.pages.experiments import experiment_view
from lusifer.ui.state import PageContext


def _pick_predictor(label: str, names: Sequence[str], key: str, index: int = 0) -> str:
    return st.selectbox(label, names, index=index, key=key, format_func=predictor_titles.title)


def show_distribution(
    ctx: PageContext, run: Mapping[str, Any], rows: pd.DataFrame, names: Sequence[str], first: Sequence[str]
) -> None:
    """How far off, how often; predicted against true; the ratings behind a point of them; how predictions spread."""
    selected = accuracy_figures.pick_shown(names, first, "lines")
    charts, note = st.grid(2, min_column_width=420, gap="medium"), st.container()  # filled when the choice is known
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = rating_rows.pick_predictor(names)
        cells, bins = _slice_by_cell(ctx, rows, which), _slice_by_error(rows, which)
        chosen = rating_rows.pick_slice({key: text for key, (text, _) in (cells | bins).items()}, "Ratings behind")
    with charts.container():
        st.subheader("Error distribution", icon=":material/ssid_chart:")
        edges = accuracy_charts.error_bins({n: rows[n] - rows["rating"] for n in selected})
        points = [{"predictor": n, "slice": f"error:{low:g}"} for n in selected for low in edges[:-1]]
        st.plotly_chart(
            accuracy_figures.draw_errors(rows, selected),
            key="error-lines",
            on_select=partial(rating_rows.take_point, "error-lines", points),
            selection_mode="points",
            config={"displayModeBar": False},
            alt="Distribution of the errors of each predictor",
        )
    with charts.container():
        st.subheader("Predicted vs. actual", icon=":material/grid_on:")
        keys = list(cells)
        st.plotly_chart(
            accuracy_charts.predicted_by_true(
                count_cells(rows, which, ctx.dataset.scale),
                ctx.dataset.scale.values.tolist(),
                keys.index(chosen) if chosen in cells else None,
            ),
            key="true-cells",
            on_select=partial(rating_rows.take_point, "true-cells", [{"slice": key} for key in keys]),
            selection_mode="points",
            config={"displayModeBar": False},
            alt=f"How often {predictor_titles.title(which)} predicts which rating for each actual one; the list below "
            "holds the same cells",
        )
    note.caption(
        f"Squares ({escape_markdown(predictor_titles.title(which))}): the larger, the more of the ratings with this "
        "actual rating; on the line, the prediction rounds to it. Click a point or a square for the ratings behind it."
    )
    if chosen:
        inside = (cells | bins)[chosen][1]
        rating_rows.show_ratings(ctx, run, rows[inside], which, key=f"behind-{which}-{chosen}")
    st.subheader("Rating distribution", icon=":material/bar_chart:")
    st.plotly_chart(
        accuracy_figures.draw_ratings(rows, selected, ctx.dataset.scale),
        alt="Shares of each rating, actual and predicted",
    )


Slices = dict[str, tuple[str, NDArray[np.bool_]]]
"""By slice: how it is listed, and which rows are in it."""


def _slice_by_cell(ctx: PageContext, rows: pd.DataFrame, name: str) -> Slices:
    """Actual by predicted rating, in the order of `count_cells`."""
    true, predicted = rows["rating"].to_numpy(float), round_predictions(rows[name], ctx.dataset.scale)
    return {
        f"cell:{t:g}:{p:g}": (f"Actual {t:g}, predicted {p:g} ({n:,} ratings)", (true == t) & (predicted == p))
        for t, p, n, _ in count_cells(rows, name, ctx.dataset.scale).itertuples(index=False)
    }


def _slice_by_error(rows: pd.DataFrame, name: str) -> Slices:
    """Bins of errors, as the chart of their distribution has them."""
    errors = (rows[name] - rows["rating"]).to_numpy(float)
    edges = accuracy_charts.error_bins({name: errors})
    at = np.searchsorted(edges, errors, side="right") - 1
    return {
        f"error:{low:g}": (f"Error {low:+g} to {low + edges[1] - edges[0]:+g} ({n:,} ratings)", at == number)
        for number, low in enumerate(edges[:-1])
        if (n := int((at == number).sum()))
    }


def show_calibration(ctx: PageContext, run: Mapping[str, Any], rows: pd.DataFrame) -> None:
    """Said against true frequency of a high rating, and the ratings behind a point."""
    calibration = accuracy_figures.draw_calibration(rows, ctx.dataset.scale)
    if calibration is None:
        st.caption("This run has no calibrated simulator: choose Simulator among the predictors.")
        return
    figure, curves = calibration
    points = [{"predictor": n, "slice": f"chance:{b}"} for n, curve in curves.items() for b in curve["bin"]]
    st.plotly_chart(
        figure,
        key="calibration",
        on_select=partial(rating_rows.take_point, "calibration", points),
        selection_mode="points",
        config={"displayModeBar": False},
        alt="Predicted probability of a high rating vs. observed frequency",
    )
    listed = "; ".join(f"{predictor_titles.title(n)}: {curve.attrs['error']:.3f}" for n, curve in curves.items())
    st.caption(
        f"Calibration error (mean distance from the diagonal, weighted): {listed}. Click a point for the ratings "
        "behind it."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = rating_rows.pick_predictor(list(curves))
        at = chance_bins(rows[f"{which}:high"])
        options = {
            f"chance:{b}": f"Predicted probability {said:.0%} ({n:,} ratings)"
            for b, said, n in curves[which][["bin", "said", "rows"]].itertuples(index=False)
        }
        chosen = rating_rows.pick_slice(options, "Ratings behind")
    if chosen:
        inside = rows[at == int(chosen.removeprefix("chance:"))]
        rating_rows.show_ratings(ctx, run, inside, which, key=f"chance-{which}-{chosen}")


def show_largest_errors(ctx: PageContext, run: Mapping[str, Any], rows: pd.DataFrame, names: Sequence[str]) -> None:
    """The largest errors of a predictor with their reasons, each with the way to the person and the movie."""
    which = rating_rows.pick_predictor(names)
    rating_rows.show_ratings(ctx, run, rows, which, key=f"misses-{which}")


def show_pair(rows: pd.DataFrame, names: Sequence[str], seed: int) -> None:
    """Two predictors on the same rows: who is nearer, how often, and by how much."""
    if len(names) < 2:
        st.caption("A pairwise comparison needs two predictors. Choose more above and compare again.")
        return
    with st.container(horizontal=True):
        first = _pick_predictor("First", names, "pair-a")
        second = _pick_predictor("Second", names, "pair-b", 1)
    if first == second:
        st.caption("Choose two different predictors.")
        return
    true = rows["rating"].to_numpy(float)
    a, b = rows[first].to_numpy(float), rows[second].to_numpy(float)
    d = rmse_difference(rows["user_id"].to_numpy(), a, b, true, seed=seed)
    nearer = np.abs(a - true) - np.abs(b - true)
    with st.grid(4, min_column_width=170):
        st.metric(
            "Difference in RMSE",
            f"{d.value:+z.4f}",
            help="First minus second, paired; negative values favor the first.",
        )
        st.metric("95 % interval", f"{d.low:+z.4f} to {d.high:+z.4f}" if math.isfinite(d.low) else "–")
        st.metric("First is closer", f"{(nearer < -1e-9).mean():.0%}")
        st.metric("Second is closer", f"{(nearer > 1e-9).mean():.0%}")
    if not math.isfinite(d.low):
        st.caption("One user gives no confidence interval.")
    elif d.low <= 0 <= d.high:
        st.caption("No significant difference (the 95 % interval includes 0).")
    st.plotly_chart(
        accuracy_figures.draw_errors(rows, (first, second)),
        alt="Error distributions of the two predictors",
        key="pair-chart",
    )


def show_cold_start(ctx: PageContext, store: Store | None) -> None:
    """The newest cold-start experiment on this split, in brief; the Experiments page runs it and has the rest."""
    st.subheader("Cold start", icon=":material/ac_unit:")
    st.caption(
        "Accuracy of each predictor when the 0, 1, 2, 3, 5, 10 or 20 newest ratings of a user are known, always on the "
        "same test ratings."
    )
    runs = experiment_view.finished_experiments(ctx, store, "cold")
    if runs:
        experiment_view.show_brief(runs[0])
    else:
        st.info(
            "Cold start has not been measured on this split yet. Run the Cold start experiment; with "
            "the built-in model it takes about a minute and a half and costs nothing.",
            icon=":material/ac_unit:",
        )
    page_registry.show_page_link(
        "experiments",
        "Open it on Experiments" if runs else "Go to the experiment",
        experiment="cold",
        experiment_run=runs[0]["id"] if runs else "",
    )

"""Where the errors of a comparison are: by size, group, probability, item and predictor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lusifer.charts import accuracy_charts
from lusifer.evaluation import rmse_difference
from lusifer.evaluation.error_slices import count_cells, round_predictions
from lusifer.store import Store
from lusifer.ui import page_registry, page_state
from lusifer.ui.components import predictor_titles
from lusifer.ui.pages.accuracy import accuracy_figures, rating_rows
from lusifer.ui.pages.experiments import experiment_view
from lusifer.ui.state import PageContext


def _pick_predictor(label: str, names: Sequence[str], key: str, index: int = 0) -> str:
    return st.selectbox(label, names, index=index, key=key, format_func=predictor_titles.title)


def show_distribution(
    ctx: PageContext, run: Mapping[str, Any], rows: pd.DataFrame, names: Sequence[str], first: Sequence[str]
) -> None:
    """How far off, how often; predicted against true with the ratings behind; how the predictions are spread."""
    selected = accuracy_figures.pick_shown(names, first, "lines")
    with st.grid(2, min_column_width=420, gap="medium"):
        with st.container():
            st.subheader("Error distribution", icon=":material/ssid_chart:")
            st.plotly_chart(
                accuracy_figures.draw_errors(rows, selected), alt="Distribution of the errors of each predictor"
            )
        with st.container():
            st.subheader("Predicted vs. actual", icon=":material/grid_on:")
            which, behind = _show_cells(ctx, rows, names)
    if behind is not None:
        rating_rows.show_ratings(ctx, run, behind, which, key=f"cells-{which}-{page_state.current().slice}")
    st.subheader("Rating distribution", icon=":material/bar_chart:")
    st.plotly_chart(
        accuracy_figures.draw_ratings(rows, selected, ctx.dataset.scale),
        alt="Shares of each rating, actual and predicted",
    )


def _show_cells(ctx: PageContext, rows: pd.DataFrame, names: Sequence[str]) -> tuple[str, pd.DataFrame | None]:
    """Predicted against actual ratings by cell; the predictor, and the ratings of the cell that is open."""
    scale = ctx.dataset.scale
    place, fields = st.container(), st.container(horizontal=True, vertical_alignment="bottom")
    with fields:
        which = rating_rows.pick_predictor(names)
        cells = count_cells(rows, which, scale)
        keys = [f"cell:{t:g}:{p:g}" for t, p in zip(cells["true"], cells["predicted"], strict=True)]
        options = {
            key: f"actual {t:g}, predicted {p:g} ({n:,} ratings)"
            for key, t, p, n in zip(keys, cells["true"], cells["predicted"], cells["rows"], strict=True)
        }
        chosen = rating_rows.pick_slice(options, "Ratings with")
    at = keys.index(chosen) if chosen else None
    with place:
        st.plotly_chart(
            accuracy_charts.predicted_by_true(cells, scale.values.tolist(), at),
            key="true-cells",
            on_select=partial(rating_rows.take_point, "true-cells", [{"slice": key} for key in keys]),
            selection_mode="points",
            config={"displayModeBar": False},
            alt=f"How often {predictor_titles.title(which)} predicts which rating for each actual one; the list below "
            "holds the same cells",
        )
        st.caption(
            "The larger a square, the more of the ratings with this actual rating; on the line, the prediction rounds "
            "to the actual rating. Click one for the ratings behind it."
        )
    if at is None:
        return which, None
    inside = (rows["rating"] == cells["true"][at]) & (round_predictions(rows[which], scale) == cells["predicted"][at])
    return which, rows[inside]


def show_calibration(ctx: PageContext, rows: pd.DataFrame) -> None:
    """Said against true frequency of a high rating."""
    calibration = accuracy_figures.draw_calibration(rows, ctx.dataset.scale)
    if calibration is None:
        st.caption("This run has no calibrated simulator: choose Simulator among the predictors.")
        return
    figure, errors = calibration
    st.plotly_chart(figure, alt="Predicted probability of a high rating vs. observed frequency")
    listed = "; ".join(f"{title}: {error:.3f}" for title, error in errors.items())
    st.caption(f"Calibration error (mean distance from the diagonal, weighted): {listed}.")


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
            "Difference in RMSE", f"{d.value:+.4f}", help="First minus second, paired; negative values favor the first."
        )
        st.metric("95 % interval", f"{d.low:+.4f} to {d.high:+.4f}" if math.isfinite(d.low) else "–")
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

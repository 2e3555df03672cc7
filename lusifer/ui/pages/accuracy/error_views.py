"""Where the errors of a comparison are: by size, group, probability, item and predictor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st

from lusifer.charts import accuracy_charts
from lusifer.evaluation import rmse_difference
from lusifer.evaluation.comparison_metrics import GROUPINGS
from lusifer.store import Store
from lusifer.ui import page_registry
from lusifer.ui.components import predictor_titles
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.accuracy import accuracy_figures
from lusifer.ui.pages.experiments import experiment_view
from lusifer.ui.state import PageContext

MAX_LARGEST_ERRORS = 15


def _pick_shown(names: Sequence[str], count: int, key: str) -> Sequence[str]:
    """Which predictors a chart shows: the first ones unless a person says otherwise."""
    selected = st.pills(
        "Shown",
        names,
        default=names[:count],
        wrap=True,
        selection_mode="multi",
        key=key,
        format_func=predictor_titles.title,
    )
    return selected or list(names[:1])


def _pick_predictor(label: str, names: Sequence[str], key: str, index: int = 0) -> str:
    return st.selectbox(label, names, index=index, key=key, format_func=predictor_titles.title)


def show_distribution(ctx: PageContext, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """How far off, how often; predicted against true; how the predictions are spread."""
    selected = _pick_shown(names, 3, "lines")
    with st.grid(2, min_column_width=420, gap="medium"):
        with st.container():
            st.subheader("Error distribution", icon=":material/ssid_chart:")
            st.plotly_chart(
                accuracy_figures.draw_errors(rows, selected), alt="Distribution of the errors of each predictor"
            )
        with st.container():
            st.subheader("Predicted vs. actual", icon=":material/candlestick_chart:")
            which = _pick_predictor("Predictor", names, "box_for")
            st.plotly_chart(
                accuracy_charts.predicted_by_true(rows.rename(columns={"rating": "true", which: "predicted"})),
                alt=f"Predictions of {predictor_titles.title(which)} for each actual rating",
            )
    st.subheader("Rating distribution", icon=":material/bar_chart:")
    st.plotly_chart(
        accuracy_figures.draw_ratings(rows, selected, ctx.dataset.scale),
        alt="Shares of each rating, actual and predicted",
    )


def show_groups(ctx: PageContext, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """RMSE by activity, popularity, genre, age, position, true rating."""
    grouping = st.selectbox(
        "By", list(GROUPINGS), format_func=accuracy_figures.grouping_title, key="group-by", width=320
    )
    figure = accuracy_figures.draw_groups(rows, _pick_shown(names, 4, "group-lines"), grouping, ctx.dataset)
    if figure is None:
        st.caption("Every group has fewer than 20 ratings; use a larger sample.")
        return
    st.plotly_chart(figure, alt=f"RMSE by {accuracy_figures.grouping_title(grouping)}")
    st.caption(with_item_noun("Groups with fewer than 20 ratings are omitted. A movie counts in each of its genres."))


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


def show_largest_errors(ctx: PageContext, rows: pd.DataFrame, names: Sequence[str]) -> None:
    """The largest errors with their reasons, each opening the user's evolution."""
    which = _pick_predictor("Predictor", names, "misses_for")
    errors = rows.assign(off=rows[which] - rows["rating"])
    worst = errors.sort_values("off", key=np.abs, ascending=False, kind="stable")
    for row in worst.head(MAX_LARGEST_ERRORS).to_dict("records"):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            title = escape_markdown(ctx.dataset.item(int(row["item_id"])).title)
            reason = escape_markdown(str(row["reason"])) if which in predictor_titles.SIMULATORS else ""
            st.markdown(
                f"**{title}**: predicted {row[which]:.2f}, rated **{row['rating']:g}** ({row['off']:+.2f})  \n"
                f":small[{reason}]"
            )
            user = ctx.dataset.user_label(int(row["user_id"]))
            page_registry.show_page_link("evolution", f"User {user}", user=user)


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

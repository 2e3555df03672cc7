"""The leaderboard of a comparison: its filter, its table, its charts, and what the model adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lusifer.charts import accuracy_charts
from lusifer.evaluation import SIMULATOR
from lusifer.simulator import BUILTIN, label
from lusifer.ui import session_keys
from lusifer.ui.components import data_tables, predictor_titles, user_sample
from lusifer.ui.formatting import escape_markdown, format_spent, with_item_noun
from lusifer.ui.pages.accuracy import accuracy_tables, pins
from lusifer.ui.state import PageContext

SPANS = {"activity": "User's training ratings", "popularity": "Movie's training ratings"}
"""Columns that are filtered by a span, and how they are called."""


def read_filter(rows: pd.DataFrame) -> accuracy_tables.RowFilter:
    """What the fields of the filter say, which stand below the charts.

    Args:
        rows: of the run that is shown, whose bounds the fields have.
    """
    spans = {}
    for column in SPANS:
        whole = int(rows[column].min()), int(rows[column].max())
        low, high = st.session_state.get(session_keys.comparison_filter(column), whole)
        if (low, high) != whole:
            spans[column] = max(low, whole[0]), min(high, whole[1])
    genres = st.session_state.get(session_keys.comparison_filter("genres")) or []
    true = st.session_state.get(session_keys.comparison_filter("true")) or []
    return accuracy_tables.RowFilter(spans, sorted(genres), sorted(true))


def show_filters(ctx: PageContext, rows: pd.DataFrame, passing: int) -> None:
    """The fields of the filters; ``passing`` ratings pass them."""
    with st.popover("Filter", icon=":material/filter_alt:", help="Applies to every chart and table of this page."):
        for column, title in SPANS.items():
            low, high = int(rows[column].min()), int(rows[column].max())
            if low < high:
                st.slider(with_item_noun(title), low, high, (low, high), key=session_keys.comparison_filter(column))
        st.multiselect("Genres (any of them)", ctx.dataset.genres, key=session_keys.comparison_filter("genres"))
        levels = sorted(rows["rating"].unique().tolist())
        st.pills(
            "Actual rating",
            levels,
            selection_mode="multi",
            key=session_keys.comparison_filter("true"),
            format_func=lambda v: f"{v:g}",
        )
    if passing < len(rows):
        st.caption(
            f":material/filter_alt: {passing:,} of {len(rows):,} ratings match the filter. The sentence and the "
            "columns Faithful, Answered and Seconds are for the whole run."
        )


def show_caption(run: dict[str, Any], count: int) -> None:
    """What the leaderboard is measured on; ``count`` ratings pass the filter."""
    missing = run["summary"]["asked"] - run["summary"]["rows"]
    group = run["params"].get("among", "all")
    whom = "users" if group == "all" else user_sample.USER_GROUPS.get(group, "Users").lower()
    st.caption(
        f"{count:,} of {run['summary']['rows']:,} ratings of {run['params']['users']} {whom} of "
        + escape_markdown(run["split"])
        + (f"; {missing:,} more are excluded because a predictor has no prediction for them" if missing else "")
        + f". Intervals: 95 %, bootstrap over users. Run {run['id']}, seed {run['seed']}, "
        f"model {escape_markdown(label(run['model']))}, version {escape_markdown(str(run['model_version']))}."
    )


def show_leaderboard(frame: pd.DataFrame, summary: dict[str, Any]) -> None:
    """Every predictor a row, RMSE first."""
    table = accuracy_tables.metric_columns(frame)
    usage = summary.get("usage") or {}
    if usage.get("made") or usage.get("cached"):
        is_simulator = frame["name"].isin(predictor_titles.SIMULATORS)
        table["Tokens"] = np.where(is_simulator, usage["tokens"], np.nan)
        table["Price"] = np.where(is_simulator, format_spent(usage), "")
    number = st.column_config.NumberColumn
    data_tables.show_table(
        table,
        alt="Errors of all predictors with intervals",
        height="content",
        column_config={
            "predictor": data_tables.title_column("Predictor", table["predictor"]),
            "group": st.column_config.TextColumn("Group"),
            "RMSE": number(format="%.3f", width=62),
            "RMSE, 95 %": st.column_config.TextColumn(width=115),
            "vs. bias": number(format="%+.3f", width=80, help="RMSE minus that of the user and item bias, paired."),
            "vs. best CF": number(
                format="%+.3f",
                width=90,
                help="RMSE minus that of the collaborative filtering with the lowest RMSE here, paired.",
            ),
            "MAE": number(format="%.3f", width=70),
            "Pearson": number(format="%.3f", width=70),
            "R²": number(format="%.3f", width="small"),
            "Spearman": number(format="%.3f", width="small", help="Rank correlation."),
            "Within user": number(
                format="%.3f",
                width="small",
                help=with_item_noun("Mean of the per-user correlations: does it rank a user's movies correctly?"),
            ),
            "Exact": number(
                format="percent", width="small", help="Share of predictions that are correct when rounded to the scale."
            ),
            "Off by one": number(
                format="percent", width="small", help="Share of predictions at most one step off when rounded."
            ),
            "RMSE rounded": number(
                format="%.3f",
                width="small",
                help="RMSE of predictions rounded to the scale, as in the published baselines.",
            ),
            "Faithful": number(
                format="percent",
                width="small",
                help="Share of the profile's checkable statements that are supported by the ratings.",
            ),
            "Answered": number(format="percent", width="small"),
            "Seconds": number(format="%.2f", width="small"),
            "Tokens": number(format="localized", width="small", help="Of this run, all simulator rows together."),
        },
    )
    checked = (summary.get("audit") or {}).get(SIMULATOR)
    if checked and checked["faithfulness"] is not None:
        parts = [
            f"Audit of the model alone: {checked['borne_out']:,} statements supported, "
            f"{checked['not_borne_out']:,} not supported, {checked['untold']:,} not checkable"
        ]
        if checked["stability"] is not None:
            parts.append(
                f"{checked['stability']:.0%} of the statements outside the stated changes stayed word for word"
            )
        if checked["repetition"] is not None:
            parts.append(f"{checked['repetition']:.0%} of later steps repeat an earlier explanation or statement.")
        st.caption("; ".join(parts))


def show_error_charts(frame: pd.DataFrame, collaborative: str, pinned: pd.DataFrame) -> None:
    """RMSE of all predictors, ranked, and beside it their differences to the two references.

    Args:
        frame: the leaderboard.
        collaborative: the best collaborative filtering in it, if any.
        pinned: pinned runs as `lusifer.ui.pages.accuracy.pins.reference_rows` gives them.
    """
    small = frame.assign(predictor=[predictor_titles.short_title(n) for n in frame["name"]])
    columns = {"bias": "user + item bias"}
    if collaborative:
        columns["collaborative"] = predictor_titles.within_sentence(predictor_titles.short_title(collaborative))
    shown = {column: name for column, name in columns.items() if column in small and small[column].notna().any()}
    with st.grid(2 if shown else 1, min_column_width=340, gap="medium"):
        with st.container():
            st.plotly_chart(
                accuracy_charts.leaderboard(small, "rmse", "RMSE in stars (lower is better)", pinned),
                key="chart-rmse",
                alt="RMSE of all predictors with 95 percent intervals, the lowest first"
                + (", then pinned runs" if len(pinned) else ""),
            )
            if len(pinned):
                st.caption(
                    f"{pins.MARK} A pinned run: its best-informed simulator (else its lowest RMSE) on its own ratings "
                    "that match the filter. *Run against run* compares two runs on the ratings that both have."
                )
        if shown:
            st.plotly_chart(
                accuracy_charts.differences(small, shown),
                key="chart-differences",
                alt="Difference in RMSE of each predictor to the references, with paired 95 percent intervals",
            )


def show_partial(parts: Mapping[str, Mapping[str, float]]) -> None:
    """What is ready of a comparison that is under way: RMSE by predictor."""
    if not parts:
        return
    rows = [
        {
            "name": name,
            "predictor": predictor_titles.short_title(name),
            "group": predictor_titles.GROUPS.get(name, "Naive baselines"),
            **values,
        }
        for name, values in parts.items()
    ]
    frame = pd.DataFrame(rows).sort_values("rmse", kind="stable")
    st.plotly_chart(
        accuracy_charts.leaderboard(frame, "rmse", "RMSE in stars (lower is better)"),
        key="chart-partial",
        alt="RMSE of the predictors that are ready, the lowest first",
    )


def show_contributions(run: dict[str, Any]) -> None:
    """What the model adds to the calibrated ratings, where it was measured."""
    contributions = accuracy_tables.model_contributions(run["summary"])
    if not contributions:
        return
    with st.container(border=True):
        st.subheader(
            "Gain from the language model" if run["model"] != BUILTIN else "Gain from the model",
            icon=":material/add_chart:",
        )
        st.caption(
            "RMSE of the calibrated simulator minus that of the same calibration without the model's contribution, on "
            "the same ratings, with a 95 % confidence interval over users. Negative values mean that the model helps."
        )
        with st.grid(2, min_column_width=320):
            for title, figure, words in contributions:
                with st.container():
                    st.metric(title, figure)
                    st.caption(escape_markdown(words))

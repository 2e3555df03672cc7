"""Errors by slice as small multiples, on one scale, and the ratings behind each point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.charts import slice_charts
from lusifer.datasets import Dataset
from lusifer.evaluation.error_slices import ALL, MIN_RATINGS, assign_slices, measure_slices
from lusifer.ui import page_state
from lusifer.ui.caching import HASHES
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.accuracy import accuracy_figures, rating_rows
from lusifer.ui.state import PageContext

MAX_SHOWN = 4
"""Predictors that a facet has room for."""
BESIDE_EACH_OTHER = ("popularity", "activity", "rating", "age", "decade", "position")
"""Facets with about as many slices each; genres, of which there are many, have the whole width."""
MAX_NAMED = 8


@st.cache_data(max_entries=20, show_spinner=False, hash_funcs=HASHES)
def compute_slices(
    _rows: pd.DataFrame, run: str, key: str, names: Sequence[str], dataset: Dataset, seed: int
) -> pd.DataFrame:
    """The slices of a run's rows, see `measure_slices`; ``key`` names the filter that they passed."""
    return measure_slices(_rows, names, dataset, seed=seed)


def show_slices(
    ctx: PageContext, run: Mapping[str, Any], rows: pd.DataFrame, names: Sequence[str], first: Sequence[str], key: str
) -> None:
    """Facets of RMSE, a point a predictor on a slice; below them the ratings behind the point that was chosen.

    Args:
        ctx: the choices of the page.
        run: the comparison.
        rows: its rows that passed the filter.
        names: its predictors.
        first: those that are shown unless a person says otherwise.
        key: names the filter.
    """
    selected = accuracy_figures.pick_shown(names, first, "slice-lines")
    if len(selected) > MAX_SHOWN:
        st.caption(f"The first {MAX_SHOWN} of them are shown: a facet has no room for more.")
        selected = selected[:MAX_SHOWN]
    measured = compute_slices(rows, run["id"], key, selected, ctx.dataset, int(run["seed"]))
    told = accuracy_figures.slice_table(measured.dropna(subset=["rmse"]).reset_index(drop=True))
    if told.empty:
        st.caption(f"Fewer than {MIN_RATINGS} ratings pass the filter, too few to tell an error.")
    else:
        _show_facets(told, selected)
    _show_left_out(measured)
    options = {
        f"{slicing}:{part}": f"{accuracy_figures.slicing_title(slicing)}: {part} ({count:,} ratings)"
        for slicing, part, count in measured[["slicing", "slice", "rows"]].drop_duplicates().itertuples(index=False)
        if slicing != ALL
    }
    st.subheader("Ratings behind a point", icon=":material/person_search:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = rating_rows.pick_slice(options, "Slice")
        predictor = rating_rows.pick_predictor(names)
    behind = rows
    if chosen:
        slicing, _, part = chosen.partition(":")
        assigned = assign_slices(rows, ctx.dataset)
        behind = rows.iloc[assigned.loc[(assigned["slicing"] == slicing) & (assigned["slice"] == part), "row"]]
    others = [n for n in selected if n != predictor]
    rating_rows.show_ratings(ctx, run, behind, predictor, others, key=f"slices-{chosen}-{predictor}")


def _show_facets(told: pd.DataFrame, selected: Sequence[str]) -> None:
    span = slice_charts.shared_range(told)
    points = [
        {"slice": "" if slicing == ALL else f"{slicing}:{part}", "predictor": name}
        for slicing, part, name in told[["slicing", "slice", "name"]].itertuples(index=False)
    ]
    everything = told[told["slicing"] == ALL]
    _show_facet(everything.assign(label=everything["predictor"]), selected, span, ALL, points)
    facets = {slicing: told[told["slicing"] == slicing] for slicing in (*BESIDE_EACH_OTHER, "genre")}
    grid = st.grid(3, min_column_width=290, gap="medium")
    for slicing, part in facets.items():
        if not part.empty:
            with grid.container() if slicing in BESIDE_EACH_OTHER else st.container():
                _show_facet(part, selected, span, slicing, points)
    st.caption(
        with_item_noun(
            "RMSE with 95 % intervals from one bootstrap over users, on the same scale everywhere; in brackets: "
            "ratings. A movie counts in each of its genres. Click a point for the ratings behind it."
        )
    )


def _show_facet(
    part: pd.DataFrame,
    selected: Sequence[str],
    span: tuple[float, float],
    slicing: str,
    points: Sequence[Mapping[str, str]],
) -> None:
    key, title = f"facet-{slicing}", accuracy_figures.slicing_title(slicing)
    st.markdown(f"**{title}**")
    st.plotly_chart(
        slice_charts.facet(part, selected, span, by_predictor=slicing == ALL, chosen=_chosen(part)),
        key=key,
        on_select=partial(rating_rows.take_point, key, points),
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"RMSE by {title.lower()} with intervals; the list of slices below holds the same choice",
    )


def _chosen(part: pd.DataFrame) -> tuple[str, str] | None:
    """The line and the predictor of a facet that the state names."""
    now = page_state.current()
    rows = part[(part["slicing"] + ":" + part["slice"] == now.slice) & (part["name"] == now.predictor)]
    return None if rows.empty else (str(rows["label"].iloc[0]), str(rows["name"].iloc[0]))


def _show_left_out(measured: pd.DataFrame) -> None:
    """Which slices are too small to be told."""
    small = measured[(measured["rows"] < MIN_RATINGS) & (measured["slicing"] != ALL)]
    small = small.drop_duplicates(["slicing", "slice"])
    if small.empty:
        return
    named = [
        f"{accuracy_figures.slicing_title(s)} {part} ({n})"
        for s, part, n in small[["slicing", "slice", "rows"]].itertuples(index=False)
    ]
    more = f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else ""
    st.caption(
        escape_markdown(f"Left out, with fewer than {MIN_RATINGS} ratings: {'; '.join(named[:MAX_NAMED])}{more}.")
    )

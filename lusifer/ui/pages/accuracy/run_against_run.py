"""Two recorded comparisons held against each other: settings, results on the ratings that both have, what changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lusifer.charts import accuracy_charts
from lusifer.datasets import Dataset
from lusifer.evaluation.bootstrap import MIN_USERS
from lusifer.evaluation.run_differences import DIFFERENCE, OTHER, join_runs, measure_differences
from lusifer.runs import run_rows
from lusifer.simulator import label
from lusifer.ui import page_state
from lusifer.ui.caching import HASHES
from lusifer.ui.components import data_tables, predictor_titles, run_picker
from lusifer.ui.formatting import escape_markdown, format_spent
from lusifer.ui.pages.accuracy import accuracy_tables, pins, rating_rows
from lusifer.ui.pages.accuracy.accuracy_tables import RowFilter
from lusifer.ui.state import PageContext

SETTINGS = {
    "model": "Model",
    "model_version": "Version",
    "seed": "Seed",
    "users": "Users",
    "among": "Drawn from",
    "evidence": "Evidence in the prompt",
    "imported": "Imported predictions",
    "dataset_hash": "Data",
}
"""What two comparisons may differ in, and how it is called."""
RMSE_DIFFERENCE = f"rmse{DIFFERENCE}"


def _setting(run: Mapping[str, Any], name: str) -> str:
    value = run.get(name, run["params"].get(name))
    if name == "model":
        return label(str(value))
    if name == "imported":
        return ", ".join(value or ()) or "none"
    if isinstance(value, bool) or value is None:
        return "yes" if value else "no"
    return str(value)[:12] if name == "dataset_hash" else str(value)


def show_other_run(
    ctx: PageContext,
    runs: Sequence[dict[str, Any]],
    run: dict[str, Any],
    pinned: Sequence[str],
    row_filter: RowFilter,
) -> None:
    """This run against another one: what differs in the settings, what in the results, and for whom.

    Args:
        ctx: the choices of the page.
        runs: the recorded comparisons, newest first.
        run: the one that is shown.
        pinned: ids of those that are pinned.
        row_filter: the filter of the page.
    """
    others = pins.pinned_first([r for r in runs if r["id"] != run["id"]], pinned)
    if not others:
        st.caption("This is the only recorded comparison on this split. Start another one under New comparison.")
        return
    chosen = run_picker.settle_run("other_comparison", others, "comparison")
    other = next(r for r in others if r["id"] == chosen)
    titles = pins.run_titles(others, pinned)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Compare with",
            list(titles),
            key=page_state.seed("other_comparison"),
            format_func=lambda i: titles.get(i, i),
            width=620,
        )
        st.button(
            "Swap",
            icon=":material/swap_horiz:",
            help="Show the other run, and compare it with this one.",
            on_click=page_state.choose,
            kwargs={"comparison": other["id"], "other_comparison": run["id"]},
        )
    first, second = (accuracy_tables.load_predictions(r, ctx.dataset) for r in (run, other))
    if first is None or second is None:
        _show_settings(run, other)
        st.caption(f"The individual predictions of one of the runs {run_rows.NO_ROWS}, so nothing is paired.")
        return
    names = predictor_titles.in_order(
        n
        for n in run["summary"]["predictors"].keys() & other["summary"]["predictors"].keys()
        if n in first and n in second
    )
    shared = join_runs(row_filter.passing(first, ctx), second, names)
    found = _measure(shared, run["id"], other["id"], repr(row_filter), names, ctx.dataset, int(run["seed"]))
    if not found.empty:
        st.markdown(f"**{escape_markdown(_describe(found, len(shared), shared['user_id'].nunique()))}**")
    _show_settings(run, other)
    st.caption(
        f"This run has {_size(first)}, the other run {_size(second)}; both have {_size(shared)}"
        + (" that match the filter." if row_filter.is_active else ".")
    )
    if found.empty:
        st.info(
            "The two runs share no predictor."
            if not names
            else "The two runs share no rating, so nothing can be compared: the same seed, group and sample size give "
            "the same users.",
            icon=":material/join_inner:",
        )
        return
    _show_differences(found)
    _show_changes(ctx, run, shared, names)


@st.cache_data(max_entries=20, show_spinner=False, hash_funcs=HASHES)
def _measure(
    _shared: pd.DataFrame, run: str, other: str, key: str, names: Sequence[str], dataset: Dataset, seed: int
) -> pd.DataFrame:
    """See `measure_differences`; ``key`` names the filter that the ratings passed."""
    return measure_differences(_shared, names, dataset.scale, seed=seed)


def _size(rows: pd.DataFrame) -> str:
    users = rows["user_id"].nunique()
    return f"{len(rows):,} ratings of {users:,} user{'s' * (users != 1)}"


def _describe(found: pd.DataFrame, ratings: int, users: int) -> str:
    """The finding in one sentence: of the best-informed simulator that both runs have, else of their best predictor."""
    by_name: dict[Any, dict[Any, Any]] = found.set_index("name").to_dict("index")
    name = pins.headline({"summary": {"predictors": by_name}})
    title = predictor_titles.within_sentence(predictor_titles.title(name))
    title += "," * ("," in title)
    value, low, high = (float(by_name[name][f"{RMSE_DIFFERENCE}{part}"]) for part in ("", "_low", "_high"))
    where = f"On the {ratings:,} ratings of {users:,} user{'s' * (users != 1)} that both runs have"
    if round(value, 3) == 0 and not (low > 0 or high < 0):
        return f"{where}, the {title} is as good in this run as in the other."
    verdict = f"{where}, the RMSE of the {title} is {abs(value):.3f} {'lower' if value < 0 else 'higher'} in this run"
    if not math.isfinite(low):
        return f"{verdict}; fewer than {MIN_USERS} users give no confidence interval."
    significant = "" if low > 0 or high < 0 else "; no significant difference"
    return f"{verdict} (95 %: {low:+z.3f} to {high:+z.3f}{significant})."


def _show_settings(run: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """The settings in which two runs differ, and what they cost."""
    pairs = {title: [_setting(run, name), _setting(other, name)] for name, title in SETTINGS.items()}
    here, there = (set(r["summary"]["predictors"]) for r in (run, other))
    pairs["Predictors of it alone"] = [
        ", ".join(map(predictor_titles.short_title, predictor_titles.in_order(only))) or "none"
        for only in (here - there, there - here)
    ]
    costs = [r["summary"].get("usage") or {} for r in (run, other)]
    if any(cost.get("made") or cost.get("cached") for cost in costs):
        pairs["Price"] = [format_spent(cost) if cost else data_tables.MISSING for cost in costs]
    changed = {title: pair for title, pair in pairs.items() if pair[0] != pair[1]}
    if not changed:
        st.caption("Both runs have the same settings.")
        return
    data_tables.show_table(
        pd.DataFrame([(title, *pair) for title, pair in changed.items()], columns=["Setting", "This run", "Other run"]),
        alt="Settings in which the two runs differ",
        width="content",
    )


def _show_differences(found: pd.DataFrame) -> None:
    """Each predictor in both runs: a chart of the differences in RMSE, and the table."""
    drawn = found.assign(predictor=found["name"].map(predictor_titles.short_title))[~found["same"]]
    if drawn.empty:
        st.caption("Every predictor predicts the same in both runs.")
        return
    st.plotly_chart(
        accuracy_charts.differences(drawn, {RMSE_DIFFERENCE: "the other run"}),
        key="chart-runs",
        alt="Difference in RMSE of each predictor between the two runs, with paired 95 percent intervals",
    )
    table = pd.DataFrame(
        {
            "Predictor": found["name"].map(predictor_titles.title),
            "This run": found["rmse"],
            "Other run": found["rmse" + OTHER],
        }
    )
    for metric, title in (("rmse", "Difference"), ("mae", "in MAE"), ("pearson", "in Pearson")):
        column = metric + DIFFERENCE
        table[title] = found[column].mask(found[column].abs() < 5e-4, 0.0)  # never a minus before nothing
        table[f"{title}, 95 %"] = [
            "same" if row["same"] else accuracy_tables.format_interval(row, column, "+") for _, row in found.iterrows()
        ]
    number = st.column_config.NumberColumn
    data_tables.show_table(
        table,
        alt="RMSE of both runs by predictor, and paired differences",
        column_config={
            "Predictor": st.column_config.TextColumn(pinned=True, width=190),
            **{name: number(format="%.3f") for name in ("This run", "Other run")},
            **{name: number(format="%+.3f") for name in ("Difference", "in MAE", "in Pearson")},
        },
    )
    st.caption(
        "RMSE on the ratings that both runs have; differences are this run minus the other, with paired 95 % "
        "intervals. In RMSE and MAE this run is better below 0, in Pearson above."
    )


def _show_changes(ctx: PageContext, run: Mapping[str, Any], shared: pd.DataFrame, names: Sequence[str]) -> None:
    """The ratings whose error changed most between two runs."""
    st.subheader("What changed most", icon=":material/difference:")
    name = rating_rows.pick_predictor(names)
    there = name + OTHER
    errors = [(shared[column] - shared["rating"]).abs() for column in (name, there)]
    change = (errors[0] - errors[1]).rename("Error grew by")
    moved = shared[change.abs() > 1e-9]
    if moved.empty:
        st.caption(f"{predictor_titles.title(name)} predicts the same in both runs.")
        return
    worse = int((change > 1e-9).sum())
    st.caption(f"{worse:,} of {len(shared):,} errors are larger in this run, {len(moved) - worse:,} smaller.")
    rating_rows.show_ratings(
        ctx, run, moved, name, (there,), key=f"runs-{name}", titles={name: "This run", there: "Other run"}, by=change
    )

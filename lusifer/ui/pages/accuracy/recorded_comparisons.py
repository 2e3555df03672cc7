"""Recorded comparisons: choosing, renaming and deleting one, and one against another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.evaluation.metrics import rmse_difference
from lusifer.evaluation.published_results import PUBLISHED_RESULTS
from lusifer.jobs import Job
from lusifer.runs import listing
from lusifer.simulator import label
from lusifer.store import Store
from lusifer.ui import page_state, session_keys, state
from lusifer.ui.components import data_tables, predictor_titles, run_picker
from lusifer.ui.components.closing_popover import close_popover, closing_popover
from lusifer.ui.pages.accuracy import accuracy_tables


def shown_comparison(store: Store | None, runs: Sequence[dict[str, Any]], job: Job | None) -> dict[str, Any] | None:
    """The comparison that is shown: one that this session started and that has ended, else the link's, else the newest.

    Args:
        store: where they are kept.
        runs: the recorded ones, newest first.
        job: of the comparison that this session started, or that was started by itself.
    """
    finished: dict[str, Any] | None = None
    if job is not None and job.state == "done" and job.result is not None:
        finished = job.result if store is None or store.get_run(job.result["id"]) else None
        if finished is not None and session_keys.STARTED_COMPARISON.pop() is not None:
            page_state.choose(comparison=finished["id"])
    chosen = run_picker.settle_run("comparison", runs, "comparison")
    if not runs:
        return finished
    return next(r for r in runs if r["id"] == chosen)


def show_run_choice(store: Store | None, runs: Sequence[dict[str, Any]], run: dict[str, Any]) -> None:
    """The fields that choose another recorded comparison, rename or delete this one."""
    titles = run_picker.run_titles(runs)
    if run["id"] not in titles:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Recorded comparison",
            list(titles),
            key=page_state.seed("comparison"),
            format_func=lambda i: titles.get(i, i),
            width=620,
        )
        show_run_management(store, run["id"], titles)


def show_run_management(store: Store | None, run: str, titles: dict[str, str]) -> None:
    """Rename or delete a recorded run; strangers on a public server may do neither."""
    if store is None or run not in titles or settings.is_public():
        return
    with closing_popover("Manage", "manage-run", icon=":material/edit:"):
        name = st.text_input(
            "Title", titles[run].split(" · ", 1)[-1].rsplit(" · ", 1)[0], key=f"title-{run}", max_chars=120
        )
        if st.button("Rename", icon=":material/check:", disabled=not name.strip()):
            store.rename_run(run, name.strip())
            close_popover("manage-run")
            st.rerun()
        sure = st.checkbox("Yes, delete this comparison", key=f"sure-{run}")
        if st.button(
            "Delete", icon=":material/delete:", disabled=not sure, help="Cached answers are kept; other runs use them."
        ):
            listing.delete_run(store, run)
            jobs = state.get_jobs()
            for key, job in jobs.list_jobs():
                if isinstance(job.result, dict) and job.result.get("id") == run:
                    jobs.discard(key)
            page_state.choose(comparison="")
            close_popover("manage-run")
            st.rerun()


SETTINGS = {
    "model": "Model",
    "model_version": "Version",
    "seed": "Seed",
    "users": "Users",
    "among": "Drawn from",
    "evidence": "Told what others gave",
    "predictors": "Predictors",
    "dataset_hash": "Data",
}
"""What two comparisons may differ in, and how it is called."""


def _setting(run: dict[str, Any], name: str) -> str:
    value = run.get(name, run["params"].get(name))
    if name == "model":
        return label(str(value))
    if name == "predictors":
        return ", ".join(predictor_titles.title(n) for n in predictor_titles.in_order(value or ()))
    if isinstance(value, bool) or value is None:
        return "yes" if value else "no"
    return str(value)[:12] if name == "dataset_hash" else str(value)


def show_other_runs(runs: Sequence[dict[str, Any]], run: dict[str, Any]) -> None:
    """This run against another one: what differs in the settings, and what in the results."""
    others = {r["id"]: r for r in runs if r["id"] != run["id"]}
    if not others:
        st.caption("This is the only recorded comparison on this split. Start another one under New comparison.")
        return
    titles = run_picker.run_titles(list(others.values()))
    other = others[
        st.selectbox("Compare with", list(others), key="other-run", format_func=lambda i: titles.get(i, i), width=620)
    ]
    settings_of = {title: (_setting(run, name), _setting(other, name)) for name, title in SETTINGS.items()}
    changed = {title: pair for title, pair in settings_of.items() if pair[0] != pair[1]}
    if changed:
        table = pd.DataFrame(
            [(title, *pair) for title, pair in changed.items()], columns=["Setting", "This run", "Other run"]
        )
        data_tables.show_table(table, alt="Settings in which the two runs differ", width="content")
    else:
        st.caption("Both runs have the same settings.")
    first, second = (accuracy_tables.load_predictions(r["id"]) for r in (run, other))
    names = predictor_titles.in_order(run["summary"]["predictors"].keys() & other["summary"]["predictors"].keys())
    rows = [_difference(name, run, other, first, second) for name in names]
    data_tables.show_table(
        pd.DataFrame(rows),
        alt="RMSE of both runs by predictor",
        column_config={
            name: st.column_config.NumberColumn(format=pattern)
            for name, pattern in (("This run", "%.3f"), ("Other run", "%.3f"), ("Difference", "%+.3f"))
        },
    )
    st.caption(
        "RMSE of each run on all its ratings; the difference, with its paired 95 % interval, on the ratings that both "
        "have. Below 0, this run is better."
    )


def _difference(
    name: str,
    run: dict[str, Any],
    other: dict[str, Any],
    first: pd.DataFrame | None,
    second: pd.DataFrame | None,
) -> dict[str, Any]:
    """One predictor of two runs: both errors, and their difference on the ratings that both runs have."""
    errors = [(r["summary"]["predictors"].get(name) or {}).get("rmse", math.nan) for r in (run, other)]
    row: dict[str, Any] = {
        "Predictor": predictor_titles.title(name),
        "This run": errors[0],
        "Other run": errors[1],
        "Difference": math.nan,
        "95 %": "–",
        "Ratings": 0,
    }
    if first is None or second is None or name not in first or name not in second:
        return row
    both = first[["user_id", "item_id", "rating", name]].merge(
        second[["user_id", "item_id", name]], on=["user_id", "item_id"], suffixes=("", "_other")
    )
    if both.empty:
        return row
    users, true = both["user_id"].to_numpy(), both["rating"].to_numpy()
    found = rmse_difference(users, both[name].to_numpy(), both[f"{name}_other"].to_numpy(), true)
    interval = f"{found.low:+.3f} to {found.high:+.3f}" if math.isfinite(found.low) else "–"
    return {**row, "Difference": found.value, "95 %": interval, "Ratings": len(both)}


def show_published() -> None:
    """What others published: on other rows, so beside the leaderboard and never in it."""
    with st.expander("As published by others (on other rows)", icon=":material/menu_book:"):
        st.caption(
            "These figures were measured on other test ratings, so they can't be compared with the table above row by "
            "row. To compare a model of yours on the same rows, import its predictions."
        )
        data_tables.show_table(
            pd.DataFrame([asdict(result) for result in PUBLISHED_RESULTS]),
            alt="Published errors with their sources",
            column_config={
                "method": st.column_config.TextColumn("Method", pinned=True),
                "rmse": st.column_config.NumberColumn("RMSE", format="%.3g", width="small"),
                "rows": st.column_config.TextColumn("Measured on", width="large"),
                "source": st.column_config.TextColumn("Source"),
            },
        )

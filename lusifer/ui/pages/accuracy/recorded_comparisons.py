"""Recorded comparisons: choosing, renaming and deleting one, and one beside others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.evaluation.published_results import PUBLISHED_RESULTS
from lusifer.jobs import Job
from lusifer.runs import listing
from lusifer.store import Store
from lusifer.ui import page_state, session_keys, state
from lusifer.ui.components import predictor_titles, run_picker


def pick_comparison(
    store: Store | None, runs: Sequence[dict[str, Any]], key: str, job: Job | None
) -> dict[str, Any] | None:
    """The comparison that is shown: one that has just ended, the link's, or the one that was chosen.

    Args:
        store: where they are kept.
        runs: the recorded ones, newest first.
        key: of the job of the form's choices.
        job: that job, where there is one.
    """
    run_shown: dict[str, Any] | None = None
    if job is not None and job.state == "done" and job.result is not None:
        run_shown = job.result if store is None or store.get_run(job.result["id"]) else None
        if run_shown is not None and session_keys.STARTED_COMPARISON.get() == key:  # this session pressed the button
            session_keys.STARTED_COMPARISON.pop()
            page_state.choose(comparison=run_shown["id"])
    run = run_picker.settle_run("comparison", runs, "comparison")
    if not runs:
        return run_shown
    titles = run_picker.run_titles(runs)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Recorded comparison",
            list(titles),
            key=page_state.seed("comparison"),
            format_func=lambda i: titles.get(i, i),
            width=620,
        )
        show_run_management(store, run, titles)
    return next((r for r in runs if r["id"] == run), run_shown)


def show_run_management(store: Store | None, run: str, titles: dict[str, str]) -> None:
    """Rename or delete a recorded run; strangers on a public server may do neither."""
    if store is None or run not in titles or settings.is_public():
        return
    with st.popover("Manage", icon=":material/edit:"):
        name = st.text_input(
            "Title", titles[run].split(" · ", 1)[-1].rsplit(" · ", 1)[0], key=f"title-{run}", max_chars=120
        )
        if st.button("Rename", icon=":material/check:", disabled=not name.strip()):
            store.rename_run(run, name.strip())
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
            st.rerun()


def show_other_runs(runs: Sequence[dict[str, Any]], run: dict[str, Any]) -> None:
    """This run beside others: RMSE by predictor."""
    others = {r["id"]: r for r in runs if r["id"] != run["id"]}
    if not others:
        st.caption("This is the only recorded comparison on this split.")
        return
    selected = st.multiselect(
        "Compare with",
        list(others),
        default=list(others)[:1],
        key="other-runs",
        format_func=run_picker.run_titles(list(others.values())).__getitem__,
    )
    columns = {"This run": run}
    for other in (others[i] for i in selected):
        when = other["created_at"][:16].replace("T", " ")
        columns[f"{other['title']} ({when}, seed {other['seed']}, {other['id'][-4:]})"] = other
    names = predictor_titles.in_order({n for r in columns.values() for n in r["summary"]["predictors"]})
    table = pd.DataFrame(
        {
            "Predictor": [predictor_titles.title(n) for n in names],
            **{
                title: [(r["summary"]["predictors"].get(n) or {}).get("rmse", math.nan) for n in names]
                for title, r in columns.items()
            },
        }
    )
    st.dataframe(table, hide_index=True, alt="RMSE of the chosen runs")
    same = all(
        r["params"].get("users") == run["params"].get("users")
        and r["seed"] == run["seed"]
        and r["params"].get("among") == run["params"].get("among")
        and r["summary"]["rows"] == run["summary"]["rows"]
        for r in columns.values()
    )
    st.caption(
        "RMSE. These runs are on the same test ratings."
        if same
        else "RMSE. These runs are on different test ratings, so small differences mean nothing."
    )


def show_published() -> None:
    """What others published: on other rows, so beside the leaderboard and never in it."""
    with st.expander("As published by others (on other rows)", icon=":material/menu_book:"):
        st.caption(
            "These figures were measured on other test ratings, so they can't be compared with the table above row by "
            "row. To compare a model of yours on the same rows, import its predictions."
        )
        st.dataframe(
            pd.DataFrame([asdict(result) for result in PUBLISHED_RESULTS]),
            hide_index=True,
            alt="Published errors with their sources",
            column_config={
                "method": st.column_config.TextColumn("Method", pinned=True),
                "rmse": st.column_config.NumberColumn("RMSE", format="%.3g", width="small"),
                "rows": st.column_config.TextColumn("Measured on", width="large"),
                "source": st.column_config.TextColumn("Source"),
            },
        )

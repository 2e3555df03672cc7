"""Recorded comparisons: choosing, pinning, renaming and deleting one, and what others published."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.evaluation.published_results import PUBLISHED_RESULTS
from lusifer.jobs import Job
from lusifer.runs import listing
from lusifer.simulator import label
from lusifer.store import Store
from lusifer.ui import page_state, session_keys, state
from lusifer.ui.components import data_tables, predictor_titles, run_picker
from lusifer.ui.components.closing_popover import close_popover, closing_popover
from lusifer.ui.pages.accuracy import pins

PIN_CLICK = "pin-click"


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


def show_run_choice(
    store: Store | None, runs: Sequence[dict[str, Any]], run: dict[str, Any], pinned: Sequence[str]
) -> None:
    """Recorded comparisons as a list and as a table: another is opened, this one renamed or deleted, any pinned.

    Args:
        store: where they are kept.
        runs: all of them, newest first.
        run: the one that is shown.
        pinned: ids of those that are pinned.
    """
    titles = pins.run_titles(runs, pinned)
    if run["id"] not in titles:
        return
    st.subheader("Recorded comparisons", icon=":material/history:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox(
            "Recorded comparison",
            list(titles),
            key=page_state.seed("comparison"),
            format_func=lambda i: titles.get(i, i),
            width=620,
        )
        is_pinned = run["id"] in pinned
        if st.button(
            "Unpin" if is_pinned else "Pin",
            icon=":material/keep_off:" if is_pinned else ":material/keep:",
            help="A pinned run stands first where runs are chosen, and in the chart of errors as a reference.",
        ):
            _toggle_pin(store, run["id"])
        show_run_management(store, run["id"], run_picker.run_titles(runs))
    if len(runs) > 1:
        _show_table(store, pins.pinned_first(runs, pinned), run, pinned)


def _toggle_pin(store: Store | None, run: str) -> None:
    pins.toggle_pin(store, run)
    st.rerun()


def _show_table(
    store: Store | None, runs: Sequence[dict[str, Any]], run: dict[str, Any], pinned: Sequence[str]
) -> None:
    rows = []
    for listed in runs:
        name = pins.headline(listed)
        figures = listed["summary"]["predictors"].get(name, {})
        low, high = figures.get("rmse_low"), figures.get("rmse_high")
        rows.append(
            {
                "Pin": f"{pins.MARK} Pinned" if listed["id"] in pinned else "☆ Pin",
                "Title": listed["title"],
                "RMSE": figures.get("rmse"),
                "RMSE, 95 %": data_tables.MISSING if None in (low, high) else f"{low:.3f} to {high:.3f}",
                "Of": predictor_titles.short_title(name),
                "Ratings": listed["summary"]["rows"],
                "Users": listed["params"].get("users"),
                "Model": label(listed["model"]),
                "Started": pd.Timestamp(listed["created_at"]),
            }
        )
    data_tables.pick_row(
        pd.DataFrame(rows),
        key="comparison-table",
        chosen=[r["id"] for r in runs].index(run["id"]),
        on_pick=lambda row: page_state.choose(comparison=runs[row]["id"]),
        alt="Recorded comparisons with the error of each run's best-informed simulator",
        height=min(36 * (len(runs) + 1) + 4, 300),
        column_config={
            "Pin": st.column_config.ButtonColumn(type="tertiary", width=92, pinned=True, key=PIN_CLICK),
            "Title": st.column_config.TextColumn(width=330),
            "RMSE": st.column_config.NumberColumn(format="%.3f", width=70),
            "Of": st.column_config.TextColumn(help="The run's best-informed simulator, else its lowest RMSE."),
            "Users": st.column_config.NumberColumn(width=70),
            "Ratings": st.column_config.NumberColumn(format="localized", width=80),
            "Started": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
        },
    )
    click = st.session_state.get(PIN_CLICK)
    if click is not None and 0 <= click["row"] < len(runs):
        _toggle_pin(store, runs[click["row"]]["id"])


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

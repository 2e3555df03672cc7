"""Recorded comparisons: renaming and deleting one, and one beside others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.store import Store
from lusifer.ui import session_keys, state
from lusifer.ui.components import predictor_titles, run_picker


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
            run_picker.delete_run(store, run)
            jobs = state.get_jobs()
            for key, job in jobs.list_jobs():
                if isinstance(job.result, dict) and job.result.get("id") == run:
                    jobs.discard(key)
            st.session_state.pop(session_keys.RUN, None)
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
    names = [n for n in predictor_titles.ORDER if any(n in r["summary"]["predictors"] for r in columns.values())]
    table = pd.DataFrame(
        {
            "Predictor": [predictor_titles.TITLES[n] for n in names],
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

"""A recorded comparison of prompts: its figures, its cost, and what to do with the winner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.charts import prompt_charts
from lusifer.errors import LusiferError
from lusifer.evaluation import prompt_trials
from lusifer.prompts import versions
from lusifer.runs import prompt_comparison as recorded
from lusifer.runs import tables
from lusifer.runs.kinds import FINAL_CHECK
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components import data_tables
from lusifer.ui.components.downloads import show_csv_button
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.pages.prompts import comparison_details, comparison_tables
from lusifer.ui.pages.prompts.comparison_start import ComparisonRequest, show_start
from lusifer.ui.state import PageContext


def show_result(ctx: PageContext, store: Store, run: dict[str, Any]) -> None:
    """One recorded comparison: figures, users, answers, and what to do with the winner."""
    summary, candidates = run["summary"], run["params"]["candidates"]
    final = run["kind"] == FINAL_CHECK.name
    names = [c["name"] for c in candidates]
    st.caption(
        f"{summary['users']} {'held-out' if final else 'development'} users, {summary['rows']:,} of "
        f"{summary['asked']:,} ratings compared, seed {run['seed']}, split {escape_markdown(run['split'])}. "
        f"Differences are relative to {escape_markdown(summary['base'])}; in brackets their 95 % confidence intervals "
        "over users."
    )
    data_tables.show_table(
        comparison_tables.metric_table(summary),
        height="content",
        alt="Measures by candidate",
        column_config={"Measure": st.column_config.TextColumn(pinned=True)},
    )
    st.caption(escape_markdown(comparison_tables.describe_detectable(summary)))
    with st.expander("Cost", icon=":material/payments:"):
        data_tables.show_table(comparison_tables.spend_table(summary), alt="New cost and cached answers by candidate")
        st.caption("Total: all calls of these evolutions and ratings, from any run; new: the calls of this run.")
    if len(names) > 2:
        cost = "price" if any(summary["candidates"][n]["price"]["value"] for n in names) else "tokens"
        best = prompt_trials.pareto_front(summary["candidates"], cost=cost)
        frame = pd.DataFrame(
            [
                (n, summary["candidates"][n]["rmse"]["value"], summary["candidates"][n][cost]["value"], n in best)
                for n in names
            ],
            columns=["name", "rmse", "cost", "front"],
        ).dropna()
        st.markdown("**Quality vs. cost**")
        st.plotly_chart(
            prompt_charts.quality_vs_cost(frame, "Price per user, dollars" if cost == "price" else "Tokens per user"),
            alt="RMSE of each candidate vs. its cost; diamonds mark the Pareto front",
        )
    _show_winner(ctx, store, run, candidates)
    rows = tables.read_table(run["id"])
    if rows is None:
        st.caption("The individual ratings of this run are not on this machine.")
        return
    comparison_details.show_details(ctx, store, run, rows)
    show_csv_button("Ratings as CSV", rows, f"{run['id']}.csv")


def _show_winner(ctx: PageContext, store: Store, run: dict[str, Any], candidates: list[dict[str, Any]]) -> None:
    """Make one active; check on held-out users."""
    by_name = {c["name"]: c for c in candidates if c["number"]}
    if not by_name:
        return
    active = store.list_prompt_labels().get(versions.ACTIVE)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Version", list(by_name), key=f"winner-{run['id']}", width=240)
        try:
            stored_prompts = versions.get(store, by_name[str(name)]["number"]).prompts
        except LusiferError as error:
            state.show_error(error)
            return
        # Tried at another temperature it is another version.
        prompt_set = replace(stored_prompts, temperature=float(by_name[str(name)]["temperature"]))
        here = active is not None and versions.get(store, active).prompts == prompt_set
        if settings.is_public():
            st.caption("Only the operator can change the active version.")
        elif here:
            st.markdown(f":green-badge[:material/check: {escape_markdown(str(name))} is active]")
        elif st.button("Make active", icon=":material/flag:", key="make-active"):
            version = versions.save(store, prompt_set, by_name[str(name)]["number"], f"From the comparison {run['id']}")
            versions.move_label(store, versions.ACTIVE, version.number)
            st.toast(
                f"{escape_markdown(version.name)} is active now. Roll back under Versions.",
                icon=":material/flag:",
            )
            st.rerun()
    if settings.is_public():
        return
    where = {"dataset_hash": ctx.dataset.hash, "split": ctx.split.id}
    checks = store.list_runs(FINAL_CHECK.name, 500, where)
    with st.popover(f"Final check ({len(checks)} so far)", icon=":material/verified:"):
        st.markdown(
            "Held-out users are for a final check, not for tuning: every check is counted and dated. A version that "
            "was changed after a check is no longer untested on them."
        )
        for row in checks[:10]:
            st.caption(f"{row['created_at'][:16].replace('T', ' ')}: {escape_markdown(row['title'])}, {row['status']}")
        candidate = by_name[str(name)]
        temperature = (
            f"{candidate['temperature']:g}"
            if candidate["temperature"] != stored_prompts.temperature
            else recorded.AS_IN_VERSION
        )
        request = ComparisonRequest(
            [candidate["version"]],
            [candidate["spec"]],
            [temperature],
            len(run["params"]["users"]),
            recorded.DEFAULT_ITEMS,
            int(run["seed"]),
            final=True,
        )
        show_start(ctx, store, request)

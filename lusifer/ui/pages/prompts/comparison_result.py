"""A recorded comparison of prompts: its figures, its cost, and what to do with the winner."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lusifer import settings
from lusifer.charts import prompt_charts
from lusifer.errors import LusiferError
from lusifer.evaluation import prompt_trials
from lusifer.prompts import versions
from lusifer.runs import prompt_comparison as recorded
from lusifer.runs import run_rows
from lusifer.runs.kinds import FINAL_CHECK
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components.downloads import show_csv_button
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.pages.prompts import active_version, comparison_details, comparison_headline, comparison_tables
from lusifer.ui.pages.prompts.comparison_start import ComparisonRequest, show_start
from lusifer.ui.state import PageContext


def show_result(ctx: PageContext, store: Store, run: dict[str, Any], headline: DeltaGenerator) -> None:
    """One recorded comparison: what it found and what to do with the winner (``headline``), users, all measures."""
    summary, candidates = run["summary"], run["params"]["candidates"]
    names = [c["name"] for c in candidates]
    rows = run_rows.read_rows(run, ctx.dataset)
    errors = prompt_trials.errors_by_user(rows) if rows is not None else None
    best = comparison_headline.best_candidate(summary)
    with headline:
        _show_headline(ctx, store, run, best, errors)
    if rows is None or errors is None:
        st.caption(f"The individual ratings of this run {run_rows.NO_ROWS}.")
    else:
        comparison_details.show_details(ctx, store, run, rows, errors, names.index(best))
    with st.expander("All measures and cost", icon=":material/table_chart:"):
        _show_measures(run, names)
    if rows is not None:
        show_csv_button("Ratings as CSV", ctx.dataset.with_file_ids(rows), f"{run['id']}.csv")


def _show_headline(ctx: PageContext, store: Store, run: dict[str, Any], best: str, errors: pd.DataFrame | None) -> None:
    """The sentence, its facts, and what to do next."""
    summary, names = run["summary"], [c["name"] for c in run["params"]["candidates"]]
    group = "held-out" if run["kind"] == FINAL_CHECK.name else "development"
    sentence, tone = comparison_headline.describe_result(summary, best, group)
    changes = errors[f"rmse_{names.index(best)}"] - errors["rmse_0"] if errors is not None else pd.Series(dtype=float)
    facts = comparison_headline.describe_facts(summary, best, changes, len(_list_checks(ctx, store)), group)
    with st.container(border=True):
        st.header(f"{comparison_headline.TONES[tone]} {escape_markdown(sentence)}", anchor=False)
        st.caption(
            escape_markdown(facts),
            help=f"In brackets the 95 % confidence interval over users. Seed {run['seed']}, split "
            f"{escape_markdown(run['split'])}; {summary['rows']:,} of {summary['asked']:,} ratings were compared.",
        )
        if errors is not None and (front := comparison_headline.describe_best_users(names, errors)):
            st.caption(
                escape_markdown(front),
                help=f"Whose RMSE of a user is the lowest by {comparison_headline.SAME} or more. One that is the best "
                "for nobody can go: for each user another does as well.",
            )
        _show_winner(ctx, store, run, run["params"]["candidates"], best)


def _list_checks(ctx: PageContext, store: Store) -> list[dict[str, Any]]:
    return store.list_runs(FINAL_CHECK.name, 500, {"dataset_hash": ctx.dataset.hash, "split": ctx.split.id})


def _show_measures(run: dict[str, Any], names: list[str]) -> None:
    summary = run["summary"]
    st.caption(
        f"{summary['rows']:,} of {summary['asked']:,} ratings compared, seed {run['seed']}, split "
        f"{escape_markdown(run['split'])}. Differences are relative to {escape_markdown(summary['base'])}; in brackets "
        "their 95 % confidence intervals over users."
    )
    st.dataframe(
        comparison_tables.metric_table(summary),
        hide_index=True,
        height="content",
        alt="Measures by candidate",
        column_config={"Measure": st.column_config.TextColumn(pinned=True)},
    )
    st.caption(escape_markdown(comparison_tables.describe_detectable(summary)))
    st.markdown("**Cost**")
    st.dataframe(
        comparison_tables.spend_table(summary), hide_index=True, alt="New cost and cached answers by candidate"
    )
    st.caption("Total: all calls of these evolutions and ratings, from any run; new: the calls of this run.")
    if len(names) > 2:
        cost = "price" if any(summary["candidates"][n]["price"]["value"] for n in names) else "tokens"
        front = prompt_trials.pareto_front(summary["candidates"], cost=cost)
        frame = pd.DataFrame(
            [
                (n, summary["candidates"][n]["rmse"]["value"], summary["candidates"][n][cost]["value"], n in front)
                for n in names
            ],
            columns=["name", "rmse", "cost", "front"],
        ).dropna()
        st.markdown("**Quality vs. cost**")
        st.plotly_chart(
            prompt_charts.quality_vs_cost(frame, "Price per user, dollars" if cost == "price" else "Tokens per user"),
            alt="RMSE of each candidate vs. its cost; diamonds mark the Pareto front",
        )


def _show_winner(
    ctx: PageContext, store: Store, run: dict[str, Any], candidates: list[dict[str, Any]], best: str
) -> None:
    """Make one active; check on held-out users."""
    by_name = {c["name"]: c for c in candidates if c["number"]}
    if not by_name:
        return
    active = store.list_prompt_labels().get(versions.ACTIVE)
    actions = st.container(horizontal=True, vertical_alignment="bottom")
    with actions:
        offered = list(by_name)
        name = st.selectbox(
            "Version",
            offered,
            index=offered.index(best) if best in by_name else 0,
            key=f"winner-{run['id']}",
            width=240,
            format_func=lambda n: active_version.title_of(store, by_name[n]["version"]) if len(n) < 30 else n,
        )
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
                f"{escape_markdown(version.name)} is active now. Roll back at the top of the page.",
                icon=":material/flag:",
            )
            st.rerun()
    if settings.is_public():
        return
    checks = _list_checks(ctx, store)
    with actions, st.popover(f"Final check ({len(checks)} so far)", icon=":material/verified:"):
        st.markdown(
            "Held-out users are for a final check, not for tuning: every check is counted and dated. A version that "
            "was changed after a check is no longer untested on them."
        )
        for row in checks[:10]:
            when, about = row["created_at"][:16].replace("T", " "), f"{row['title']}, {row['status']}"
            st.caption(f"{when}: {escape_markdown(about)}")
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

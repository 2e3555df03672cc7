"""The comparison of prompts: the choice of candidates and sample, and the result that is shown."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lusifer import prompts
from lusifer.prompts import versions
from lusifer.runs import prompt_comparison as recorded
from lusifer.runs.kinds import FINAL_CHECK, PROMPT_COMPARISON
from lusifer.simulator import label
from lusifer.store import Store
from lusifer.ui import session_keys, state
from lusifer.ui.components import model_picker, run_picker
from lusifer.ui.formatting import with_item_noun
from lusifer.ui.pages.prompts import active_version, comparison_result
from lusifer.ui.pages.prompts.comparison_start import ComparisonRequest, show_start
from lusifer.ui.state import PageContext

TEMPERATURES = [recorded.AS_IN_VERSION, "0", "0.3", "0.7", "1"]


def show_comparison(ctx: PageContext, store: Store) -> None:
    """The whole view: what to try, its price, its progress, and the newest or chosen result."""
    exact = [n for n in versions.list_names(store) if n in prompts.SHIPPED or n.startswith("v")]
    labels = store.list_prompt_labels()
    labelled = [versions.get(store, labels[x]).name for x in (versions.BASELINE, versions.ACTIVE) if x in labels]
    newest = [n for n in exact if n.startswith("v")][:1]
    first = labelled + ([] if ctx.builtin else [ctx.prompts]) + newest
    runs = _list_runs(ctx, store)
    busy = state.get_jobs().get(ctx.job_key("trial:False")) is not None
    headline = st.container()
    # What was found stands first; without a result, or while one is made, what makes it.
    with st.expander("New comparison", icon=":material/compare:", expanded=not runs or busy):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            names = st.multiselect(
                "Versions",
                exact,
                [n for n in dict.fromkeys(first) if n in exact],
                key="trial-versions",
                width=320,
                format_func=lambda name: active_version.title_of(store, name),
                help="The first one is the baseline for the others.",
            )
            specs = st.multiselect(
                "Models",
                model_picker.offered_models(ctx),
                [ctx.model],
                key="trial-models",
                format_func=label,
                width=260,
            )
            temperatures = st.multiselect(
                "Temperatures", TEMPERATURES, [recorded.AS_IN_VERSION], key="trial-temperatures", width=240
            )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            users = st.number_input("Users", 1, 500, recorded.DEFAULT_USERS, 5, key="trial-users", width=110)
            movies = st.number_input(
                with_item_noun("Movies per user"),
                1,
                200,
                recorded.DEFAULT_ITEMS,
                5,
                key="trial-movies",
                width=130,
            )
            seed = st.number_input("Seed", 0, 10**6, 0, key="trial-seed", width=110)
        st.caption(
            with_item_noun(
                "Development users, stratified by activity and sampled by the seed: the same users and movies for "
                "every candidate. Up to 4 candidates are shown side by side; up to 24 as a grid."
            )
        )
        request = ComparisonRequest(names, specs, temperatures, int(users), int(movies), int(seed))
        show_start(ctx, store, request)
    if not runs:
        st.info(
            "No comparison yet. Choose two versions, or a version and another model, and press the button above. "
            "With the built-in alone there is nothing to tune: it ignores prompt wording.",
            icon=":material/compare:",
        )
        return
    held_out_runs = {r["id"] for r in runs if r["kind"] == FINAL_CHECK.name}
    run = run_picker.pick_run(
        runs,
        "trial",
        session_keys.new_result("trial"),
        suffix=lambda r: " · held-out" * (r in held_out_runs),
    )
    comparison_result.show_result(ctx, store, run, headline)


def _list_runs(ctx: PageContext, store: Store) -> list[dict[str, Any]]:
    runs = run_picker.finished_runs(ctx, store, PROMPT_COMPARISON) + run_picker.finished_runs(ctx, store, FINAL_CHECK)
    return sorted(runs, key=lambda r: r["created_at"], reverse=True)

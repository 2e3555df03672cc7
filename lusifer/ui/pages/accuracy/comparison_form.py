"""The form of the Accuracy page: which predictors are compared, on whom, at what price."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.evaluation import COMBINED, SIMULATOR, RunContext
from lusifer.evaluation.imported_predictions import ImportedPredictions, Missing, read_predictions
from lusifer.jobs import Job
from lusifer.runs.comparison import ComparisonSpec, run_comparison
from lusifer.simulator import BUILTIN, UserModelConfig, label
from lusifer.store import Store
from lusifer.ui import job_context, session_keys, state
from lusifer.ui.components import evidence_control, job_panel, predictor_titles, user_sample
from lusifer.ui.formatting import escape_markdown, format_cost
from lusifer.ui.state import PageContext


def show_form(ctx: PageContext, store: Store | None) -> tuple[str, Job | None]:
    """The choices, the button that names the price, and the progress; the job of these choices and its key."""
    with st.container(border=True):
        names = st.pills(
            "Predictors",
            [n for n in predictor_titles.SELECTABLE if not (ctx.builtin and n == BUILTIN)],
            selection_mode="multi",
            key="predictors",
            wrap=True,
            default=[
                SIMULATOR,
                *([] if ctx.builtin else [BUILTIN]),
                "fm",
                "svdpp",
                "als",
                "bias",
                "item-mean",
                "user-mean",
                "constant",
            ],
            format_func=lambda n: predictor_titles.TITLES[n] if n != SIMULATOR else "Simulator (alone, calibrated)",
        )
        for reason in predictor_titles.missing_libraries(names):
            st.caption(f":material/error: {escape_markdown(reason)}")
        with st.container(horizontal=True, vertical_alignment="bottom"):
            which = user_sample.pick_group(
                ctx,
                "among",
                width=200,
                help="A fixed random half of the users is for development: prompts and settings are tuned on "
                "them. The held-out half is only for final results.",
            )
            eligible = user_sample.count_eligible_users(ctx.dataset, ctx.split, which, ctx.model)
            count = st.number_input(
                "Sample size (users)",
                1,
                max(eligible, 1),
                min(100, max(eligible, 1)),
                50,
                key="sample-recorded" if ctx.recording else "sample",
                help=f"Sampled from {eligible} users with a test rating.",
                width=180,
            )
            seed = st.number_input(
                "Seed", 0, 10_000, 0, key="seed", width=110, help="The same seed gives the same sample."
            )
            imported, missing = _import_predictions(ctx)
            files = "+".join(f"{i.name}-{i.hash}" for i in imported)
            choice = f"{ctx.prompts}:{count}:{seed}:{which}:{ctx.evidence}:{'+'.join(names)}:{missing}"
            key = f"errors:{ctx.dataset.hash[:8]}:{ctx.split.id}:{ctx.model}:{choice}:{files}"
            job = state.get_jobs().get(key)
            text = "Compare"
            if {SIMULATOR, COMBINED} & set(names) and not ctx.is_free:
                cost = user_sample.estimate_simulation(ctx, int(count), int(seed), which, store)
                text = f"Compare ({format_cost(cost)})"
            running = job is not None and job.active
            if st.button(
                text, icon=":material/compare_arrows:", type="primary", disabled=running or not names or not eligible
            ):
                order = [n for n in predictor_titles.ORDER if n in names]
                title = f"{len(order)} predictors, {count} users, {label(ctx.model)}"
                users = user_sample.draw_users(ctx, int(count), int(seed), which)
                spec = ComparisonSpec(
                    order, users, which, state.load_community(ctx.dataset, ctx.split, full=False), ctx.community
                )
                spec = replace(spec, imported=imported, missing=missing)
                state.get_jobs().start(
                    key,
                    "Comparison",
                    lambda j: _compare(
                        job_context.build_run_context(ctx, store, j, seed=int(seed), titles=predictor_titles.TITLES),
                        job_context.build_model_config(ctx.without_evidence()),
                        spec,
                        title,
                        j,
                    ),
                    store=store,
                )
                session_keys.STARTED_COMPARISON.set(key)
                st.rerun()
        if running:
            job_panel.show_progress(key)
        elif not names:
            st.caption("Choose at least one predictor.")
        elif ctx.recording is None and not ctx.evidence and not evidence_control.is_prepared(ctx.dataset, ctx.split):
            st.caption(
                "To include the simulator with community evidence in the prompt, switch on "
                "community evidence in the sidebar."
            )

    if job is not None and job.state in {"failed", "cancelled"}:
        st.warning(escape_markdown(job.error), icon=":material/error:")
    return key, job


def _compare(ctx: RunContext, config: UserModelConfig, spec: ComparisonSpec, title: str, job: Job) -> dict[str, Any]:
    """A job's work: the recorded run.

    Raises:
        UnfinishedError: some users were not answered for now.
    """
    run = run_comparison(ctx, config, spec, title, on_start=job.follow_run)
    run.require_finished()
    return run.row


def _import_predictions(ctx: PageContext) -> tuple[list[ImportedPredictions], Missing]:
    """The field for predictions of other programs; those that can be read, and what their missing rows become."""
    missing: Missing = "refuse"
    imported: list[ImportedPredictions] = []
    with st.popover("Import predictions", icon=":material/upload_file:"):
        st.caption(
            "A CSV file with the columns user, item and prediction, from any program: it is compared on the same test "
            "ratings under the name of the file."
        )
        files = st.file_uploader("Prediction files", type="csv", accept_multiple_files=True, key="imported-predictions")
        if st.toggle("Impute missing rows by the user and item bias", key="imported-missing"):
            missing = "bias"
        for file in files or []:
            name = file.name.removesuffix(".csv")[:40]
            try:
                imported.append(read_predictions(ctx.dataset, name, file.getvalue()))
                st.caption(f"{escape_markdown(name)}: {len(imported[-1].values):,} predictions.")
            except LusiferError as error:
                state.show_error(error)
    return imported, missing

"""The form of the Accuracy page: which predictors are compared, on whom, at what price."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from lusifer import baselines
from lusifer.errors import LusiferError
from lusifer.evaluation import COMBINED, SIMULATOR, WITH_EVIDENCE
from lusifer.evaluation.imported_predictions import ImportedPredictions, Missing, read_predictions
from lusifer.jobs import Job
from lusifer.runs.comparison import ComparisonSpec, run_comparison
from lusifer.simulator import BUILTIN, label
from lusifer.store import Store
from lusifer.ui import job_context, page_state, session_keys, state
from lusifer.ui.components import automatic_work, evidence_control, predictor_titles, user_sample
from lusifer.ui.formatting import escape_markdown, format_cost
from lusifer.ui.state import PageContext

USUAL = (SIMULATOR, BUILTIN, "fm", "svdpp", "als", "bias", "item-mean", "user-mean", "constant")
"""What is compared unless somebody chooses otherwise."""


def automatic_job(ctx: PageContext, store: Store | None) -> Job | None:
    """The comparison that a page makes by itself where it costs nothing: the usual predictors, everybody recorded."""
    which = "all" if ctx.recording else "development"
    eligible = user_sample.count_eligible_users(ctx.dataset, ctx.split, which, ctx.model)
    if not eligible:
        return None
    count = min(100, eligible)
    key = f"comparison:{ctx.dataset.hash[:8]}:{ctx.split.id}:{ctx.model}:automatic"
    compare = _comparison(ctx, store, _usual_predictors(ctx), count, 0, which)
    return automatic_work.start_missing(ctx, store, key, "Comparison", compare)


def _usual_predictors(ctx: PageContext) -> list[str]:
    """What is compared unless somebody chooses otherwise, without what this machine lacks a library for."""
    return [n for n in USUAL if n not in _not_offered(ctx) and not predictor_titles.missing_libraries([n])]


def _quickest_first(names: Sequence[str]) -> list[str]:
    """Predictors in the order in which they are computed: partial results come soon, what takes long comes last."""
    slow = {name for name, spec in baselines.BASELINES.items() if spec.slow}
    asked = [n for n in predictor_titles.ORDER[::-1] if n in names and n != WITH_EVIDENCE]
    if WITH_EVIDENCE in names and SIMULATOR not in asked:
        asked.append(SIMULATOR)  # what being told adds is measured against the model alone
    return sorted(asked, key=lambda n: (n == COMBINED, n in slow, n in predictor_titles.SIMULATORS))


def _comparison(
    ctx: PageContext,
    store: Store | None,
    names: Sequence[str],
    count: int,
    seed: int,
    which: str,
    imported: Sequence[ImportedPredictions] = (),
    missing: Missing = "refuse",
) -> Callable[[Job], dict[str, Any]]:
    """The work of a comparison; what it needs of streamlit's caches is fetched now, in the page's thread."""
    told = WITH_EVIDENCE in names
    order = _quickest_first(names)
    whom = "recorded users" if ctx.recording else "users" if which == "all" else f"{which} users"
    extra = ", with evidence in the prompt" if told else ""
    title = f"{label(ctx.model)}{extra}: {count} {whom}, {len(order)} predictors, seed {seed}"
    users = user_sample.draw_users(ctx, count, seed, which)
    offsets = state.load_community(ctx.dataset, ctx.split, full=False)
    spec = ComparisonSpec(order, users, which, offsets, imported=imported, missing=missing)
    config = job_context.build_model_config(ctx.without_evidence())

    def compare(job: Job) -> dict[str, Any]:
        evidence = evidence_control.prepare(ctx.dataset, ctx.split, job) if told else None
        run_ctx = job_context.build_run_context(ctx, store, job, seed=seed, titles=predictor_titles.PROGRESS_TITLES)
        run = run_comparison(run_ctx, config, replace(spec, evidence=evidence), title, on_start=job.follow_run)
        run.require_finished()
        return run.row

    return compare


def show_form(ctx: PageContext, store: Store | None, expanded: bool) -> None:
    """The choices of a new comparison and the button that names the price, folded away unless ``expanded``."""
    with st.expander("New comparison", icon=":material/compare_arrows:", expanded=expanded):
        asked_by_link = page_state.current().evidence
        names = st.pills(
            "Predictors",
            [n for n in predictor_titles.SELECTABLE if n not in _not_offered(ctx)],
            selection_mode="multi",
            key="predictors",
            wrap=True,
            default=[
                *([WITH_EVIDENCE] if asked_by_link and WITH_EVIDENCE not in _not_offered(ctx) else []),
                *_usual_predictors(ctx),
            ],
            format_func=lambda n: predictor_titles.TITLES[n] if n != SIMULATOR else "Simulator (alone, calibrated)",
        )
        for reason in predictor_titles.missing_libraries([*USUAL, *names]):
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
            told = WITH_EVIDENCE in names
            files = "+".join(f"{i.name}-{i.hash}" for i in imported)
            choice = f"{ctx.prompts}:{count}:{seed}:{which}:{'+'.join(names)}:{missing}:{files}"
            key = f"comparison:{ctx.dataset.hash[:8]}:{ctx.split.id}:{ctx.model}:{choice}"
            text = "Compare"
            if {SIMULATOR, COMBINED, WITH_EVIDENCE} & set(names) and not ctx.is_free:
                cost = user_sample.estimate_simulation(ctx, int(count), int(seed), which, store, told)
                text = f"Compare ({format_cost(cost)})"
            job = state.get_jobs().get(key)
            running = job is not None and job.active
            if st.button(
                text, icon=":material/compare_arrows:", type="primary", disabled=running or not names or not eligible
            ):
                compare = _comparison(ctx, store, names, int(count), int(seed), which, imported, missing)
                state.get_jobs().start(key, "Comparison", compare, store=store)
                session_keys.STARTED_COMPARISON.set(key)
                st.rerun()
        if not names:
            st.caption("Choose at least one predictor.")
        elif told and not evidence_control.is_prepared(ctx.dataset, ctx.split):
            st.caption("What others gave is computed first: factorization machines are fitted, once for this split.")


def _not_offered(ctx: PageContext) -> set[str]:
    """What can't be compared: the built-in twice, and a recording's answers to what it was not told."""
    return {BUILTIN} if ctx.builtin else {WITH_EVIDENCE} if ctx.recording else set()


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

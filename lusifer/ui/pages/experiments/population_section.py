"""Simulating a whole population, as the Experiments page offers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from lusifer import settings
from lusifer.errors import InvalidInputError, LusiferError
from lusifer.jobs import Job
from lusifer.runs import population, tables
from lusifer.simulator import make_evolution_spec
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import Estimate, estimate_users
from lusifer.store import Store
from lusifer.ui import formatting, state
from lusifer.ui.components import job_panel, run_picker, user_sample
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.state import PageContext

MAX_PUBLIC_USERS = 50
"""Users at a time on a public server, whose two workers are everybody's."""
MAX_PRICED_USERS = 500
"""Users whose calls are counted for the price; of more, it is extrapolated."""


def simulate_population(
    job: Job,
    ctx: PageContext,
    users: Sequence[int],
    store: Store | None,
    evidence: Community | None,
    offsets: Community | None,
    resume: str | None,
) -> str:
    """Simulate and record; the run's id. Runs in a worker thread: no call to streamlit here."""
    if store is None:
        raise InvalidInputError("There is no database, so results can't be saved.", "The sidebar says why.")

    def make(run: str) -> Any:
        if run:
            job.run = run
        return ctx.user_model(store, run=run or None, cancelled=job.cancelled)

    return population.record(
        ctx.dataset,
        ctx.split,
        make,
        users,
        store,
        asked_with=ctx.prompts,
        resume=resume,
        community=evidence,
        offsets=evidence or offsets,
        cache_dir=settings.prediction_cache_dir(),
        workers=1 if ctx.builtin else user_sample.WORKERS,
        on_progress=job.report_progress,
        cancelled=job.cancelled,
    )


def estimate_population(ctx: PageContext, users: Sequence[int], store: Store | None) -> Estimate:
    """What it will ask, less what is stored; of very many users, from some of them."""
    model, evidence = ctx.user_model(store), ctx.community
    sample = users[:: max(len(users) // MAX_PRICED_USERS, 1)]
    plans = [make_evolution_spec(ctx.dataset, ctx.split, u, model, community=evidence) for u in sample]
    estimate = estimate_users(ctx.dataset, ctx.split, plans, model, store, community=evidence)
    return estimate * (len(users) / len(sample))


def show_population(ctx: PageContext, store: Store | None) -> None:
    """The controls, and what was simulated before."""
    st.subheader("Population simulation", icon=":material/groups:")
    st.caption(
        "Profiles and ratings for all users with test ratings, as one Parquet file: one row per rating, with the "
        "raw, expected and "
        "calibrated rating, standard deviation, reason and step. Finished parts are saved, so a stopped run can be "
        "resumed."
    )
    everybody = len(population.eligible_users(ctx.split))
    if settings.is_public():
        everybody = min(everybody, MAX_PUBLIC_USERS)
    if not everybody:
        st.info("No user has a test rating on this split.", icon=":material/info:")
        return
    count = int(
        st.number_input(
            "Users to simulate",
            1,
            everybody,
            everybody if ctx.builtin else min(20, everybody),
            key=f"population-{ctx.builtin}",
            width=180,
        )
    )
    key = f"population:{ctx.dataset.hash[:8]}:{ctx.split.id}:{state.session_id()}"
    if job_panel.job_ended(key):
        users = population.choose_users(ctx.split, count)
        try:
            tag = "costs nothing" if ctx.builtin else formatting.format_cost(estimate_population(ctx, users, store))
        except LusiferError as error:
            state.show_error(error)
            return
        stopped = None if settings.is_public() else _find_stopped_run(ctx, store, users)
        text = f"Resume run {stopped} ({tag})" if stopped else f"Simulate {count:,} users ({tag})"
        if st.button(text, icon=":material/groups:"):
            evidence, offsets = (
                ctx.community,
                state.load_community(ctx.dataset, ctx.split, full=False),
            )
            state.get_jobs().start(
                key,
                "Population",
                lambda j: simulate_population(j, ctx, users, store, evidence, offsets, stopped),
                store=store,
            )
            st.rerun()
    runs = run_picker.finished_runs(ctx, store, population.KIND)
    for run in runs[:5]:
        summary, path = run["summary"], tables.table_path(run["id"])
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{escape_markdown(run['title'])}: {summary['given']:,} of {summary['ratings']:,} ratings, RMSE "
                f"{summary['rmse_expected'] or 0:.3f} :small[run {run['id']}]",
                width="stretch",
            )
            if path.is_file():
                st.download_button(
                    "Parquet",
                    path.read_bytes,
                    f"{run['id']}.parquet",
                    key=f"population-{run['id']}",
                    icon=":material/download:",
                )


def _find_stopped_run(ctx: PageContext, store: Store | None, users: Sequence[int]) -> str | None:
    """The newest run of the same work that was stopped before its end."""
    if store is None:
        return None
    model = ctx.user_model(store)
    alive = {job.run for _, job in state.get_jobs().list_jobs() if job.active}
    where = {
        "dataset_hash": ctx.dataset.hash,
        "split": ctx.split.id,
        "model": model.spec,
        "model_version": model.version,
    }
    for run in store.list_runs(population.KIND, limit=5, where=where):
        if run["status"] == "done":
            return None
        local = run["params"].get("engine", "local") == "local"  # a batch run is gone on with by the command
        if local and run["params"]["users"] == list(users) and run["id"] not in alive:
            return str(run["id"])
    return None

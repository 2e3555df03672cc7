"""Simulating a whole population, as the Experiments page offers it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.datasets import file_ids
from lusifer.jobs import Job
from lusifer.runs import listing, population, population_table, tables
from lusifer.runs.kinds import POPULATION
from lusifer.runs.population import LOCAL, PopulationSpec, record_population
from lusifer.runs.pricing import estimate_simulations
from lusifer.simulator.estimate import Estimate
from lusifer.store import Store
from lusifer.ui import job_context, state
from lusifer.ui.components import downloads, paid_work, run_picker
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.state import PageContext

MAX_PUBLIC_USERS = 50
"""Users at a time on a public server, whose two workers are everybody's."""
MAX_PRICED_USERS = 500
"""Users whose calls are counted for the price; of more, it is extrapolated."""


def estimate_population(ctx: PageContext, users: Sequence[int], store: Store | None) -> Estimate:
    """What it will ask, less what is stored; of very many users, from some of them."""
    sample = users[:: max(len(users) // MAX_PRICED_USERS, 1)]
    run_context = job_context.build_run_context(ctx, store)
    estimate = estimate_simulations(run_context, sample, [(ctx.user_model(store), ctx.community)])
    return estimate * (len(users) / len(sample))


def show_population(ctx: PageContext, store: Store | None) -> None:
    """The controls, and what was simulated before."""
    st.subheader("Population simulation", icon=":material/groups:")
    st.caption(
        "Profiles and ratings for all users with test ratings, as one Parquet file: one row per rating, with the "
        "raw, expected and calibrated rating, standard deviation, reason and step. Finished parts are saved, so a "
        "stopped run can be resumed."
    )
    everybody = len(population.choose_users(ctx.split, None, model=ctx.model))
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
            everybody if ctx.is_free else min(20, everybody),
            key="population-recorded" if ctx.recording else f"population-{ctx.is_free}",
            width=180,
        )
    )
    users = population.choose_users(ctx.split, count, model=ctx.model)
    stopped = None if settings.is_public() else _find_stopped_run(ctx, store, users)
    evidence = ctx.community
    offsets = evidence or state.load_community(ctx.dataset, ctx.split, full=False)
    spec, config = PopulationSpec(users, evidence, offsets, ctx.prompts), job_context.build_model_config(ctx)

    def work(job: Job) -> str:
        run_context = job_context.build_run_context(ctx, store, job)
        return record_population(run_context, config, spec, resume=stopped or "", on_start=job.follow_run).id

    paid_work.offer_run(
        ctx,
        ctx.job_key("population"),
        "Population",
        f"Resume run {stopped}" if stopped else f"Simulate {count:,} users",
        lambda: estimate_population(ctx, users, store),
        work,
        store,
        icon=":material/groups:",
    )
    runs = run_picker.finished_runs(ctx, store, POPULATION)
    for run in runs[:5]:
        summary, path = run["summary"], tables.table_path(run["id"])
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"{escape_markdown(run['title'])}: {summary['given']:,} of {summary['ratings']:,} ratings, RMSE "
                f"{summary['rmse_expected'] or 0:.3f} :small[run {run['id']}]",
                width="stretch",
            )
            if path.is_file():
                downloads.show_file_button(
                    "Parquet",
                    partial(_read_population, ctx, path),
                    f"{run['id']}.parquet",
                    key=f"population-{run['id']}",
                )


def _read_population(ctx: PageContext, path: Path) -> bytes:
    """The table of a population, its ids as the files have them."""
    if not {file_ids.COLUMN} & {*ctx.dataset.users, *ctx.dataset.items}:
        return path.read_bytes()
    rows = pd.read_parquet(path).drop(columns=list(population_table.FILE_ID_COLUMNS), errors="ignore")
    return downloads.to_parquet_bytes(ctx.dataset.with_file_ids(rows))


def _find_stopped_run(ctx: PageContext, store: Store | None, users: Sequence[int]) -> str | None:
    """The newest run of the same work that was stopped before its end."""
    if store is None:
        return None
    model = ctx.user_model(store)
    where = {
        "dataset_hash": ctx.dataset.hash,
        "split": ctx.split.id,
        "model": model.spec,
        "model_version": model.version,
    }

    def matches(run: dict[str, Any]) -> bool:
        local = run["params"].get("engine", LOCAL) == LOCAL  # a batch run is resumed by the command
        return run["status"] == "done" or (local and run["params"]["users"] == list(users))

    runs = store.list_runs(POPULATION.name, 5, where)
    return listing.find_stopped_run(runs, matches, state.get_jobs().active_runs())

"""The form of the Realism page, and the run that it makes by itself where that costs nothing."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lusifer.jobs import Job
from lusifer.runs.realism import run_realism
from lusifer.store import Store
from lusifer.ui import job_context, state
from lusifer.ui.components import automatic_work, paid_work, user_sample
from lusifer.ui.session_keys import Slot
from lusifer.ui.state import PageContext


def automatic_job(ctx: PageContext, store: Store | None) -> Job | None:
    """The measurement that a page makes by itself: everybody recorded, or a hundred development users."""
    which = "all" if ctx.recording else "development"
    eligible = user_sample.count_eligible_users(ctx.dataset, ctx.split, which, ctx.model)
    if not eligible:
        return None
    key = f"realism:{ctx.dataset.hash[:8]}:{ctx.split.id}:{ctx.model}:automatic"
    return automatic_work.start_missing(
        ctx, store, key, "Realism", _measurement(ctx, store, which, min(100, eligible), 0)
    )


def show_form(ctx: PageContext, store: Store | None, new_run: Slot[str | None], expanded: bool) -> None:
    """The sample, and the button that names the price."""
    with st.expander("New run", icon=":material/add_circle:", expanded=expanded):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            which, count, seed = user_sample.pick_sample(ctx, "fidelity")
        paid_work.offer_run(
            ctx,
            ctx.job_key(f"fidelity:{ctx.model}"),
            "Fidelity",
            "Simulate and measure",
            lambda: user_sample.estimate_simulation(ctx.without_evidence(), count, seed, which, store),
            _measurement(ctx, store, which, count, seed),
            store,
            slot=new_run,
            icon=":material/fingerprint:",
            type="primary",
        )


def _measurement(ctx: PageContext, store: Store | None, which: str, count: int, seed: int) -> Callable[[Job], str]:
    """The work of a run; what it needs of streamlit's caches is fetched now, in the page's thread."""
    offsets = state.load_community(ctx.dataset, ctx.split, full=False)
    config = job_context.build_model_config(ctx.without_evidence())

    def measure(job: Job) -> str:
        run_context = job_context.build_run_context(ctx, store, job, seed=seed)
        users = user_sample.draw_users(ctx, count, seed, which)
        return run_realism(run_context, config, users, group=which, offsets=offsets, on_start=job.follow_run).id

    return measure

"""Steps of an evolution, wherever they come from, and the button that computes the missing ones."""

from __future__ import annotations

import streamlit as st

from lusifer.jobs import Job
from lusifer.simulator import EvolutionSpec, Step, count_steps, run_evolution
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import estimate_evolution
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components import evolution_runner
from lusifer.ui.components.job_panel import show_progress
from lusifer.ui.formatting import escape_markdown, format_cost
from lusifer.ui.state import PageContext


def load_steps(ctx: PageContext, what: EvolutionSpec) -> tuple[list[Step], int]:
    """The steps that there are, and how many there should be.

    The built-in computes what is missing at once (milliseconds). A language model's steps are only
    computed after a person pressed the button that names the price; until then, and while they
    arrive, the stored ones are returned.

    Raises:
        EmptyHistoryError: nothing to read.
        LusiferError: the built-in's result can't be stored.
    """
    wanted = count_steps(ctx.dataset, ctx.split, what)
    found = ctx.stored(what)
    if len(found) < wanted and ctx.builtin:
        model = ctx.user_model()
        found = list(run_evolution(ctx.dataset, ctx.split, model, what, state.open_store(), community=ctx.community))
    return found, wanted


def offer_missing_steps(ctx: PageContext, what: EvolutionSpec, done: int, wanted: int) -> None:
    """The button that starts a language model on the missing steps, or its progress."""
    key = f"evolve:{what.id}"
    job = state.get_jobs().get(key)
    if job is not None and job.active:
        show_progress(key)
        return
    if job is not None and job.state in {"failed", "cancelled"}:
        if job.state == "failed":
            st.error(escape_markdown(job.error), icon=":material/error:")
        else:
            st.info(f"Stopped after {done} of {wanted} steps; they are saved.")
    store = state.open_store()
    model = ctx.user_model()
    steps = ctx.stored(what)
    cost = estimate_evolution(ctx.dataset, ctx.split, what, model, store, steps, community=ctx.community)
    missing = wanted - done
    text = f"Compute {missing} step{'s' * (missing != 1)} ({format_cost(cost)})"
    if st.button(text, icon=":material/play_circle:", type="primary"):
        told = ctx.community  # looked up here: a thread calls nothing of streamlit
        state.get_jobs().start(
            key,
            "Profile evolution",
            lambda job: _compute_steps(job, ctx, what, store, wanted, told),
            store=store,
        )
        st.rerun()


def _compute_steps(
    job: Job, ctx: PageContext, what: EvolutionSpec, store: Store | None, wanted: int, told: Community | None
) -> int:
    """Runs in a worker thread: no call to streamlit here."""
    count = 0
    job.run = f"evolve-{what.id}"
    model = ctx.user_model(store, run=job.run, cancelled=job.cancelled)
    for step in run_evolution(ctx.dataset, ctx.split, model, what, store, cancelled=job.cancelled, community=told):
        count = step.number
        job.report_progress(count, wanted, f"Step {count} of {wanted} is done")
    return count


def load_all_steps(ctx: PageContext, user: int) -> list[Step]:
    """The whole evolution, or what there is of it with the button that completes it.

    Raises:
        LusiferError: nothing to read.
    """
    what = ctx.plan(user)
    steps, wanted = evolution_runner.load_steps(ctx, what)
    if len(steps) < wanted:
        st.info("Compute the profile first.", icon=":material/hourglass_empty:")
        evolution_runner.offer_missing_steps(ctx, what, len(steps), wanted)
    return steps if len(steps) == wanted else []

"""Steps of an evolution, wherever they come from, and the button that computes the missing ones."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lusifer.jobs import Job
from lusifer.simulator import EvolutionSpec, Step, count_steps, run_evolution
from lusifer.simulator.community import Community
from lusifer.simulator.estimate import estimate_evolution
from lusifer.simulator.evolution import initial_context
from lusifer.simulator.types import Profile
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components.job_panel import offer_job
from lusifer.ui.formatting import format_cost
from lusifer.ui.state import PageContext


def load_steps(ctx: PageContext, spec: EvolutionSpec) -> tuple[list[Step], int]:
    """The steps that there are, and how many there should be.

    The built-in and a recording give what is missing at once (milliseconds). A language model's steps are only
    computed after a person pressed the button that names the price; until then, and while they
    arrive, the stored ones are returned.

    Raises:
        EmptyHistoryError: nothing to read.
        LusiferError: the built-in's result can't be stored.
    """
    total_steps = count_steps(ctx.dataset, ctx.split, spec)
    steps = ctx.stored_steps(spec)
    if len(steps) < total_steps and ctx.is_free:
        model = ctx.user_model()
        steps = list(run_evolution(ctx.dataset, ctx.split, model, spec, state.open_store(), community=ctx.community))
    return steps, total_steps


def offer_missing_steps(ctx: PageContext, spec: EvolutionSpec, done: int, total_steps: int) -> None:
    """The button that starts a language model on the missing steps, or its progress."""
    store, evidence = state.open_store(), ctx.community  # looked up here: a thread calls nothing of streamlit
    missing = total_steps - done

    def label() -> str:
        steps, model = ctx.stored_steps(spec), ctx.user_model()
        cost = estimate_evolution(ctx.dataset, ctx.split, spec, model, store, steps, community=evidence)
        return f"Compute {missing} step{'s' * (missing != 1)} ({format_cost(cost)})"

    offer_job(
        f"evolve:{spec.id}",
        "Profile evolution",
        lambda job: _compute_steps(job, ctx, spec, store, total_steps, evidence),
        label,
        store=store,
        again=True,
        stopped=f"Stopped after {done} of {total_steps} steps; they are saved.",
        icon=":material/play_circle:",
        type="primary",
    )


def _compute_steps(
    job: Job, ctx: PageContext, spec: EvolutionSpec, store: Store | None, total_steps: int, evidence: Community | None
) -> int:
    """Runs in a worker thread: no call to streamlit here."""
    count = 0
    job.run = f"evolve-{spec.id}"
    model = ctx.user_model(store, run=job.run, cancelled=job.cancelled)
    for step in run_evolution(ctx.dataset, ctx.split, model, spec, store, cancelled=job.cancelled, community=evidence):
        count = step.number
        job.report_progress(count, total_steps, f"Step {count} of {total_steps} is done")
    return count


def profile_before(ctx: PageContext, user: int, steps: Sequence[Step], number: int) -> Profile:
    """The profile that a step started from."""
    return steps[number - 2].profile if number > 1 else initial_context(ctx.dataset, ctx.split, user).profile


def load_all_steps(ctx: PageContext, user: int) -> list[Step]:
    """The whole evolution, or what there is of it with the button that completes it.

    Raises:
        LusiferError: nothing to read.
    """
    spec = ctx.evolution_spec(user)
    steps, total_steps = load_steps(ctx, spec)
    if len(steps) < total_steps:
        st.info("Compute the profile first.", icon=":material/hourglass_empty:")
        offer_missing_steps(ctx, spec, len(steps), total_steps)
    return steps if len(steps) == total_steps else []

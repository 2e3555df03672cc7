"""Predictive validity of the claims of a comparison's users: its price and its job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from lusifer.evaluation import RunContext
from lusifer.evaluation.audit import Validity, predictive_validity
from lusifer.jobs import Job
from lusifer.simulator import Step
from lusifer.simulator.estimate import Estimate, estimate_rating
from lusifer.simulator.evolution import context_after
from lusifer.store import Store
from lusifer.ui.state import PageContext


def is_same_model(ctx: PageContext, run: dict[str, Any]) -> bool:
    """Whether the model chosen in the sidebar, with its prompts, is the one of a run."""
    model = ctx.without_evidence().user_model()
    return (model.spec, model.version) == (run["model"], run["model_version"])


def stored_evolutions(ctx: PageContext, users: Sequence[int]) -> dict[int, list[Step]]:
    """The stored evolutions of a comparison's users, without evidence."""
    plain_ctx = ctx.without_evidence()
    steps_by_user = {u: plain_ctx.stored_steps(plain_ctx.evolution_spec(u)) for u in users}
    return {u: steps for u, steps in steps_by_user.items() if steps}


def estimate_validity(ctx: PageContext, steps: dict[int, list[Step]], store: Store | None) -> Estimate:
    """What predictive validity costs: each batch after the first forecast once more."""
    calls = int(store.get_usage()["made"]) if store else 0
    return _estimate_validity(ctx, steps, store, repr(sorted(steps)), ctx.model, ctx.prompts, calls)


@st.cache_data(max_entries=20, show_spinner="Counting calls …")
def _estimate_validity(
    _ctx: PageContext,
    _steps: dict[int, list[Step]],
    _store: Store | None,
    users: str,
    spec: str,
    prompts: str,
    calls: int,
) -> Estimate:
    ctx, steps, store = _ctx, _steps, _store
    model, total = ctx.without_evidence().user_model(store), Estimate(dollars=0.0)
    for user, user_steps in steps.items():
        for index in range(1, len(user_steps)):
            context = context_after(ctx.dataset, ctx.split, user, user_steps[: index - 1])
            items = [r.item for r in user_steps[index].batch]
            total += estimate_rating(model, store, context, items, "forecast")
    return total


def measure_validity(
    job: Job, ctx: PageContext, steps: dict[int, list[Step]], store: Store | None, comparison_run: str
) -> Validity | None:
    """Runs in a worker thread: no call to streamlit here."""
    job.run = f"validity-{comparison_run}"
    model = ctx.without_evidence().user_model(store, run=job.run, cancelled=job.cancelled)
    run_context = RunContext(
        ctx.dataset,
        ctx.split,
        on_progress=lambda done, total, message="": job.report_progress(
            done, total, "Forecasts from the previous profile"
        ),
        cancelled=job.cancelled,
    )
    return predictive_validity(run_context, model, steps)

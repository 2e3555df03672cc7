"""Predictive validity of the claims of a comparison's users: its price and its job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from lusifer.evaluation.audit import Validity, predictive_validity
from lusifer.jobs import Job
from lusifer.simulator import Step
from lusifer.simulator.estimate import Estimate, for_rating
from lusifer.simulator.evolution import context_after
from lusifer.store import Store
from lusifer.ui.state import PageContext


def is_same_model(picked: PageContext, shown: dict[str, Any]) -> bool:
    """Whether the model chosen in the sidebar, with its prompts, is the one of a run."""
    model = picked.alone().user_model()
    return (model.spec, model.version) == (shown["model"], shown["model_version"])


def stored_evolutions(picked: PageContext, users: Sequence[int]) -> dict[int, list[Step]]:
    """The stored evolutions of a comparison's users, the model alone."""
    alone = picked.alone()
    found = {u: alone.stored(alone.plan(u)) for u in users}
    return {u: steps for u, steps in found.items() if steps}


def estimate_validity(picked: PageContext, steps: dict[int, list[Step]], store: Store | None) -> Estimate:
    """What predictive validity costs: each batch after the first forecast once more."""
    calls = int(store.usage()["made"]) if store else 0
    return _estimate_validity(picked, steps, store, repr(sorted(steps)), picked.model, picked.prompts, calls)


@st.cache_data(max_entries=20, show_spinner="Counting calls …")
def _estimate_validity(
    _picked: PageContext,
    _steps: dict[int, list[Step]],
    _store: Store | None,
    users: str,
    spec: str,
    prompts: str,
    calls: int,
) -> Estimate:
    picked, steps, store = _picked, _steps, _store
    model, total = picked.alone().user_model(store), Estimate(dollars=0.0)
    for user, made in steps.items():
        for at in range(1, len(made)):
            context = context_after(picked.dataset, picked.split, user, made[: at - 1])
            items = [r.item for r in made[at].batch]
            total += for_rating(model, store, context, items, "forecast")
    return total


def measure_validity(
    job: Job, picked: PageContext, steps: dict[int, list[Step]], store: Store | None, of: str
) -> Validity | None:
    """Runs in a worker thread: no call to streamlit here."""
    job.run = f"validity-{of}"
    model = picked.alone().user_model(store, run=job.run, cancelled=job.cancelled)
    return predictive_validity(
        picked.dataset,
        picked.split,
        model,
        steps,
        cancelled=job.cancelled,
        on_progress=lambda done, total: job.report_progress(done, total, "Forecasts from the previous profile"),
    )

"""Work that runs at once where it is free, else after a button that names the price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from lusifer.errors import LusiferError
from lusifer.jobs import Job
from lusifer.simulator.estimate import Estimate
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components import job_panel
from lusifer.ui.formatting import format_cost
from lusifer.ui.session_keys import Slot
from lusifer.ui.state import PageContext


def run_or_offer(
    ctx: PageContext,
    key: str,
    title: str,
    label: str,
    cost: Callable[[], Estimate],
    work: Callable[[Job], Any],
    store: Store | None,
) -> Any | None:
    """What a piece of work gives: at once where it costs nothing, else after a button that names the price."""
    if ctx.is_free:
        return work(Job(key, title))
    job = job_panel.offer_job(
        key,
        title,
        work,
        lambda: f"{label} ({format_cost(cost())})",
        store=store,
        icon=":material/play_circle:",
        type="primary",
    )
    return job.result if job is not None else None


def offer_run(
    ctx: PageContext,
    key: str,
    title: str,
    label: str,
    cost: Callable[[], Estimate],
    work: Callable[[Job], Any],
    store: Store | None,
    slot: Slot[Any] | None = None,
    **button: Any,
) -> None:
    """The button that names the price and starts a run, or the progress of the one that is under way.

    Args:
        ctx: with the built-in or a recording a run costs nothing.
        key: of the job.
        title: of the job.
        label: of the button, ahead of the price.
        cost: counts the price.
        work: what the job does.
        store: where its calls are recorded.
        slot: where its result goes.
        button: what else the button is given.
    """
    if not job_panel.job_ended(key, slot):
        return
    try:
        tag = "costs nothing" if ctx.is_free else format_cost(cost())
    except LusiferError as error:
        state.show_error(error)
        return
    if st.button(f"{label} ({tag})", **button):
        state.get_jobs().start(key, title, work, store=store)
        st.rerun()

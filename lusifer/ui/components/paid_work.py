"""Work that runs at once where it is free, else after a button that names the price."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from lusifer.jobs import Job
from lusifer.simulator.estimate import Estimate
from lusifer.store import Store
from lusifer.ui import formatting, state
from lusifer.ui.components import job_panel
from lusifer.ui.formatting import escape_markdown
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
    if ctx.builtin:
        return work(Job(key, title))
    job = state.get_jobs().get(key)
    if job is not None and job.active:
        job_panel.show_progress(key)
        return None
    if job is not None and job.state == "done":
        return job.result
    if job is not None:
        st.error(escape_markdown(job.error), icon=":material/error:")
    if st.button(f"{label} ({formatting.format_cost(cost())})", icon=":material/play_circle:", type="primary"):
        state.get_jobs().start(key, title, work, store=store)
        st.rerun()
    return None

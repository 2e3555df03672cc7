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
from lusifer.ui.formatting import literal
from lusifer.ui.state import Chosen


def free_or_asked(
    picked: Chosen,
    key: str,
    title: str,
    label: str,
    cost: Callable[[], Estimate],
    work: Callable[[Job], Any],
    store: Store | None,
) -> Any | None:
    """What a piece of work gives: at once where it costs nothing, else after a button that names the price."""
    if picked.builtin:
        return work(Job(key, title))
    job = state.jobs().get(key)
    if job is not None and job.active:
        job_panel.job_progress(key)
        return None
    if job is not None and job.state == "done":
        return job.result
    if job is not None:
        st.error(literal(job.error), icon=":material/error:")
    if st.button(f"{label} ({formatting.price_tag(cost())})", icon=":material/play_circle:", type="primary"):
        state.jobs().start(key, title, work, store=store)
        st.rerun()
    return None

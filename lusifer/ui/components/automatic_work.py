"""What costs nothing and is missing is computed by itself, in the background, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from lusifer import settings
from lusifer.jobs import Job
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components import job_panel
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.state import PageContext


def start_missing(
    ctx: PageContext, store: Store | None, key: str, title: str, work: Callable[[Job], Any]
) -> Job | None:
    """Start what a page lacks, where nobody pays for it; the job, be it new, under way or over.

    What failed or was cancelled is not started again: a person's button does that.

    Args:
        ctx: the choices; only the built-in and recordings are asked by themselves.
        store: where the result is kept; without one nothing is started, for it would be computed at every opening.
        key: what finds the job again, the same for everybody who would get the same result.
        title: how it is listed.
        work: runs in a worker thread and asks streamlit for nothing.
    """
    jobs = state.get_jobs()
    job = jobs.get(key)
    if job is not None:
        return job
    if not ctx.is_free or store is None or not settings.computes_automatically():
        return None
    return jobs.start(key, title, work, store=store)


def show_work(job: Job | None, what: str = "", show_parts: job_panel.ShowParts | None = None) -> bool:
    """The progress of such a job, or why it ended without a result; whether it is under way.

    Args:
        job: from `start_missing`, or one that a person started.
        what: what is being computed, in a sentence or two.
        show_parts: draws what is ready of its result.
    """
    if job is None:
        return False
    if job.active:
        if what:
            st.caption(what)
        job_panel.show_progress(job.id, show_parts)
    elif job.state in {"failed", "cancelled"}:
        st.warning(escape_markdown(job.error), icon=":material/error:")
    return job.active

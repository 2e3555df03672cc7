"""Progress of background jobs: rate, time left, calls and cancel button."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from lusifer.jobs import Job
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.formatting import escape_markdown, format_duration, format_spent
from lusifer.ui.session_keys import Slot

ShowParts = Callable[[Mapping[str, Mapping[str, float]]], None]
"""Draws the parts of a result that are ready, by name."""


@st.fragment(run_every=0.7)
def show_progress(key: str, show_parts: ShowParts | None = None) -> None:
    """A job's progress, rate, time left and cancel button; reruns the page when it ends.

    It also runs the page again when the job goes on to its next run, so that the one before is shown. ``show_parts``
    draws what is ready of its result.
    """
    job = state.get_jobs().get(key)
    if job is None or not job.active:
        st.rerun()
        return
    drawn = Slot(f"_run-of-{key}", "")
    if drawn.get() != job.run:
        first = not drawn.get()
        drawn.set(job.run)
        if not first:
            st.rerun()
    st.progress(job.share or 0.0, text=describe_progress(job))
    if job.run:
        _show_usage(job.run)
    if job.cancelled():
        st.caption("Stopping …")
    elif st.button("Cancel", icon=":material/stop_circle:", key=f"cancel-{key}"):
        job.cancel()
    if show_parts is not None:
        show_parts(dict(job.parts))


def describe_progress(job: Job) -> str:
    """What a job is at and how long it still takes, in Markdown."""
    text = escape_markdown(job.message or job.title)
    if job.state == "waiting":
        return f"{text} waits until other work has ended"
    if job.share is not None and (job.seconds_left or 0.0) >= 1 and job.seconds > 2:
        text += f" · about {format_duration(job.seconds_left or 0.0)} left"
    return text


def job_ended(key: str, slot: Slot[Any] | None = None) -> bool:
    """Whether nothing is under way under a key.

    While something is, its progress is drawn; once it has ended, its result goes to the session's ``slot`` (and the
    page runs again), or its error is said once.
    """
    job = state.get_jobs().get(key)
    if job is None:
        return True
    if job.active:
        show_progress(key)
        return False
    state.get_jobs().discard(key)
    if job.state == "done":
        if slot is not None:
            slot.set(job.result)
        st.rerun()
    st.error(escape_markdown(job.error), icon=":material/error:")
    return True


def offer_job(
    job_key: str,
    title: str,
    work: Callable[[Job], Any],
    label: str | Callable[[], str],
    *,
    store: Store | None = None,
    stopped: str = "",
    again: bool = False,
    wait: float = 0.0,
    **button: Any,
) -> Job | None:
    """The button that starts a job, its progress while it runs, and its error once it has failed.

    Args:
        job_key: under which it is known to this server.
        title: how it is listed.
        work: runs in a worker thread and asks streamlit for nothing.
        label: of the button; a function where it takes a while to count what it names.
        store: where the job's calls are recorded.
        stopped: what is said of a job that a person stopped.
        again: whether it may be started anew once it has succeeded.
        wait: seconds to wait for a job that has just been started.
        button: what else the button is given.

    Returns:
        The job once it has succeeded, None before.
    """
    job = state.get_jobs().get(job_key)
    if job is not None and job.active:
        show_progress(job_key)
        return None
    if job is not None and job.state == "cancelled" and stopped:
        st.info(stopped)
    elif job is not None and job.error:
        st.error(escape_markdown(job.error), icon=":material/error:")
    succeeded = job if job is not None and job.state == "done" else None
    if succeeded is not None and not again:
        return succeeded
    if st.button(label if isinstance(label, str) else label(), **button):
        state.get_jobs().start(job_key, title, work, store=store).wait(wait)
        st.rerun()
    return succeeded


def _show_usage(run: str) -> None:
    """Calls made, from cache and failed, and what they cost, of a run that is under way."""
    store = state.open_store()
    used = store.get_run_usage(run) if store else None
    if not used or not (used["made"] or used["cached"]):
        return
    spent = format_spent(used)
    st.caption(
        f"{used['made']:,.0f} calls made, {used['cached']:,.0f} from cache, {used['failed']:,.0f} failed, "
        f"{used['tokens']:,.0f} tokens, {spent} spent so far".replace("$", "\\$")
    )

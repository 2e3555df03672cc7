"""Progress of background jobs: rate, time left, calls and cancel button."""

from __future__ import annotations

import streamlit as st

from lusifer.ui import state
from lusifer.ui.formatting import duration, literal, money


@st.fragment(run_every=0.7)
def job_progress(key: str) -> None:
    """A job's progress, rate, time left and cancel button; reruns the page when it ends."""
    job = state.jobs().get(key)
    if job is None or not job.active:
        st.rerun()
        return
    share = job.share
    text = literal(job.message or job.title)
    if share is not None and job.seconds_left is not None and job.seconds > 2:
        text += f" · about {duration(job.seconds_left)} left"
    if job.rate and job.total and job.total != 100:
        text += f" · {job.done} of {job.total} ({job.rate:.1f} a second)"
    st.progress(share or 0.0, text=text)
    if job.run:
        _calls_of(job.run)
    if job.cancelled():
        st.caption("Stopping after the present call …")
    elif st.button("Cancel", icon=":material/stop_circle:", key=f"cancel-{key}"):
        job.cancel()


def job_ended(key: str, slot: str) -> bool:
    """Whether nothing is under way under a key. While something is, its progress is drawn; once it has ended,
    its result goes to the session's ``slot`` (and the page runs again), or its error is said once."""
    job = state.jobs().get(key)
    if job is None:
        return True
    if job.active:
        job_progress(key)
        return False
    state.jobs().forget(key)
    if job.state == "done":
        st.session_state[slot] = job.result
        st.rerun()
    st.error(literal(job.error), icon=":material/error:")
    return True


def _calls_of(run: str) -> None:
    """Calls made, from cache and failed, and what they cost, of a run that is under way."""
    store = state.store()
    used = store.run_usage(run) if store else None
    if not used or not (used["made"] or used["cached"]):
        return
    spent = money(used["price"]) + (" + unpriced" if used["unpriced"] else "")
    st.caption(
        f"{used['made']:,.0f} calls made, {used['cached']:,.0f} from cache, {used['failed']:,.0f} failed, "
        f"{used['tokens']:,.0f} tokens, {spent} so far".replace("$", "\\$")
    )

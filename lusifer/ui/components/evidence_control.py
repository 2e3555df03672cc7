"""Community evidence in the sidebar: whether the model is told what others gave, and preparing that."""

from __future__ import annotations

import streamlit as st

from lusifer import settings
from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import LusiferError
from lusifer.jobs import Job
from lusifer.simulator import community
from lusifer.ui import state
from lusifer.ui.components.job_panel import job_progress
from lusifer.ui.formatting import literal, say


def control(data: Dataset, split: Split, asked: bool = False) -> bool:
    """The switch, and the job behind it while it is not prepared; whether evidence is told now.

    ``asked``: the chosen prompts want it.
    """
    wanted = st.toggle(
        "Community evidence",
        key="evidence",
        bind="query-params",
        help=say(
            "Tell the model, for each movie it rates, what others gave it: their mean, the most similar "
            "users, a factorisation machine's estimate; all from the training part, without this user's "
            "rating. Off: the model alone."
        ),
    )
    if asked and not wanted:
        st.caption("These prompts tell the model what others gave, so it is on.")
    elif not wanted:
        return False
    if ready(data, split):
        return True
    prepare(data, split)
    return False


def ready(data: Dataset, split: Split) -> bool:
    """Whether it has been prepared."""
    return community.is_cached(data, split, settings.prediction_cache_dir())


def prepare(data: Dataset, split: Split) -> None:
    """The button that prepares it, or the progress of that."""
    key = f"community:{community.cache_key(data, split)}"
    job = state.jobs().get(key)
    if job is not None and job.active:
        job_progress(key)
        return
    if job is not None and job.state == "failed":
        st.warning(literal(job.error), icon=":material/error:")
    st.caption(
        "Not prepared for this split yet: factorisation machines have to be fitted, on everything and on "
        "all but each part. About a minute and a half, once; it costs nothing."
    )
    if st.button("Prepare community evidence", icon=":material/groups:", key=f"prepare-{key}"):
        state.jobs().start(key, "Community evidence", lambda j: _work(j, data, split))
        st.rerun()


def _work(job: Job, data: Dataset, split: Split) -> None:
    """Runs in a worker thread: no call to streamlit here."""

    def on_progress(done: int, total: int, message: str = "") -> None:
        job.report_progress(round(100 * done / max(total, 1)), 100, "Fitting factorisation machines")

    community.with_factorization(
        data, split, settings.prediction_cache_dir(), on_progress=on_progress, cancelled=job.cancelled
    )
    if not ready(data, split):
        raise LusiferError(
            f"The evidence was computed but can't be kept in {settings.prediction_cache_dir()}.",
            "Give yourself write access to the data folder, and make room on the disk.",
        )

"""Community evidence in the prompt: whether it is prepared, and how it is."""

from __future__ import annotations

import streamlit as st

from lusifer import settings
from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import LusiferError
from lusifer.jobs import Job
from lusifer.simulator import community
from lusifer.simulator.community import Community
from lusifer.ui.components import job_panel


def show_required(data: Dataset, split: Split) -> bool:
    """What prompts with community evidence need, said in the sidebar; whether it is there."""
    if is_prepared(data, split):
        st.caption("These prompts have community evidence in them.")
        return True
    key = f"community:{community.cache_key(data, split)}"
    st.caption(
        "These prompts have community evidence in them. It is not prepared for this split yet: factorization "
        "machines have to be fitted, on the whole training set and on each fold's complement. It costs nothing."
    )
    job_panel.offer_job(
        key,
        "Community evidence",
        lambda j: prepare(data, split, j),
        "Prepare community evidence",
        icon=":material/groups:",
        key=f"prepare-{key}",
    )
    return False


def is_prepared(data: Dataset, split: Split) -> bool:
    """Whether it has been prepared."""
    return community.is_cached(data, split, settings.prediction_cache_dir())


def prepare(data: Dataset, split: Split, job: Job) -> Community:
    """The evidence, computed where it is not stored yet. Runs in a worker thread: no call to streamlit here.

    Raises:
        LusiferError: it can't be saved.
        CancelledError: somebody stopped the job.
    """

    def on_progress(done: int, total: int, message: str = "") -> None:
        job.report_progress(round(100 * done / max(total, 1)), 100, "Fitting factorization machines")

    folder = settings.prediction_cache_dir()
    found = community.with_factorization(data, split, folder, on_progress=on_progress, cancelled=job.cancelled)
    if not is_prepared(data, split):
        raise LusiferError(
            f"The evidence was computed but can't be saved in {folder}.",
            "Check write access to the data folder and free disk space.",
        )
    return found

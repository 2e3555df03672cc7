"""The sidebar's switch for community evidence in the prompt, and its preparation."""

from __future__ import annotations

import streamlit as st

from lusifer import settings
from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import LusiferError
from lusifer.jobs import Job
from lusifer.simulator import community
from lusifer.ui import page_state
from lusifer.ui.components import job_panel
from lusifer.ui.formatting import with_item_noun


def show_switch(data: Dataset, split: Split, required: bool = False) -> bool:
    """The switch, and the job behind it while it is not prepared; whether evidence is told now.

    Args:
        data: the dataset.
        split: the split on which it is prepared.
        required: whether the chosen prompts want it.
    """
    switched_on = st.toggle(
        "Community evidence",
        key=page_state.seed("evidence"),
        help=with_item_noun(
            "For each movie, adds other users' ratings to the prompt: their mean, the ratings of the most similar "
            "users, and a factorization machine's estimate; all from the training set, without this user's "
            "rating. Off: the model alone."
        ),
    )
    if required and not switched_on:
        st.caption("On, because these prompts use community evidence.")
    elif not switched_on:
        return False
    if is_prepared(data, split):
        return True
    show_preparation(data, split)
    return False


def is_prepared(data: Dataset, split: Split) -> bool:
    """Whether it has been prepared."""
    return community.is_cached(data, split, settings.prediction_cache_dir())


def show_preparation(data: Dataset, split: Split) -> None:
    """The button that prepares it, or the progress of that."""
    key = f"community:{community.cache_key(data, split)}"
    st.caption(
        "Not prepared for this split yet: factorization machines have to be fitted, on the whole training set and on "
        "each fold's complement. About a minute and a half, once; it costs nothing."
    )
    job_panel.offer_job(
        key,
        "Community evidence",
        lambda j: _prepare_evidence(j, data, split),
        "Prepare community evidence",
        icon=":material/groups:",
        key=f"prepare-{key}",
    )


def _prepare_evidence(job: Job, data: Dataset, split: Split) -> None:
    """Runs in a worker thread: no call to streamlit here."""

    def on_progress(done: int, total: int, message: str = "") -> None:
        job.report_progress(round(100 * done / max(total, 1)), 100, "Fitting factorization machines")

    community.with_factorization(
        data, split, settings.prediction_cache_dir(), on_progress=on_progress, cancelled=job.cancelled
    )
    if not is_prepared(data, split):
        raise LusiferError(
            f"The evidence was computed but can't be saved in {settings.prediction_cache_dir()}.",
            "Check write access to the data folder and free disk space.",
        )

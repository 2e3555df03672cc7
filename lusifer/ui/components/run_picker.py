"""Recorded runs as pages list them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from lusifer.runs import listing
from lusifer.runs.kinds import RunKind
from lusifer.store import Store
from lusifer.ui import job_context
from lusifer.ui.session_keys import Slot
from lusifer.ui.state import PageContext


def finished_runs(ctx: PageContext, store: Store | None, kind: RunKind[Any]) -> list[dict[str, Any]]:
    """Finished runs of a kind on this dataset and split, newest first."""
    return listing.finished_runs(job_context.build_run_context(ctx, store), kind)


def run_titles(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """How runs are listed, by id. No two alike: a list tells its entries apart by what it shows."""
    return {r["id"]: f"{r['created_at'][:16].replace('T', ' ')} · {r['title']} · {r['id'][-4:]}" for r in runs}


def chosen_run(runs: Sequence[dict[str, Any]], key: str, parameter: str, slot: Slot[Any]) -> dict[str, Any]:
    """The result that is shown where its list stands below it: a new one, else the link's, else the list's choice."""
    ids = [r["id"] for r in runs]
    requested = slot.get()
    if requested is None:
        requested = st.session_state.get(key, st.query_params.get(parameter))
    return next((r for r in runs if r["id"] == requested), runs[0]) if ids else {}


def pick_run(
    runs: Sequence[dict[str, Any]],
    key: str,
    parameter: str,
    slot: Slot[Any],
    suffix: Callable[[str], str] = lambda run: "",
) -> dict[str, Any]:
    """The list of results: a new one first, else the link's, else the one that was chosen; kept in the address.

    Args:
        runs: at least one run.
        key: of the list.
        parameter: of the address.
        slot: where a job that has just ended leaves the id of its run.
        suffix: what is added to a run's title.
    """
    listed = {run: title + suffix(run) for run, title in run_titles(runs).items()}
    requested = slot.pop()
    if requested is None and key not in st.session_state:  # else the list says what is shown
        requested = st.query_params.get(parameter)
    if requested in listed:
        st.session_state[key] = requested
    run = st.selectbox("Result", list(listed), key=key, format_func=lambda r: listed.get(r, r))
    st.query_params[parameter] = run
    return next(r for r in runs if r["id"] == run)

"""Recorded runs as pages list them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from lusifer.runs import listing
from lusifer.runs.kinds import RunKind
from lusifer.store import Store
from lusifer.ui import job_context, page_state
from lusifer.ui.session_keys import Slot
from lusifer.ui.state import PageContext


def finished_runs(ctx: PageContext, store: Store | None, kind: RunKind[Any]) -> list[dict[str, Any]]:
    """Finished runs of a kind on this dataset and split, newest first."""
    return listing.finished_runs(job_context.build_run_context(ctx, store), kind)


def run_titles(runs: Sequence[dict[str, Any]]) -> dict[str, str]:
    """How runs are listed, by id. No two alike: a list tells its entries apart by what it shows."""
    return {r["id"]: f"{r['created_at'][:16].replace('T', ' ')} · {r['title']} · {r['id'][-4:]}" for r in runs}


def settle_run(attribute: str, runs: Sequence[dict[str, Any]], what: str = "result") -> str:
    """Which of some runs is shown: the one that is chosen or that a link names, else the newest; "" of none.

    Args:
        attribute: the field of the page's state that holds its id.
        runs: newest first.
        what: how a run of this kind is called.
    """
    chosen, ids = str(getattr(page_state.current(), attribute)), [r["id"] for r in runs]
    run = chosen if chosen in ids else next(iter(ids), "")
    instead = " The newest is shown." if run else ""
    page_state.settle(
        attribute,
        run,
        f"There is no {what} {chosen[:60]} here. It may have been deleted, or belong to another dataset, split or "
        f"experiment.{instead}",
    )
    return run


def chosen_run(runs: Sequence[dict[str, Any]], attribute: str, slot: Slot[Any]) -> dict[str, Any]:
    """The result that is shown: a new one, else the one that is chosen or that a link names; nothing of no runs.

    Args:
        runs: newest first.
        attribute: the field of the page's state that holds the id of the run.
        slot: where a job that has just ended leaves the id of its run.
    """
    ended = slot.pop()
    if ended in {r["id"] for r in runs}:
        page_state.choose(**{attribute: ended})
    run = settle_run(attribute, runs)
    return next((r for r in runs if r["id"] == run), {})


def pick_run(
    runs: Sequence[dict[str, Any]],
    attribute: str,
    slot: Slot[Any],
    key: str | None = None,
    suffix: Callable[[str], str] = lambda run: "",
) -> dict[str, Any]:
    """The list of results: a new one first, else the link's, else the one that was chosen; kept in the address.

    Args:
        runs: at least one run.
        attribute: the field of the page's state that holds the id of the run.
        slot: where a job that has just ended leaves the id of its run.
        key: of the list, if it has one of its own.
        suffix: what is added to a run's title.
    """
    listed = {run: title + suffix(run) for run, title in run_titles(runs).items()}
    run = chosen_run(runs, attribute, slot)
    st.selectbox(
        "Result", list(listed), key=page_state.seed(attribute, key=key), format_func=lambda r: listed.get(r, r)
    )
    return run

"""Pinned comparisons: what others are held against. On a public server a session's own, else everybody's."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.evaluation.bootstrap import Bootstrap
from lusifer.evaluation.comparison_metrics import BEST_INFORMED
from lusifer.evaluation.error_slices import DRAWS
from lusifer.evaluation.metrics import MIN_USERS
from lusifer.runs.kinds import COMPARISON
from lusifer.store import Store
from lusifer.ui import session_keys
from lusifer.ui.components import predictor_titles, run_picker
from lusifer.ui.pages.accuracy import accuracy_tables
from lusifer.ui.pages.accuracy.accuracy_tables import RowFilter
from lusifer.ui.state import PageContext

MAX_REFERENCES = 4
"""Pinned runs that a chart shows."""
MARK = "★"
MAX_TITLE = 22
"""Characters of a run's title that a chart has room for."""


def pinned_ids(store: Store | None) -> list[str]:
    """The runs that are pinned, the first pinned first. A visitor begins with the operator's pins."""
    own = session_keys.SESSION_PINS.get()
    if own is not None and _belong_to_session(store):
        return list(own)
    return [] if store is None else store.list_pinned_runs()


def toggle_pin(store: Store | None, run: str) -> None:
    """Pin a run, or take its pin back.

    Raises:
        StoreError: the run is gone, or the database can't be written.
    """
    pinned = pinned_ids(store)
    if store is None or _belong_to_session(store):
        session_keys.SESSION_PINS.set(tuple(r for r in pinned if r != run) if run in pinned else (*pinned, run))
    else:
        store.pin_run(run, run not in pinned)


def _belong_to_session(store: Store | None) -> bool:
    """Whether pins belong to the session: others neither see nor undo them."""
    return store is None or settings.is_public()


def with_pinned(ctx: PageContext, store: Store | None, runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest comparisons and, behind them, older ones on the same data that are pinned."""
    listed = {run["id"] for run in runs}
    older = [store.get_run(run) for run in pinned_ids(store) if run not in listed] if store is not None else []
    wanted = (COMPARISON.name, ctx.dataset.hash, ctx.split.id, "done")
    columns = ("kind", "dataset_hash", "split", "status")
    return [*runs, *(run for run in older if run is not None and tuple(run[c] for c in columns) == wanted)]


def pinned_first(runs: Sequence[dict[str, Any]], pinned: Sequence[str]) -> list[dict[str, Any]]:
    """The same runs, those that are pinned ahead of the others."""
    return sorted(runs, key=lambda run: pinned.index(run["id"]) if run["id"] in pinned else len(pinned))


def run_titles(runs: Sequence[dict[str, Any]], pinned: Sequence[str]) -> dict[str, str]:
    """How runs are listed, by id: those that are pinned ahead of the others, with a star."""
    titles = run_picker.run_titles(pinned_first(runs, pinned))
    return {run: f"{MARK} {title}" if run in pinned else title for run, title in titles.items()}


def headline(run: Mapping[str, Any]) -> str:
    """The predictor that a run is about: its best-informed simulator, else the one with the lowest RMSE."""
    figures = run["summary"]["predictors"]
    simulators = [name for name in BEST_INFORMED if name in figures]
    return simulators[0] if simulators else min(figures, key=lambda n: figures[n]["rmse"] or math.inf, default="")


def reference_rows(
    ctx: PageContext, runs: Sequence[dict[str, Any]], pinned: Sequence[str], shown: str, row_filter: RowFilter
) -> pd.DataFrame:
    """RMSE of the headlines of pinned runs on those of their own ratings that pass the filter.

    Args:
        ctx: the choices of the page.
        runs: the recorded comparisons.
        pinned: ids of those that are pinned; the first `MAX_REFERENCES` count.
        shown: the run that is shown, which is no reference to itself.
        row_filter: the filter of the page.

    Returns:
        Columns predictor (what the chart writes), title (in full), rmse, rmse_low, rmse_high, rows.
    """
    lines = []
    for run in [r for r in pinned_first(runs, pinned) if r["id"] in pinned and r["id"] != shown][:MAX_REFERENCES]:
        rows, name = accuracy_tables.load_predictions(run, ctx.dataset), headline(run)
        if rows is None or name not in rows:
            continue
        passing = row_filter.passing(rows, ctx)
        if passing.empty:
            continue
        value, low, high = _rmse(passing, run["id"], repr(row_filter), name, int(run["seed"]))
        title, brief = (html.escape(text, quote=False) for text in (run["title"], run["title"][:MAX_TITLE]))
        label = f"{MARK} {brief}{'…' * (len(run['title']) > MAX_TITLE)} ({run['id'][-4:]})"
        title += f", {predictor_titles.within_sentence(predictor_titles.short_title(name))}"
        lines.append((label, title, value, low, high, len(passing)))
    return pd.DataFrame(lines, columns=["predictor", "title", "rmse", "rmse_low", "rmse_high", "rows"])


@st.cache_data(max_entries=30, show_spinner=False)
def _rmse(_rows: pd.DataFrame, run: str, key: str, name: str, seed: int) -> tuple[float, float, float]:
    """RMSE with its interval of the filtered rows; ``key`` names the filter."""
    users, errors = _rows["user_id"], (_rows[name] - _rows["rating"]).to_numpy(float)
    figure = Bootstrap(users, seed, DRAWS, MIN_USERS).rmse(users.to_numpy(), errors)
    return figure.value, figure.low, figure.high

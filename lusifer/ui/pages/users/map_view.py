"""The map of users: everybody by taste, searched by words, and who is like whom."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.charts import user_map_charts
from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.evaluation import SIMULATOR
from lusifer.evaluation.user_map import UserMap, build_user_map, load_user_map
from lusifer.evaluation.user_search import UserSearch, read_search
from lusifer.jobs import Job
from lusifer.runs.kinds import COMPARISON
from lusifer.store import Store
from lusifer.ui import page_state, session_keys, state
from lusifer.ui.caching import HASHES
from lusifer.ui.components import job_panel, run_picker, user_picker
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.pages.accuracy import accuracy_tables
from lusifer.ui.state import PageContext

MOST_POINTS = 6000
"""Points that a browser is sent; of more users a sample is drawn, with all that are found."""
LISTED = 6
"""Users that a list beside the map holds."""
COLOURS = {"mean": "Mean rating", "activity": "Activity", "genre": "Favourite genre", "error": "Error of the simulator"}


def show_map(ctx: PageContext, store: Store | None, user: int | None) -> None:
    """The search field, the map with its colours, and beside it who is found and who is like the selected user."""
    users = _find_map(ctx)
    if users is None:
        return
    st.text_input(
        "Search by words",
        **page_state.seed_typed("user_search"),
        placeholder="likes noir, strict",
        max_chars=200,
        icon=":material/search:",
        help="Genres, moods, how somebody rates and how much: “hates comedies, loves war, generous”. "
        "Measured from the ratings of the training set.",
    )
    text = page_state.current().user_search.strip()
    search = read_search(text, users, ctx.dataset)
    with st.grid(2, min_column_width=420, gap="medium"):
        with st.container():
            _show_points(ctx, store, users, search, user)
        with st.container():
            if text:
                _show_found(ctx, users, search)
            if user is not None:
                _show_alike(ctx, users, user)


@st.cache_resource(max_entries=2, show_spinner=False, hash_funcs=HASHES)
def _load_map(data: Dataset, split: Split, folder: Path, stamp: int) -> UserMap | None:
    return load_user_map(data, split, folder)


def _find_map(ctx: PageContext) -> UserMap | None:
    """The map, computed once in the background for everybody; nothing while it is under way."""
    data, split, folder = ctx.dataset, ctx.split, settings.prediction_cache_dir()
    if not len(split.train):
        return None
    key = f"user-map:{data.hash[:8]}:{split.train.hash[:8]}"
    jobs = state.get_jobs()
    job = jobs.get(key)
    if job is not None and job.state == "done" and isinstance(job.result, UserMap):
        return job.result
    kept = _load_map(data, split, folder, 0) if job is None else None
    if kept is not None:
        return kept
    build = partial(_build, data=data, split=split, folder=folder)
    if job is None and settings.computes_automatically():
        jobs.start(key, "Map of users", build).wait(0.5)
    job_panel.offer_job(key, "Map of users", build, "Draw the map of users", icon=":material/scatter_plot:", wait=5.0)
    return None


def _build(job: Job, *, data: Dataset, split: Split, folder: Path) -> UserMap:
    return build_user_map(data, split, folder, job.report_progress, job.cancelled)


def _show_points(ctx: PageContext, store: Store | None, users: UserMap, search: UserSearch, user: int | None) -> None:
    errors = simulator_errors(ctx, store)
    offered = [c for c in COLOURS if c != "error" or errors is not None]
    colour = page_state.settle_choice("map_colour", offered, lambda given: f"The map can't be coloured by {given} here")
    st.segmented_control(
        "Colour",
        offered,
        key=page_state.seed("map_colour"),
        format_func=COLOURS.__getitem__,
        required=True,
        label_visibility="collapsed",
    )
    frame = map_frame(ctx, users, search, user, colour, errors)
    st.plotly_chart(
        user_map_charts.user_map(
            frame,
            {"activity": "Ratings", "error": "RMSE"}.get(colour, COLOURS[colour]),
            [*users.poles(0), *users.poles(1)],
            low_is_good=colour == "error",
            logarithmic=colour == "activity",
        ),
        key=session_keys.USER_MAP,
        on_select=partial(_open_point, users),
        selection_mode="points",
        config={"scrollZoom": True, "displayModeBar": False},
        alt=f"Map of {len(users.users):,} users by taste, coloured by {COLOURS[colour].lower()}; "
        "the lists beside it and the table below hold the same users",
    )
    sample = f"{len(frame):,} of {len(users.users):,} users are drawn. " if len(frame) < len(users.users) else ""
    st.caption(
        f"{sample}Near one another: similar likes and dislikes in the training set, whatever their level. The arrows "
        "name the genres that people like more towards that side. Click a point to open the user."
    )


def simulator_errors(ctx: PageContext, store: Store | None) -> pd.Series | None:
    """RMSE by user of the chosen model alone in its newest comparison on this split; ``None`` where there is none."""
    runs = run_picker.finished_runs(ctx, store, COMPARISON)
    run = next((r for r in runs if r["model"] == ctx.model), None)
    rows = accuracy_tables.load_predictions(run, ctx.dataset) if run is not None else None
    if rows is None or SIMULATOR not in rows:
        return None
    squares = (rows[SIMULATOR] - rows["rating"]) ** 2
    return squares.groupby(rows["user_id"]).mean() ** 0.5


def map_frame(
    ctx: PageContext,
    users: UserMap,
    search: UserSearch,
    user: int | None,
    colour: str,
    errors: pd.Series | None,
) -> pd.DataFrame:
    """The points that are drawn, as `lusifer.charts.user_map_charts.user_map` has them."""
    found = (
        np.logical_and.reduce([c.fits for c in search.criteria]) if search.criteria else np.ones(len(users.users), bool)
    )
    alike = (
        np.isin(users.users, users.alike(user, LISTED)["user"].to_numpy(dtype=np.int64)) if user is not None else None
    )
    values: dict[str, Any] = {"mean": users.mean, "activity": users.ratings, "genre": users.favourite}
    if errors is not None:
        values["error"] = errors.reindex(users.users).to_numpy()
    frame = pd.DataFrame(
        {
            "user": users.users,
            "x": users.positions[:, 0],
            "y": users.positions[:, 1],
            "value": values[colour],
            "found": found,
            "alike": alike if alike is not None else False,
            "selected": users.users == user,
        }
    )
    if len(frame) > MOST_POINTS:
        order = np.random.default_rng(0).permutation(len(frame))
        wanted = frame["selected"].to_numpy() | frame["alike"].to_numpy()
        first = np.argsort(~wanted[order] * 2 - (found & bool(search.criteria))[order], kind="stable")
        frame = frame.iloc[np.sort(order[first[:MOST_POINTS]])]
    rows = np.searchsorted(users.users, frame["user"].to_numpy())
    favourites = users.favourite
    frame["label"] = [
        f"User {ctx.dataset.user_label(int(users.users[row]))}: {users.ratings[row]:,} ratings, mean "
        f"{users.mean[row]:.2f}" + (f", likes {favourites[row]}" if favourites[row] else "")
        for row in rows
    ]
    return frame


def _open_point(users: UserMap) -> None:
    """Choose the user whose point was pressed; what a browser sends is looked up, not believed."""
    points = st.session_state[session_keys.USER_MAP].selection.points
    data = points[0].get("customdata") if points else None
    user = next(iter(data), None) if isinstance(data, list | tuple) else data
    if type(user) is int and users.row_of(user) is not None:
        user_picker.select_user(user)


def _show_found(ctx: PageContext, users: UserMap, search: UserSearch) -> None:
    """What was understood, and the first who fit."""
    found, count = search.matches(users, LISTED)
    if search.criteria:
        st.markdown(f"**{count:,} of {len(users.users):,} users** fit what was understood:")
        st.markdown("\n".join(f"- {escape_markdown(c.said)}" for c in search.criteria))
    else:
        st.markdown("Nothing of this was understood. Try a genre, a mood, *strict*, *generous*, *active* or *casual*.")
    if search.ignored:
        st.caption(f":material/help: Not understood: {escape_markdown(', '.join(search.ignored))}.")
    if search.criteria and not count:
        st.caption("Nobody meets all of it. Take one of the words away.")
    _list_users(ctx, found, "found")


def _show_alike(ctx: PageContext, users: UserMap, user: int) -> None:
    name = escape_markdown(str(ctx.dataset.user_label(user)))
    alike = users.alike(user, LISTED)
    st.markdown(f"**People like user {name}**")
    if alike.empty:
        st.caption("This user has no rating in the training set, or nobody else has.")
        return
    st.caption("The most alike first, with the tastes that both show most clearly.")
    _list_users(ctx, alike, "alike")


def _list_users(ctx: PageContext, rows: pd.DataFrame, key: str) -> None:
    listed = st.container(gap=None)
    for user, why in zip(rows["user"], rows["why"], strict=True):
        with listed.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.button(
                f"User {ctx.dataset.user_label(int(user))}",
                key=f"{key}-{user}",
                type="tertiary",
                on_click=user_picker.select_user,
                args=(int(user),),
            )
            st.markdown(f":small[{escape_markdown(why)}]")

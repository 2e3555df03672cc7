"""A local user: rates items, watches the own profile evolve, and has the next ratings predicted."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.datasets import Dataset
from lusifer.datasets.splits import Split
from lusifer.errors import InvalidInputError, LusiferError, StoreError
from lusifer.evaluation import scores
from lusifer.safe_files import parse_json
from lusifer.safe_text import for_terminal
from lusifer.simulator import Step, rate_items, run_evolution
from lusifer.simulator.estimate import estimate_rating
from lusifer.simulator.evolution import context_after
from lusifer.simulator.whatif import with_local_user
from lusifer.store import Store
from lusifer.ui import session_keys, state
from lusifer.ui.caching import HASHES
from lusifer.ui.components import data_tables, evolution_runner, item_picker, paid_work, posters, profile_view
from lusifer.ui.components.closing_popover import close_popover, closing_popover
from lusifer.ui.components.downloads import show_json_button
from lusifer.ui.components.uploads import read_upload
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.state import PageContext

MIN_RATINGS, ITEMS_SHOWN, ITEMS_PREDICTED = 10, 12, 10
"""Ratings from which a profile is written; movies shown at a time; movies predicted."""
EXPORT_FORMAT, MAX_IMPORT_BYTES = 1, 2_000_000


def show_local_user(ctx: PageContext, store: Store) -> None:
    """The whole view."""
    user = _pick_local_user(ctx, store)
    if user is None:
        return
    rated = store.list_local_ratings(user)
    _offer_items(ctx, store, user, rated)
    if len(rated) < MIN_RATINGS:
        st.progress(
            len(rated) / MIN_RATINGS, text=with_item_noun(f"{len(rated)} of at least {MIN_RATINGS} movies rated")
        )
        st.info(
            with_item_noun("Rate at least ten movies to get a profile; up to forty are read."),
            icon=":material/star:",
        )
        _show_export_and_erase(ctx, store, user, rated)
        return
    rows = [(i, r, t) for i, r, t, _ in rated]
    data, split = with_local_user(ctx.dataset, ctx.split, user, rows)
    local_ctx = replace(ctx.without_evidence(), dataset=data, split=split)
    _show_predictions(local_ctx, store, user, _show_profile(local_ctx, user), rated)
    _show_export_and_erase(ctx, store, user, rated)


def _pick_local_user(ctx: PageContext, store: Store) -> int | None:
    people = store.list_local_users(ctx.dataset.hash)
    if settings.is_public():  # strangers see nobody but themselves, as long as their session lasts
        people = [p for p in people if p["id"] in session_keys.OWN_LOCAL_USERS.get()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chooser = st.empty()  # the popover behind it keeps its place, else it would not close
        if people:
            ids = [p["id"] for p in people]
            names = {p["id"]: f"{p['name']} ({p['ratings']} ratings)" for p in people}
            session_keys.apply_request(session_keys.LOCAL_USER)
            if st.session_state.get(session_keys.LOCAL_USER) not in ids:
                st.session_state[session_keys.LOCAL_USER] = ids[0]
            user = chooser.selectbox(
                "You are", ids, key=session_keys.LOCAL_USER, format_func=lambda i: names.get(i, "?"), width=260
            )
        else:
            user = None
        with closing_popover("New user", "new-local-user", icon=":material/person_add:"):
            with st.form("new-person", clear_on_submit=True, border=False):
                name = st.text_input(
                    "Name or nickname", max_chars=40, help="Stored only in the database of this machine."
                )
                if st.form_submit_button("Start") and name.strip():
                    _become(store.add_local_user(ctx.dataset.hash, name.strip()))
            _import_ratings(ctx, store)
    if user is None:
        st.info(
            with_item_noun(
                "Press “New user”, enter a name, and rate ten movies that you know. Your ratings stay in the "
                "database of this machine; you can export and delete them."
            ),
            icon=":material/person_add:",
        )
    return user


@st.cache_data(max_entries=4, show_spinner=False, hash_funcs=HASHES)
def _widely_known_items(data: Dataset, split: Split) -> list[int]:
    """Movies that many know, not all of one genre: by count, each genre in turn."""
    counts = item_picker.item_popularity(split)
    by_genre: dict[str, list[int]] = {}
    for item in counts.index[:600].tolist():
        for genre in data.item(int(item)).genres[:1]:
            by_genre.setdefault(genre, []).append(int(item))
    items: list[int] = []
    while by_genre and len(items) < 300:
        for genre in list(by_genre):
            items.append(by_genre[genre].pop(0))
            if not by_genre[genre]:
                del by_genre[genre]
    return items


def _is_reserved(item: int) -> bool:
    """Every third movie is kept for predictions, so that none is rated before it has been predicted."""
    return item % 3 == 0


def _offer_items(ctx: PageContext, store: Store, user: int, rated: list[Any]) -> None:
    """Movies to rate: searched for, or ones that many know."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.subheader("Rate movies that you know", icon=":material/star:", width="stretch")
            text = st.text_input("Search titles", key="you-search", type="search", width=240, live=True)
            skip = session_keys.OFFERED_ITEMS_SKIPPED.get()
            if st.button(
                "Show others",
                icon=":material/refresh:",
                help=with_item_noun("Skip movies that you don't know."),
            ):
                skip += ITEMS_SHOWN
                session_keys.OFFERED_ITEMS_SKIPPED.set(skip)
        done = {i for i, *_ in rated}
        if text:
            ids = item_picker.search_items(ctx, text, [], None)[:ITEMS_SHOWN]
        else:
            known = [i for i in _widely_known_items(ctx.dataset, ctx.split) if i not in done and not _is_reserved(i)]
            start = skip % max(len(known), 1)
            ids = known[start : start + ITEMS_SHOWN]
        if not ids:
            st.caption(with_item_noun("No movie with this title."))
        ratings = {i: r for i, r, *_ in rated}
        predicted: dict[int, float | None] = {i: p for i, (p, *_) in store.list_local_predictions(user).items()}
        _show_rating_cards(ctx, store, user, "offer", ids, ratings, predicted)
        if rated:
            with st.expander(f"Your {len(rated)} ratings", icon=":material/list:"):
                _show_rating_cards(
                    ctx,
                    store,
                    user,
                    "given",
                    [i for i, *_ in reversed(rated)],
                    ratings,
                    {i: p for i, _, _, p in rated},
                )


def _show_rating_cards(
    ctx: PageContext,
    store: Store,
    user: int,
    place: str,
    ids: list[int],
    ratings: dict[int, float],
    predicted: dict[int, float | None],
) -> None:
    """A card a movie with the marks of the scale; the keyboard reaches each mark."""
    values = [float(v) for v in ctx.dataset.scale.values]
    with st.grid(3, min_column_width=250, gap="small"):
        for item_id in ids:
            item = ctx.dataset.item(item_id)
            with st.container(border=True):
                picture = posters.poster_url(item, posters.MEDIUM)
                if picture:
                    st.image(picture, width=92, alt=f"Poster of {item.title}")
                st.markdown(f"**{escape_markdown(item.title)}**  \n:small[{escape_markdown(', '.join(item.genres))}]")
                key = f"{session_keys.local_user_fields(user)}{place}-{item_id}"
                st.session_state[key] = ratings.get(item_id)
                st.segmented_control(
                    f"Your rating of {item.title}",
                    values,
                    key=key,
                    format_func=lambda v: f"{v:g}",
                    label_visibility="collapsed",
                    on_change=_save_rating,
                    args=(store, user, item_id, key, predicted.get(item_id)),
                )


def _save_rating(store: Store, user: int, item: int, key: str, predicted: float | None) -> None:
    """Keep the mark that was just given, with what had been predicted."""
    store.save_local_rating(user, item, st.session_state[key], int(time.time()), predicted)


def _show_profile(ctx: PageContext, user: int) -> list[Step]:
    """The profile as it formed, step by step."""
    st.subheader("How your profile evolved", icon=":material/timeline:")
    try:
        spec = ctx.evolution_spec(user)
        steps, total_steps = evolution_runner.load_steps(ctx, spec)
        if len(steps) < total_steps:
            evolution_runner.offer_missing_steps(ctx, spec, len(steps), total_steps)
    except LusiferError as error:
        state.show_error(error)
        return []
    if not steps:
        st.caption("Press the button to compute the profile.")
        return []
    number = st.segmented_control(
        "Step",
        list(range(1, len(steps) + 1)),
        default=len(steps),
        required=True,
        key=f"you-step-{user}-{len(steps)}",
    )
    step = steps[number - 1]
    before = evolution_runner.profile_before(ctx, user, steps, number)
    st.markdown(f"**Why it changed:** {escape_markdown(step.explanation)}")
    with st.grid(2, min_column_width=420, gap="medium"):
        with st.container():
            profile_view.show_batch(step)
            profile_view.show_change_list(step)
        with st.container():
            profile_view.show_profile(before, step.profile)
            profile_view.show_legend()
    return steps if len(steps) == total_steps else []


def _show_predictions(ctx: PageContext, store: Store, user: int, steps: list[Step], rated: list[Any]) -> None:
    """What you would give the next ten, said before you say it."""
    st.subheader("Predictions for you", icon=":material/online_prediction:")
    done = {i for i, *_ in rated}
    predictions = store.list_local_predictions(user)
    waiting = {i: (p, why) for i, (p, why, rated_since) in predictions.items() if not rated_since and i not in done}
    if waiting:
        st.caption(
            with_item_noun(
                f"Your ratings of these {len(waiting)} movies are predicted already. What was predicted is shown once "
                "you have rated, so that it can't pull your rating towards it."
            )
        )
        _show_rating_cards(ctx, store, user, "next", list(waiting), {}, {i: p for i, (p, _) in waiting.items()})
    elif steps:
        _predict_next(ctx, store, user, steps, done | set(predictions))
    else:
        st.caption("Available once the profile is computed.")
    answered = [(i, r, p) for i, r, _, p in rated if p is not None]
    if answered:
        table = pd.DataFrame(
            [(ctx.dataset.item(i).title, r, p, p - r, predictions.get(i, (p, ""))[1]) for i, r, p in answered],
            columns=[with_item_noun("Movie"), "You gave", "Predicted", "Error", "Reason"],
        )
        st.markdown(f"**{len(answered)} predictions compared with your ratings**")
        if len(answered) > 1:
            error = scores(np.array([p for *_, p in answered]), np.array([r for _, r, _ in answered]))
            mean_rating = ctx.split.train.mean
            naive = float(np.sqrt(np.mean([(r - mean_rating) ** 2 for _, r, _ in answered])))
            st.caption(
                f"RMSE {error['rmse']:.2f}; always predicting {mean_rating:.2f}, the mean of all ratings, would give "
                f"{naive:.2f}."
            )
        data_tables.show_table(
            table,
            alt="Predictions and your ratings",
            column_config={
                "Predicted": st.column_config.NumberColumn(format="%.2f"),
                "Error": st.column_config.NumberColumn(format="%+.2f"),
            },
        )


def _predict_next(ctx: PageContext, store: Store, user: int, steps: list[Step], met: set[int]) -> None:
    """Predict the next ten and keep that, so that it is on record before they are rated."""
    known = _widely_known_items(ctx.dataset, ctx.split)
    ids = [i for i in known if i not in met and _is_reserved(i)][:ITEMS_PREDICTED]
    if not ids:
        st.caption("You have rated all movies reserved for this.")
        return
    items = ctx.dataset.items_of(ids)
    spec = ctx.evolution_spec(user)

    def work(job: Any) -> Any:
        job.run = f"you-{spec.id}"
        model = ctx.user_model(store, run=job.run, cancelled=job.cancelled)
        run_steps = list(run_evolution(ctx.dataset, ctx.split, model, spec, store))
        return rate_items(ctx.dataset, ctx.split, model, spec, run_steps, items, store)

    ratings = paid_work.run_or_offer(
        ctx,
        f"you:{spec.id}:{ids[0]}",
        "Your next ten",
        "Predict my next ten",
        lambda: estimate_rating(ctx.user_model(), store, context_after(ctx.dataset, ctx.split, user, steps), items),
        work,
        store,
    )
    if ratings is None:
        return
    predictions = [(r.item_id, r.expected, r.reason) for r in ratings if r.expected is not None]
    if not predictions:
        st.error(escape_markdown(ratings[0].failure), icon=":material/error:")
        return
    store.save_local_predictions(user, predictions)
    st.rerun()


def _show_export_and_erase(ctx: PageContext, store: Store, user: int, rated: list[Any]) -> None:
    """Take it along, or take it away."""
    name = next((p["name"] for p in store.list_local_users(ctx.dataset.hash) if p["id"] == user), "")
    with st.container(horizontal=True):
        export = {
            "format": EXPORT_FORMAT,
            "name": name,
            "dataset": ctx.dataset.name,
            "ratings": [
                {
                    "item_id": ctx.dataset.item_label(i),
                    "title": ctx.dataset.item(i).title,
                    "rating": r,
                    "timestamp": t,
                    "predicted": p,
                }
                for i, r, t, p in rated
            ],
        }
        show_json_button("Export my ratings", export, "my-ratings.json")
        with closing_popover("Delete my data", "delete-local-user", icon=":material/delete_forever:"):
            st.markdown(
                "Deletes your ratings, profiles and all LLM calls about you from this database. Export them first if "
                "you want to keep them."
            )
            if st.button(
                f"Delete {escape_markdown(name)}",
                icon=":material/delete_forever:",
                type="primary",
                key=f"erase-{user}",
            ):
                store.delete_local_user(user)
                with suppress(StoreError):  # another process is writing: the pages go with the next vacuum
                    store.vacuum()
                fields = session_keys.local_user_fields(user)
                for key in [k for k in st.session_state if str(k).startswith(fields)]:
                    del st.session_state[key]
                close_popover("delete-local-user")
                st.rerun()


def _import_ratings(ctx: PageContext, store: Store) -> None:
    file = st.file_uploader("Or import an export", type="json", key="you-file", max_upload_size=2)
    if file is None or session_keys.LOCAL_USER_FILE.get() == file.file_id:
        return
    session_keys.LOCAL_USER_FILE.set(file.file_id)
    try:
        name, rows = read_export(ctx.dataset, read_upload(file, MAX_IMPORT_BYTES))
    except LusiferError as error:
        state.show_error(error)
        return
    user = store.add_local_user(ctx.dataset.hash, name)
    for item, rating, timestamp, predicted in rows:
        store.save_local_rating(user, item, rating, timestamp, predicted)
    _become(user)


def read_export(dataset: Dataset, content: bytes) -> tuple[str, list[tuple[int, float, int, float | None]]]:
    """A name and ratings (item, rating, time, what was predicted) from an exported file, whoever wrote it.

    Raises:
        InvalidInputError: it is none, or has ratings that nobody can give in this dataset.
    """
    try:
        export = parse_json(content.decode("utf-8", "replace"))
        rows = [_exported_rating(dataset, row) for row in export["ratings"]]
        wrong = [i for i, r, *_ in rows if i not in dataset.items.index or not dataset.scale.contains(r)]
        if export.get("format") != EXPORT_FORMAT or wrong:
            known = dataset.item_nouns.with_item_noun(f"movie {wrong[0]} is not in this dataset") if wrong else ""
            raise ValueError(known or "its format is unknown")
        return for_terminal(str(export["name"])).strip()[:40] or "imported", rows
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise InvalidInputError(
            f"The file can't be imported: {str(error)[:100]}.", "Export one on this page."
        ) from None


def _exported_rating(dataset: Dataset, row: Mapping[str, Any]) -> tuple[int, float, int, float | None]:
    item, rating, timestamp, predicted = row["item_id"], float(row["rating"]), row["timestamp"], row.get("predicted")
    if isinstance(item, str):  # a text is an id of the files
        if item not in dataset.item_numbers:
            raise ValueError(dataset.item_nouns.with_item_noun(f"movie {item[:40]} is not in this dataset"))
        item = dataset.item_numbers[item]
    for name, number in (("item_id", item), ("timestamp", timestamp)):
        if type(number) is not int or not 0 <= number < 2**53:
            raise ValueError(f"{name} is {str(number)[:40]}")
    if not isinstance(predicted, int | float) or not math.isfinite(predicted):
        predicted = None
    return item, rating, timestamp, predicted


def _become(user: int) -> None:
    """Go on as a local user that this session has made."""
    session_keys.request_value(session_keys.LOCAL_USER, user)
    session_keys.OWN_LOCAL_USERS.set(session_keys.OWN_LOCAL_USERS.get() | {user})
    close_popover("new-local-user")
    st.rerun()

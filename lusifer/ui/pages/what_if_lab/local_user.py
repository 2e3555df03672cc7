"""You: rate movies yourself, watch your own profile form, and let it predict what you will give next."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lusifer import settings
from lusifer.errors import LusiferError, StoreError
from lusifer.evaluation import scores
from lusifer.simulator import Step, rate_items, run_evolution
from lusifer.simulator.estimate import for_rating
from lusifer.simulator.evolution import context_after, start
from lusifer.simulator.whatif import with_local_user
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.components import evolution_runner, item_picker, paid_work, posters, profile_view
from lusifer.ui.formatting import literal, say
from lusifer.ui.state import Chosen

LEAST, SHOWN, PREDICTED = 10, 12, 10
"""Ratings from which a profile is written; movies shown at a time; movies predicted."""
FORMAT = 1


def draw(picked: Chosen, store: Store) -> None:
    """The whole view."""
    user = _who(picked, store)
    if user is None:
        return
    rated = store.local_ratings(user)
    _offer(picked, store, user, rated)
    if len(rated) < LEAST:
        st.progress(len(rated) / LEAST, text=say(f"{len(rated)} of at least {LEAST} movies rated"))
        st.info(
            say("Rate ten movies, and a profile is written from them; up to forty are read."),
            icon=":material/star:",
        )
        _end(picked, store, user, rated)
        return
    rows = [(i, r, t) for i, r, t, _ in rated]
    data, split = with_local_user(picked.dataset, picked.split, user, rows)
    mine = replace(picked.alone(), dataset=data, split=split)
    _predictions(mine, store, user, _profile(mine, user), rated)
    _end(picked, store, user, rated)


def _who(picked: Chosen, store: Store) -> int | None:
    people = store.local_users(picked.dataset.hash)
    if settings.is_public():  # strangers see nobody but themselves, as long as their session lasts
        own: set[int] = st.session_state.setdefault("_own-people", set())
        people = [p for p in people if p["id"] in own]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if people:
            ids = [p["id"] for p in people]
            names = {p["id"]: f"{p['name']} ({p['ratings']} ratings)" for p in people}
            if st.session_state.get("you") not in ids:
                st.session_state["you"] = st.session_state.pop("_you", ids[0])
            elif "_you" in st.session_state:
                st.session_state["you"] = st.session_state.pop("_you")
            user = st.selectbox("You are", ids, key="you", format_func=lambda i: names.get(i, "?"), width=260)
        else:
            user = None
        with st.popover("Somebody new", icon=":material/person_add:"):
            with st.form("new-person", clear_on_submit=True, border=False):
                name = st.text_input("Name or nickname", max_chars=40, help="Stays in the database of this machine.")
                if st.form_submit_button("Begin") and name.strip():
                    made = store.add_local_user(picked.dataset.hash, name.strip())
                    st.session_state["_you"] = made
                    st.session_state.setdefault("_own-people", set()).add(made)
                    st.rerun()
            _import(picked, store)
    if user is None:
        st.info(
            say(
                "Press “Somebody new”, give a name, and rate ten movies that you know. What you rate stays in the database of "
                "this machine; you can export it and erase it."
            ),
            icon=":material/person_add:",
        )
    return user


@st.cache_data(max_entries=4, show_spinner=False)
def _worth_knowing(_picked: Chosen, dataset_hash: str, split: str) -> list[int]:
    """Movies that many know, not all of one genre: by count, each genre in turn."""
    counts = item_picker.popularity(_picked, dataset_hash, split)
    by_genre: dict[str, list[int]] = {}
    for item in counts.index[:600].tolist():
        for genre in _picked.dataset.item(int(item)).genres[:1]:
            by_genre.setdefault(genre, []).append(int(item))
    found: list[int] = []
    while by_genre and len(found) < 300:
        for genre in list(by_genre):
            found.append(by_genre[genre].pop(0))
            if not by_genre[genre]:
                del by_genre[genre]
    return found


def _kept_back(item: int) -> bool:
    """Every third movie is kept for predictions, so that none is rated before it has been predicted."""
    return item % 3 == 0


def _offer(picked: Chosen, store: Store, user: int, rated: list[Any]) -> None:
    """Movies to rate: searched for, or ones that many know."""
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.subheader("Rate what you know", icon=":material/star:", width="stretch")
            text = st.text_input("Search titles", key="you-search", type="search", width=240, live=True)
            skip = st.session_state.setdefault("_you-skip", 0)
            if st.button(
                "Others",
                icon=":material/refresh:",
                help=say("Movies that you don't know need no rating."),
            ):
                skip = st.session_state["_you-skip"] = skip + SHOWN
        done = {i for i, *_ in rated}
        if text:
            ids = item_picker.matching(picked, text, [], None)[:SHOWN]
        else:
            known = [
                i
                for i in _worth_knowing(picked, picked.dataset.hash, picked.split.name)
                if i not in done and not _kept_back(i)
            ]
            at = skip % max(len(known), 1)
            ids = known[at : at + SHOWN]
        if not ids:
            st.caption(say("No movie of that name."))
        given = {i: r for i, r, *_ in rated}
        predicted: dict[int, float | None] = {i: p for i, (p, *_) in store.local_predictions(user).items()}
        _cards(picked, store, user, "offer", ids, given, predicted)
        if rated:
            with st.expander(f"Your {len(rated)} ratings", icon=":material/list:"):
                _cards(
                    picked,
                    store,
                    user,
                    "given",
                    [i for i, *_ in reversed(rated)],
                    given,
                    {i: p for i, _, _, p in rated},
                )


def _cards(
    picked: Chosen,
    store: Store,
    user: int,
    place: str,
    ids: list[int],
    given: dict[int, float],
    predicted: dict[int, float | None],
) -> None:
    """A card a movie with the marks of the scale; the keyboard reaches each mark."""
    values = [float(v) for v in picked.dataset.scale.values]
    with st.grid(3, min_column_width=250, gap="small"):
        for item_id in ids:
            item = picked.dataset.item(item_id)
            with st.container(border=True):
                picture = posters.poster(item, posters.MEDIUM)
                if picture:
                    st.image(picture, width=92, alt=f"Poster of {item.title}")
                st.markdown(f"**{literal(item.title)}**  \n:small[{literal(', '.join(item.genres))}]")
                key = f"you-{user}-{place}-{item_id}"
                st.session_state[key] = given.get(item_id)
                st.segmented_control(
                    f"Your rating of {item.title}",
                    values,
                    key=key,
                    format_func=lambda v: f"{v:g}",
                    label_visibility="collapsed",
                    on_change=_take,
                    args=(store, user, item_id, key, predicted.get(item_id)),
                )


def _take(store: Store, user: int, item: int, key: str, predicted: float | None) -> None:
    """Keep the mark that was just given, with what had been predicted."""
    store.save_local_rating(user, item, st.session_state[key], int(time.time()), predicted)


def _profile(mine: Chosen, user: int) -> list[Step]:
    """The profile as it formed, step by step."""
    st.subheader("How your profile formed", icon=":material/timeline:")
    try:
        what = mine.plan(user)
        steps, wanted = evolution_runner.steps_of(mine, what)
        if len(steps) < wanted:
            evolution_runner.offer(mine, what, len(steps), wanted)
    except LusiferError as error:
        state.show_error(error)
        return []
    if not steps:
        st.caption("Press the button, and the profile is written.")
        return []
    number = st.segmented_control(
        "Step",
        list(range(1, len(steps) + 1)),
        default=len(steps),
        required=True,
        key=f"you-step-{user}-{len(steps)}",
    )
    step = steps[number - 1]
    before = steps[number - 2].profile if number > 1 else start(mine.dataset, mine.split, user).profile
    st.markdown(f"**Why it changed:** {literal(step.explanation)}")
    with st.grid(2, min_column_width=420, gap="medium"):
        with st.container():
            profile_view.batch_table(step)
            profile_view.change_list(step)
        with st.container():
            profile_view.profile(before, step.profile)
            profile_view.legend()
    return steps if len(steps) == wanted else []


def _predictions(mine: Chosen, store: Store, user: int, steps: list[Step], rated: list[Any]) -> None:
    """What you would give the next ten, said before you say it."""
    st.subheader("What you will give next", icon=":material/online_prediction:")
    done = {i for i, *_ in rated}
    made = store.local_predictions(user)
    waiting = {i: (p, why) for i, (p, why, rated_since) in made.items() if not rated_since and i not in done}
    if waiting:
        st.caption("Each was predicted before you rated it. Rate it, and the two are held against each other below.")
        table = pd.DataFrame(
            [(mine.dataset.item(i).title, p, why) for i, (p, why) in waiting.items()],
            columns=[say("Movie"), "Predicted", "Reason"],
        )
        st.dataframe(
            table,
            hide_index=True,
            alt=say("Predicted ratings of movies you have not rated"),
            column_config={"Predicted": st.column_config.NumberColumn(format="%.2f")},
        )
        _cards(mine, store, user, "next", list(waiting), {}, {i: p for i, (p, _) in waiting.items()})
    elif steps:
        _predict(mine, store, user, steps, done | set(made))
    else:
        st.caption("They come once the profile is written.")
    told = [(i, r, p) for i, r, _, p in rated if p is not None]
    if told:
        table = pd.DataFrame(
            [(mine.dataset.item(i).title, r, p, p - r) for i, r, p in told],
            columns=[say("Movie"), "You gave", "Predicted", "Off by"],
        )
        st.markdown(f"**{len(told)} predictions that you have answered**")
        if len(told) > 1:
            error = scores(np.array([p for *_, p in told]), np.array([r for _, r, _ in told]))
            usual = mine.split.train.mean
            naive = float(np.sqrt(np.mean([(r - usual) ** 2 for _, r, _ in told])))
            st.caption(
                f"RMSE {error['rmse']:.2f}; always saying {usual:.2f}, everybody's mean, would have {naive:.2f}."
            )
        st.dataframe(
            table,
            hide_index=True,
            alt="Predictions and your ratings",
            column_config={
                "Predicted": st.column_config.NumberColumn(format="%.2f"),
                "Off by": st.column_config.NumberColumn(format="%+.2f"),
            },
        )


def _predict(mine: Chosen, store: Store, user: int, steps: list[Step], met: set[int]) -> None:
    """Predict the next ten and keep that, so that it is on record before they are rated."""
    known = _worth_knowing(mine, mine.dataset.hash, mine.split.name)
    ids = [i for i in known if i not in met and _kept_back(i)][:PREDICTED]
    if not ids:
        st.caption("You have rated everything that was kept for this.")
        return
    items = mine.dataset.items_of(ids)
    what = mine.plan(user)

    def work(job: Any) -> Any:
        job.run = f"you-{what.id}"
        model = mine.user_model(store, run=job.run, cancelled=job.cancelled)
        made = list(run_evolution(mine.dataset, mine.split, model, what, store))
        return rate_items(mine.dataset, mine.split, model, what, made, items, store)

    found = paid_work.free_or_asked(
        mine,
        f"you:{what.id}:{ids[0]}",
        "Your next ten",
        "Predict my next ten",
        lambda: for_rating(mine.user_model(), store, context_after(mine.dataset, mine.split, user, steps), items),
        work,
        store,
    )
    if found is None:
        return
    given = [(r.item_id, r.expected, r.reason) for r in found if r.expected is not None]
    if not given:
        st.error(literal(found[0].failure), icon=":material/error:")
        return
    store.save_local_predictions(user, given)
    st.rerun()


def _end(picked: Chosen, store: Store, user: int, rated: list[Any]) -> None:
    """Take it along, or take it away."""
    name = next((p["name"] for p in store.local_users(picked.dataset.hash) if p["id"] == user), "")
    with st.container(horizontal=True):
        made = {
            "format": FORMAT,
            "name": name,
            "dataset": picked.dataset.name,
            "ratings": [
                {"item_id": i, "title": picked.dataset.item(i).title, "rating": r, "timestamp": t, "predicted": p}
                for i, r, t, p in rated
            ],
        }
        st.download_button(
            "Export my ratings",
            json.dumps(made, ensure_ascii=False, indent=1),
            "my-ratings.json",
            "application/json",
            icon=":material/download:",
        )
        with st.popover("Erase me", icon=":material/delete_forever:"):
            st.markdown(
                "Your ratings, profiles and every question that was asked about you are removed from this database. There is no way back but your export."
            )
            if st.button(
                f"Erase {literal(name)}",
                icon=":material/delete_forever:",
                type="primary",
                key=f"erase-{user}",
            ):
                store.delete_local_user(user)
                with suppress(StoreError):  # another process is writing: the pages go with the next vacuum
                    store.vacuum()
                for key in [k for k in st.session_state if str(k).startswith(f"you-{user}-")]:
                    del st.session_state[key]
                st.rerun()


def _import(picked: Chosen, store: Store) -> None:
    given = st.file_uploader("Or take an export", type="json", key="you-file", max_upload_size=2)
    if given is None or st.session_state.get("_you-file") == given.file_id:
        return
    st.session_state["_you-file"] = given.file_id
    try:
        said = json.loads(given.getvalue().decode("utf-8", "replace"))
        rows = [
            (int(r["item_id"]), float(r["rating"]), int(r["timestamp"]), r.get("predicted")) for r in said["ratings"]
        ]
        wrong = [i for i, r, *_ in rows if i not in picked.dataset.items.index or not picked.dataset.scale.contains(r)]
        name = str(said["name"]).strip()[:40] or "imported"
        if said.get("format") != FORMAT or wrong:
            raise ValueError(
                say(f"movie {wrong[0]} is not in this data set") if wrong else "its format is not known here"
            )
    except (ValueError, KeyError, TypeError) as error:
        st.error(literal(f"The file can't be taken: {error}."), icon=":material/error:")
        return
    user = store.add_local_user(picked.dataset.hash, name)
    st.session_state.setdefault("_own-people", set()).add(user)
    for item, rating, timestamp, predicted in rows:
        store.save_local_rating(user, item, rating, timestamp, predicted if isinstance(predicted, float) else None)
    st.session_state["_you"] = user
    st.rerun()

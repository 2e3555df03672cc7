"""Hands on a simulation: a profile edited and rated from, and a history that was otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from lusifer import charts
from lusifer.datasets import Item
from lusifer.errors import LusiferError
from lusifer.jobs import Job
from lusifer.simulator import SimulatedRating, Step, rate_items, run_evolution
from lusifer.simulator.edited import profile_of, rate_edited
from lusifer.simulator.estimate import Estimate, for_evolution, for_rating
from lusifer.simulator.evolution import context_after
from lusifer.simulator.types import SECTIONS, Profile
from lusifer.simulator.whatif import Consequence, altered, consequence
from lusifer.store import Store
from lusifer.ui import evolution, lab, parts, rate, state
from lusifer.ui.state import Chosen
from lusifer.ui.text import literal, say


def free_or_asked(
    picked: Chosen,
    key: str,
    title: str,
    label: str,
    cost: Callable[[], Estimate],
    work: Callable[[Job], Any],
    store: Store | None,
) -> Any | None:
    """What a piece of work gives: at once where it costs nothing, else after a button that names the price."""
    if picked.builtin:
        return work(Job(key, title))
    job = state.jobs().get(key)
    if job is not None and job.active:
        parts.job_progress(key)
        return None
    if job is not None and job.state == "done":
        return job.result
    if job is not None:
        st.error(literal(job.error), icon=":material/error:")
    if st.button(f"{label} ({evolution.price_tag(cost())})", icon=":material/play_circle:", type="primary"):
        state.jobs().start(key, title, work, store=store)
        st.rerun()
    return None


def all_steps(picked: Chosen, user: int) -> list[Step]:
    """The whole evolution, or what there is of it with the button that completes it.

    Raises:
        LusiferError: nothing to read.
    """
    what = picked.plan(user)
    steps, wanted = evolution.steps_of(picked, what)
    if len(steps) < wanted:
        st.info("The profile has to be written first.", icon=":material/hourglass_empty:")
        evolution.offer(picked, what, len(steps), wanted)
    return steps if len(steps) == wanted else []


# ---- edit a profile ---------------------------------------------------------------------------------


def edit_profile(picked: Chosen, user: int) -> None:
    """The last profile as a table of statements, and ratings before and after."""
    steps = all_steps(picked, user)
    if not steps:
        return
    real = steps[-1].profile
    st.caption(
        "Change, add or remove statements; the ratings below are given anew from the edited profile. "
        + (
            "The built-in does not read sentences: it takes a removed statement for a taste that is not there, and a new one "
            "for a taste of 0.6 stars in the genre, decade, mood or person that it names."
            if picked.builtin
            else ""
        )
    )
    epoch = st.session_state.setdefault(f"_edit-epoch-{user}", 0)
    headings = list(SECTIONS.values())
    rows = pd.DataFrame(
        [(SECTIONS[s], b.text) for s in SECTIONS for b in real.section(s)], columns=["Section", "Statement"]
    )
    edited_rows = st.data_editor(
        rows,
        num_rows="dynamic",
        hide_index=True,
        key=f"edit-{user}-{picked.model}-{picked.prompts}-{epoch}",
        column_config={
            "Section": st.column_config.SelectboxColumn(
                options=headings, required=True, default=headings[0], width="small"
            ),
            "Statement": st.column_config.TextColumn(required=True, max_chars=300, width="large"),
        },
    )
    with st.container(horizontal=True):
        if st.button("Start over", icon=":material/undo:"):
            st.session_state[f"_edit-epoch-{user}"] = epoch + 1
            st.rerun()
        name = st.text_input(
            "Add a liking",
            placeholder=say("Loves horror films."),
            key=f"add-{user}-{epoch}",
            label_visibility="collapsed",
            width=320,
        )
    texts: dict[str, list[str]] = {s: [] for s in SECTIONS}
    by_heading = {h: s for s, h in SECTIONS.items()}
    for heading, text in edited_rows.itertuples(index=False):
        if isinstance(text, str) and text.strip() and heading in by_heading:
            texts[by_heading[heading]].append(text)
    if name.strip():
        texts["likes"].append(name.strip())
    edited = profile_of(real, texts)
    if edited == real:
        st.info("Nothing is changed yet.", icon=":material/edit:")
        return
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.markdown("**What you changed**")
        parts.profile(real, edited, only_changes=True)
    with right:
        first = [i.id for i in lab.movies_of(picked, user)]
        more = [
            i
            for i in rate.popularity(picked, picked.dataset.hash, picked.split.name).index[:400].tolist()
            if i not in first
        ]
        ids = st.multiselect(
            say("Movies"),
            [*first, *more],
            first,
            key=f"edit-movies-{user}",
            max_selections=50,
            format_func=lambda i: rate.listed(picked, i),
        )
        items = picked.dataset.items_of(ids)
        if not items:
            st.info(say("Choose a movie to rate."), icon=":material/view_list:")
            return
        found = _rated_twice(picked, user, steps, edited, items)
        if found is not None:
            before_after(picked, user, items, *found, "Edited")


def _rated_twice(
    picked: Chosen, user: int, steps: Sequence[Step], edited: Profile, items: tuple[Item, ...]
) -> tuple[Sequence[SimulatedRating], Sequence[SimulatedRating]] | None:
    store, alone = state.store(), picked.alone()
    context = context_after(picked.dataset, picked.split, user, steps)
    what = alone.plan(user)
    digest = hashlib.sha256(edited.text.encode()).hexdigest()[:12]

    def cost() -> Estimate:
        model = alone.user_model()
        return for_rating(model, store, context, items) + for_rating(
            model, store, replace(context, profile=edited), items
        )

    def work(job: Job) -> tuple[Sequence[SimulatedRating], Sequence[SimulatedRating]]:
        job.run = f"edit-{digest}"
        model = alone.user_model(store, run=job.run, cancelled=job.cancelled)
        before = rate_items(alone.dataset, alone.split, model, what, steps, items, store)
        return before, rate_edited(alone.dataset, model, context, edited, items)

    return free_or_asked(
        alone,
        f"edit:{what.id}:{digest}:{hash(tuple(i.id for i in items))}",
        "Ratings from the edited profile",
        say(f"Rate {len(items)} movies again"),
        cost,
        work,
        store,
    )


def before_after(
    picked: Chosen,
    user: int,
    items: Sequence[Item],
    before: Sequence[SimulatedRating],
    after: Sequence[SimulatedRating],
    word: str,
) -> None:
    """Ratings before and after, movie by movie, with the true ones where they are known."""
    test = picked.split.test.of_user(user)
    true = dict(zip(test.item.tolist(), test.rating.tolist(), strict=True))
    frame = pd.DataFrame(
        [
            (i.title, a.expected, b.expected, true.get(i.id, np.nan), b.reason or b.failure)
            for i, a, b in zip(items, before, after, strict=True)
        ],
        columns=[say("Movie"), "Before", word, "True", "Reason now"],
    )
    frame[["Before", word]] = frame[["Before", word]].astype(float)
    frame.insert(3, "Moved", frame[word] - frame["Before"])
    moved = int((frame["Moved"].abs() >= 0.01).sum())
    st.markdown(f"**{moved} of {len(frame)} ratings moved**")
    st.plotly_chart(
        charts.moved(
            frame.rename(columns={say("Movie"): "title", "Before": "before", word: "after"}),
            (picked.dataset.scale.lowest, picked.dataset.scale.highest),
        ),
        alt=say("Expected rating of each movie before and after"),
    )
    st.dataframe(
        frame,
        hide_index=True,
        alt="Ratings before and after",
        column_config={
            "Before": st.column_config.NumberColumn(format="%.2f"),
            word: st.column_config.NumberColumn(format="%.2f"),
            "Moved": st.column_config.NumberColumn(format="%+.2f"),
            "True": st.column_config.NumberColumn(format="%.3g"),
        },
    )


# ---- what if ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Otherwise:
    steps: list[Step]
    ratings: tuple[SimulatedRating, ...]
    before: tuple[SimulatedRating, ...]


def what_if(picked: Chosen, user: int) -> None:
    """One rating turned round, or a batch left out, and what that moves."""
    alone = picked.alone()
    steps = all_steps(alone, user)
    if not steps:
        return
    scale = picked.dataset.scale
    history = [r for s in steps for r in s.batch]
    cited = {i for s in steps for c in s.changes for i in c.item_ids}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "What if …",
            ["a rating were another", "a batch were missing"],
            default="a rating were another",
            key="whatif-kind",
            required=True,
        )
        ratings: dict[int, float] = {}
        without: set[int] = set()
        if kind == "a batch were missing":
            batch = st.selectbox("Batch", [s.number for s in steps], key="whatif-batch", width=120)
            without = {r.item.id for r in steps[int(batch or 1) - 1].batch}
        else:
            order = sorted(
                history,
                key=lambda r: (
                    r.item.id not in cited,
                    -abs(r.rating - (scale.lowest + scale.highest) / 2),
                ),
            )
            by_id = {r.item.id: r for r in history}

            def shown(i: int) -> str:
                star = " · cited" if i in cited else ""
                return f"{by_id[i].item.title}: {by_id[i].rating:g}{star} · {i}"

            item = st.selectbox(
                say("Movie"),
                [r.item.id for r in order],
                format_func=shown,
                key=f"whatif-item-{user}",
                width=380,
            )
            real = by_id[int(item)].rating if item is not None else scale.lowest
            values = [float(v) for v in scale.values]
            other = scale.highest + scale.lowest - real
            value = st.select_slider(
                "Rating",
                values,
                other if other in values else values[0],
                key=f"whatif-value-{item}",
                width=220,
                format_func=lambda v: f"{v:g}",
            )
            if value == real:
                st.caption("That is what they gave.")
                return
            ratings = {int(item): float(value)} if item is not None else {}
    touched = set(ratings) | without
    split = altered(alone.dataset, alone.split, user, history=alone.usual[0], ratings=ratings, without=without)
    other_choice = replace(alone, split=split)
    store, items = state.store(), lab.movies_of(picked, user)
    what, what_real = other_choice.plan(user), alone.plan(user)

    def cost() -> Estimate:
        model = other_choice.user_model()
        total = for_evolution(alone.dataset, split, what, model, store, other_choice.stored(what))
        total += for_rating(model, store, context_after(alone.dataset, alone.split, user, steps), items)
        return total + for_rating(
            model, store, replace(context_after(alone.dataset, split, user, ()), seen=tuple(history)), items
        )

    def work(job: Job) -> _Otherwise:
        job.run = f"whatif-{what.id}"
        model = other_choice.user_model(store, run=job.run, cancelled=job.cancelled)
        made = list(run_evolution(alone.dataset, split, model, what, store, cancelled=job.cancelled))
        after = rate_items(alone.dataset, split, model, what, made, items, store)
        return _Otherwise(made, after, rate_items(alone.dataset, alone.split, model, what_real, steps, items, store))

    found = free_or_asked(alone, f"whatif:{what.id}", "What if", "Find out", cost, work, store)
    if found is None:
        return
    titles = {r.item.id: r.item.name for r in history}
    said = consequence(steps, found.steps, touched, titles, found.before, found.ratings)
    _verdict(said)
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.markdown("**The last profile, against the real one**")
        parts.profile(steps[-1].profile, found.steps[-1].profile, only_changes=True)
        if all(x.status == "kept" for x in said.lines):
            st.caption("Word for word the same.")
    with right:
        before_after(picked, user, items, found.before, found.ratings, "What if")
    st.markdown("**What changed, step by step**")
    st.dataframe(
        _steps_table(steps, found.steps),
        hide_index=True,
        alt="Changes by step, real and altered",
    )


def _verdict(said: Consequence) -> None:
    """What the test says of the explanation."""
    with st.container(border=True):
        if said.explained:
            reasons = "; ".join(f"step {n}: {t}" for n, t in said.explained[:4])
            st.markdown(f"**It was given as a reason for** {literal(reasons)}")
        else:
            st.markdown("**No change cited it.**")
        if said.cited:
            share = f"{said.cited_moved} of {said.cited} statements that rest on it moved"
        else:
            share = "No statement of the last profile rests on it"
        st.markdown(
            f"{share}; {said.others_moved} of the {said.others} others moved; {said.moved_ratings} of {len(said.ratings)} ratings moved."
        )
        if said.cited and said.cited_moved == 0:
            st.markdown(
                ":orange-badge[:material/warning: The reason that was given is not what the profile rests on here.]"
            )
        elif said.cited:
            st.markdown(":green-badge[:material/check: What was said to rest on it does move with it.]")


def _steps_table(real: Sequence[Step], other: Sequence[Step]) -> pd.DataFrame:
    rows = []
    for at in range(max(len(real), len(other))):
        a = {f"{c.aspect}: {c.direction}" for c in real[at].changes} if at < len(real) else set()
        b = {f"{c.aspect}: {c.direction}" for c in other[at].changes} if at < len(other) else set()
        rows += [(at + 1, t, "only really") for t in sorted(a - b)] + [(at + 1, t, "only then") for t in sorted(b - a)]
    return pd.DataFrame(rows, columns=["Step", "Change", "Where"])


def guarded(work: Callable[[], None]) -> None:
    """Draw, or say what is wrong."""
    try:
        work()
    except LusiferError as error:
        state.show_error(error)

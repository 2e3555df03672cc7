"""A history with one rating changed or one batch left out, and what that moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from lusifer.jobs import Job
from lusifer.simulator import SimulatedRating, Step, rate_items, run_evolution
from lusifer.simulator.estimate import Estimate, for_evolution, for_rating
from lusifer.simulator.evolution import context_after
from lusifer.simulator.whatif import Consequence, altered, consequence
from lusifer.ui import state
from lusifer.ui.components import profile_view
from lusifer.ui.components.evolution_runner import all_steps
from lusifer.ui.components.paid_work import free_or_asked
from lusifer.ui.formatting import literal, say
from lusifer.ui.pages.prompts import prompt_editor
from lusifer.ui.pages.what_if_lab.rating_shifts import before_after
from lusifer.ui.state import Chosen


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
    store, items = state.store(), prompt_editor.movies_of(picked, user)
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
        profile_view.profile(steps[-1].profile, found.steps[-1].profile, only_changes=True)
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

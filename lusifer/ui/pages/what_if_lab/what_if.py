"""A history with one rating changed or one batch left out, and what that moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from lusifer.jobs import Job
from lusifer.simulator import SimulatedRating, Step, rate_items, run_evolution
from lusifer.simulator.estimate import Estimate, estimate_evolution, estimate_rating
from lusifer.simulator.evolution import context_after
from lusifer.simulator.whatif import Consequence, alter_history, compare_evolutions
from lusifer.ui import state
from lusifer.ui.components import data_tables, item_picker, profile_view
from lusifer.ui.components.evolution_runner import load_all_steps
from lusifer.ui.components.paid_work import run_or_offer
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.what_if_lab.rating_shifts import show_rating_shifts
from lusifer.ui.state import PageContext


@dataclass(frozen=True)
class _AlteredEvolution:
    steps: list[Step]
    ratings: tuple[SimulatedRating, ...]
    before: tuple[SimulatedRating, ...]


def show_what_if(ctx: PageContext, user: int) -> None:
    """One rating turned round, or a batch left out, and what that moves."""
    plain_ctx = ctx.without_evidence()
    steps = load_all_steps(plain_ctx, user)
    if not steps:
        return
    scale = ctx.dataset.scale
    history = [r for s in steps for r in s.batch]
    cited = {i for s in steps for c in s.changes for i in c.item_ids}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = st.segmented_control(
            "What if …",
            ["a rating were changed", "a batch were removed"],
            default="a rating were changed",
            key="whatif-kind",
            required=True,
        )
        ratings: dict[int, float] = {}
        without: set[int] = set()
        if kind == "a batch were removed":
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
                return f"{by_id[i].item.title}: {by_id[i].rating:g}{star} · {by_id[i].item.label}"

            item = st.selectbox(
                with_item_noun("Movie"),
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
                st.caption("This is the actual rating.")
                return
            ratings = {int(item): float(value)} if item is not None else {}
    touched = set(ratings) | without
    split = alter_history(
        plain_ctx.dataset,
        plain_ctx.split,
        user,
        history=plain_ctx.history_and_batch_size[0],
        ratings=ratings,
        without=without,
    )
    altered_ctx = replace(plain_ctx, split=split)
    store, items = state.open_store(), item_picker.items_to_predict(ctx, user)
    spec, real_spec = altered_ctx.evolution_spec(user), plain_ctx.evolution_spec(user)

    def cost() -> Estimate:
        model = altered_ctx.user_model()
        total = estimate_evolution(plain_ctx.dataset, split, spec, model, store, altered_ctx.stored_steps(spec))
        total += estimate_rating(model, store, context_after(plain_ctx.dataset, plain_ctx.split, user, steps), items)
        return total + estimate_rating(
            model, store, replace(context_after(plain_ctx.dataset, split, user, ()), seen=tuple(history)), items
        )

    def work(job: Job) -> _AlteredEvolution:
        job.run = f"whatif-{spec.id}"
        model = altered_ctx.user_model(store, run=job.run, cancelled=job.cancelled)
        altered_steps = list(run_evolution(plain_ctx.dataset, split, model, spec, store, cancelled=job.cancelled))
        after = rate_items(plain_ctx.dataset, split, model, spec, altered_steps, items, store)
        return _AlteredEvolution(
            altered_steps, after, rate_items(plain_ctx.dataset, plain_ctx.split, model, real_spec, steps, items, store)
        )

    altered_evolution = run_or_offer(plain_ctx, f"whatif:{spec.id}", "What if", "Run what-if", cost, work, store)
    if altered_evolution is None:
        return
    titles = {r.item.id: r.item.name for r in history}
    effect = compare_evolutions(
        steps, altered_evolution.steps, touched, titles, altered_evolution.before, altered_evolution.ratings
    )
    _show_consequence(effect)
    grid = st.grid(2, min_column_width=420, gap="large")
    with grid.container():
        st.markdown("**Final profile compared with the original**")
        profile_view.show_profile(steps[-1].profile, altered_evolution.steps[-1].profile, only_changes=True)
        if all(x.status == "kept" for x in effect.lines):
            st.caption("Identical.")
    with grid.container():
        show_rating_shifts(ctx, user, items, altered_evolution.before, altered_evolution.ratings)
    st.markdown("**Changes by step**")
    data_tables.show_table(
        _change_table(steps, altered_evolution.steps),
        alt="Changes by step, original and altered",
    )


def _show_consequence(effect: Consequence) -> None:
    """What the test says of the explanation."""
    with st.container(border=True):
        st.markdown(f"**{_verdict(effect)}**")
        if effect.explained:
            reasons = "; ".join(f"step {n}: {t}" for n, t in effect.explained[:4])
            st.markdown(f"It was cited as a reason for {escape_markdown(reasons)}.")
        else:
            st.markdown("No change cites it.")
        if effect.cited:
            share = f"{effect.cited_moved} of {effect.cited} statements that cite it changed"
        else:
            share = "No statement of the final profile cites it"
        st.markdown(
            f"{share}; {effect.others_moved} of the {effect.others} others changed; {effect.moved_ratings} of "
            f"{len(effect.ratings)} ratings changed."
        )
        if effect.cited and effect.cited_moved == 0:
            st.markdown(":orange-badge[:material/warning: The stated reason is not what the profile depends on here.]")
        elif effect.cited:
            st.markdown(":green-badge[:material/check: The statements that cite it change with it.]")


def _verdict(effect: Consequence) -> str:
    """One sentence: what the profile and the predictions make of the altered history."""
    moved_statements = effect.cited_moved + effect.others_moved
    shifts = [abs(b - a) for _, a, b in effect.ratings if a is not None and b is not None]
    if not moved_statements and not effect.moved_ratings:
        return "Nothing moves: neither the profile nor a predicted rating depends on it."
    profile = (
        "The profile stays as it is"
        if not moved_statements
        else f"{moved_statements} of {effect.cited + effect.others} statements of the profile change"
    )
    if not effect.moved_ratings:
        return f"{profile}, and no predicted rating moves."
    moved = f"{effect.moved_ratings} of {len(effect.ratings)} predicted ratings move"
    return f"{profile}, and {moved}, by {max(shifts):.2f} stars at most."


def _change_table(real: Sequence[Step], other: Sequence[Step]) -> pd.DataFrame:
    rows = []
    for index in range(max(len(real), len(other))):
        a = {f"{c.aspect}: {c.direction}" for c in real[index].changes} if index < len(real) else set()
        b = {f"{c.aspect}: {c.direction}" for c in other[index].changes} if index < len(other) else set()
        rows += [(index + 1, t, "original only") for t in sorted(a - b)] + [
            (index + 1, t, "altered only") for t in sorted(b - a)
        ]
    return pd.DataFrame(rows, columns=["Step", "Change", "Where"])

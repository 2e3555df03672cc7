"""An edited profile and the ratings that follow from it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from lusifer.datasets import Item
from lusifer.jobs import Job
from lusifer.simulator import SimulatedRating, Step, rate_items
from lusifer.simulator.edited import edit_effects, profile_of, rate_edited
from lusifer.simulator.estimate import Estimate, estimate_rating
from lusifer.simulator.evolution import context_after
from lusifer.simulator.types import SECTIONS, Profile
from lusifer.ui import session_keys, state
from lusifer.ui.components import item_picker, profile_view
from lusifer.ui.components.evolution_runner import load_all_steps
from lusifer.ui.components.paid_work import run_or_offer
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.what_if_lab.rating_shifts import show_rating_shifts
from lusifer.ui.state import PageContext


def show_profile_editor(ctx: PageContext, user: int) -> None:
    """The last profile as a table of statements, and ratings before and after."""
    steps = load_all_steps(ctx, user)
    if not steps:
        return
    real = steps[-1].profile
    st.caption(
        "Change, add or remove statements; the ratings below are predicted again from the edited profile. "
        + (
            "The built-in does not read sentences: it treats a removed statement as no preference, and a new one "
            "as a preference of 0.6 stars for the genre, decade, mood or person that it names."
            if ctx.builtin
            else ""
        )
    )
    edits = session_keys.profile_edits(user)
    epoch = edits.get()
    headings = list(SECTIONS.values())
    rows = pd.DataFrame(
        [(SECTIONS[s], b.text) for s in SECTIONS for b in real.section(s)], columns=["Section", "Statement"]
    )
    edited_rows = st.data_editor(
        rows,
        num_rows="dynamic",
        hide_index=True,
        key=f"edit-{user}-{ctx.model}-{ctx.prompts}-{epoch}",
        column_config={
            "Section": st.column_config.SelectboxColumn(
                options=headings, required=True, default=headings[0], width=135
            ),
            "Statement": st.column_config.TextColumn(required=True, max_chars=300, width="large"),
        },
    )
    with st.container(horizontal=True):
        if st.button("Start over", icon=":material/undo:"):
            edits.set(epoch + 1)
            st.rerun()
        name = st.text_input(
            "Add a liking",
            placeholder=with_item_noun("Loves horror films."),
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
        st.info("No changes yet.", icon=":material/edit:")
        return
    grid = st.grid(2, min_column_width=420, gap="large")
    with grid.container():
        st.markdown("**Your changes**")
        profile_view.show_profile(real, edited, only_changes=True)
    with grid.container():
        first = [i.id for i in item_picker.items_to_predict(ctx, user)]
        more = [i for i in item_picker.item_popularity(ctx.split).index[:400].tolist() if i not in first]
        ids = st.multiselect(
            with_item_noun("Movies"),
            [*first, *more],
            first,
            key=f"edit-movies-{user}",
            max_selections=50,
            format_func=item_picker.item_labels(ctx),
        )
        items = ctx.dataset.items_of(ids)
        if not items:
            st.info(with_item_noun("Choose a movie to rate."), icon=":material/view_list:")
            return
        ratings = _rate_before_and_after(ctx, user, steps, edited, items)
        if ratings is not None:
            _show_effects(ctx, user, steps, edited, items, ratings[0])
            show_rating_shifts(ctx, user, items, *ratings)


def _show_effects(
    ctx: PageContext,
    user: int,
    steps: Sequence[Step],
    edited: Profile,
    items: tuple[Item, ...],
    before: Sequence[SimulatedRating],
) -> None:
    """What each edit moves with the built-in, or why it moves nothing; a language model reads the words itself."""
    if not ctx.builtin:
        return
    context = context_after(ctx.dataset, ctx.split, user, steps)
    effects = edit_effects(ctx.dataset, context, edited, items, before)
    noun = ctx.dataset.item_nouns.plural
    st.markdown("\n".join(f"- {escape_markdown(e.describe(len(items), noun))}" for e in effects))


def _rate_before_and_after(
    ctx: PageContext, user: int, steps: Sequence[Step], edited: Profile, items: tuple[Item, ...]
) -> tuple[Sequence[SimulatedRating], Sequence[SimulatedRating]] | None:
    store, plain_ctx = state.open_store(), ctx.without_evidence()
    context = context_after(ctx.dataset, ctx.split, user, steps)
    spec = plain_ctx.evolution_spec(user)
    digest = hashlib.sha256(edited.text.encode()).hexdigest()[:12]

    def cost() -> Estimate:
        model = plain_ctx.user_model()
        return estimate_rating(model, store, context, items) + estimate_rating(
            model, store, replace(context, profile=edited), items
        )

    def work(job: Job) -> tuple[Sequence[SimulatedRating], Sequence[SimulatedRating]]:
        job.run = f"edit-{digest}"
        model = plain_ctx.user_model(store, run=job.run, cancelled=job.cancelled)
        before = rate_items(plain_ctx.dataset, plain_ctx.split, model, spec, steps, items, store)
        return before, rate_edited(plain_ctx.dataset, model, context, edited, items)

    return run_or_offer(
        plain_ctx,
        f"edit:{spec.id}:{digest}:{hash(tuple(i.id for i in items))}",
        "Ratings from the edited profile",
        with_item_noun(f"Rate {len(items)} movies again"),
        cost,
        work,
        store,
    )

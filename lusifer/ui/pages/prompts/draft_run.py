"""A trial run of a draft: one profile or ten ratings, streamed, next to the previous answer."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st

from lusifer.datasets import Item
from lusifer.errors import LusiferError, ModelError
from lusifer.jobs import Job
from lusifer.simulator import SimulatedRating, UserModel
from lusifer.simulator.estimate import Estimate, estimate_rating, estimate_update
from lusifer.simulator.types import Context, Profile, Update
from lusifer.store import Store
from lusifer.ui import session_keys, state
from lusifer.ui.components import data_tables, item_picker, profile_view
from lusifer.ui.formatting import escape_markdown, format_cost, format_money, with_item_noun
from lusifer.ui.pages.prompts.draft import Draft
from lusifer.ui.state import PageContext

MAX_STREAMED_CHARACTERS = 4000
"""Characters of a streamed answer that are shown while it comes."""


@dataclass(frozen=True)
class DraftRun:
    """What came of one scratch run.

    ``update`` or ``ratings``, whichever was asked for; ``about`` is user, step and which of the two.
    """

    version: str
    model: str
    before: Profile
    update: Update | None
    ratings: tuple[SimulatedRating, ...]
    items: tuple[Item, ...]
    seconds: float
    usage: dict[str, float]
    about: tuple[int, int, str] = (0, 0, "")


def _build_model(ctx: PageContext, draft: Draft, store: Store, run: str, job: Job | None, draw: int) -> UserModel:
    draft_ctx = replace(
        ctx,
        prompt_set=draft.prompts,
        prompts=f"draft-{draft.id}",
        evidence=draft.prompts.evidence,
    )
    model = draft_ctx.user_model(store, run=run, cancelled=job.cancelled if job else lambda: False)
    model = model.redrawn(draw)
    if job is None:
        return model

    def heard(piece: str) -> None:
        job.text += piece

    return model.streaming(heard)


def _estimate_run(
    ctx: PageContext, draft: Draft, store: Store, context: Context, items: Sequence[Item], draw: int
) -> Estimate:
    model = _build_model(ctx, draft, store, "", None, draw)
    return estimate_update(model, store, context) if context.batch else estimate_rating(model, store, context, items)


def _run_draft(
    job: Job,
    ctx: PageContext,
    draft: Draft,
    store: Store,
    context: Context,
    items: tuple[Item, ...],
    draw: int,
) -> DraftRun:
    """Runs in a worker thread: no call to streamlit here."""
    job.run = f"scratch-{draft.id}-{time.time_ns():x}"
    model = _build_model(ctx, draft, store, job.run, job, draw)
    began = time.monotonic()
    update, ratings = None, tuple[SimulatedRating, ...]()
    if context.batch:
        update = model.update(context)
    else:
        ratings = model.rate(context, items)
        if all(r.failure for r in ratings):
            raise ModelError(ratings[0].failure)
    return DraftRun(
        model.version,
        model.spec,
        context.profile,
        update,
        ratings,
        items,
        time.monotonic() - began,
        store.get_run_usage(job.run),
    )


@st.fragment(run_every=0.4)
def _show_stream(key: str) -> None:
    """What has come so far, and the button that stops it; reruns the page when it is done."""
    job = state.get_jobs().get(key)
    if job is None or not job.active:
        st.rerun()
        return
    st.caption(f"Asking … {job.seconds:.0f} s, {len(job.text):,} characters so far.")
    st.code(job.text[-MAX_STREAMED_CHARACTERS:] or " ", language=None, wrap_lines=True, height=240)
    if st.button("Stop", icon=":material/stop_circle:", key=f"stop-{key}"):
        job.cancel()


def show_draft_run(
    ctx: PageContext,
    draft: Draft,
    store: Store,
    context: Context,
    items: tuple[Item, ...],
    user: int,
    step: int,
) -> None:
    """The button that names the price, what comes, and what came before it."""
    kind = "update" if context.batch else "rate"
    key = f"scratch:{state.session_id()}"
    runs_by_target = session_keys.DRAFT_RUNS.get()
    about = (user, step, kind)
    job = state.get_jobs().get(key)
    if job is not None and job.active:
        _show_stream(key)
        return
    if job is not None:
        if job.state == "done":
            about_runs = [*runs_by_target.get(job.result.about, []), job.result][-5:]
            runs_by_target = runs_by_target | {job.result.about: about_runs}
            session_keys.DRAFT_RUNS.set(runs_by_target)
        else:
            st.error(escape_markdown(job.error), icon=":material/error:")
        state.get_jobs().discard(key)
    again = st.checkbox("Resample", key="scratch-again", help="Call the model again even if an answer is cached.")
    # A number that no session has used: what is stored is under the small ones.
    if not session_keys.DRAFT_RUN_DRAW.is_set:
        session_keys.DRAFT_RUN_DRAW.set(secrets.randbelow(10**6) + 1)
    draw = session_keys.DRAFT_RUN_DRAW.get() if again else 0
    try:
        tag = format_cost(_estimate_run(ctx, draft, store, context, items, draw))
    except LusiferError as error:
        state.show_error(error)
        return
    action = "Write this profile" if context.batch else with_item_noun(f"Rate {len(items)} movies")
    if st.button(f"{action} ({tag})", icon=":material/science:", type="primary"):
        if again:
            session_keys.DRAFT_RUN_DRAW.pop()
        draft_copy = replace(draft)  # what is typed from here on is another question
        state.get_jobs().start(
            key,
            "Scratch run",
            lambda j: replace(_run_draft(j, ctx, draft_copy, store, context, items, draw), about=about),
            store=store,
        )
        st.rerun()
    done = runs_by_target.get(about, [])
    if done:
        _show_answers(done[-1], done[-2] if len(done) > 1 else None, ctx, user)


def _show_answers(new: DraftRun, old: DraftRun | None, ctx: PageContext, user: int) -> None:
    grid = st.grid(2 if old is not None else 1, min_column_width=380, gap="medium")
    for run, title in ((new, "New answer"), (old, "Previous answer")):
        if run is None:
            continue
        with grid.container():
            cost = format_money(run.usage["price"]) if not run.usage["unpriced"] else "price unknown"
            spent = f"{run.usage['tokens']:,.0f} tokens, {cost}" if run.usage["made"] else "cached"
            st.markdown(f"**{title}**: {escape_markdown(run.version)}, {escape_markdown(run.model)}")
            st.caption(f"{run.seconds:.1f} s, {spent}".replace("$", "\\$"))
            if run.update is not None:
                st.markdown(escape_markdown(run.update.explanation))
                other = (old if run is new else new) if old is not None else None
                against = other.update.profile if other is not None and other.update and run is new else run.before
                profile_view.show_profile(against, run.update.profile)
                st.caption(
                    "Highlighted: changes from "
                    + ("the previous answer." if against is not run.before else "the profile before this step.")
                )
            else:
                _show_ratings(run, ctx, user)


def _show_ratings(run: DraftRun, ctx: PageContext, user: int) -> None:
    true = item_picker.held_out_ratings(ctx, user)
    rows = [
        (i.title, r.expected, true.get(i.id), r.reason or r.failure)
        for i, r in zip(run.items, run.ratings, strict=True)
    ]
    movie = with_item_noun("Movie")
    data_tables.show_table(
        pd.DataFrame(rows, columns=[movie, "Expected", "Actual", "Reason"]),
        alt="Ratings of the draft run",
        column_config={
            movie: data_tables.title_column(movie, [row[0] for row in rows]),
            "Expected": st.column_config.NumberColumn(format="%.2f", width=74),
            "Actual": st.column_config.NumberColumn(format="%.3g", width=58),
            "Reason": st.column_config.TextColumn(width="large"),
        },
    )

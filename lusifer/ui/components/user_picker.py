"""Choosing a user: the field for an id, clicks that choose one, and links that keep the choices."""

from __future__ import annotations

import streamlit as st

from lusifer.errors import UnknownIdError
from lusifer.prompts import DEFAULT as DEFAULT_PROMPTS
from lusifer.simulator import BUILTIN
from lusifer.simulator.suggest import Suggestion
from lusifer.ui import session_keys, state
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.state import PageContext


def pick_user() -> int | None:
    """The field for a user id, bound to ``user`` in the address; ``None`` after saying what is wrong."""
    ctx = state.current_context()
    data = ctx.dataset
    session_keys.apply_request(session_keys.USER)  # by a click elsewhere on the page, before this field exists
    first = default_user(ctx)
    entered = st.number_input(
        "User ID",
        min_value=0,
        value=first,
        step=1,
        key=session_keys.USER,
        bind="query-params",
        on_change=reset_step,
        width=150,
    )
    try:
        return data.user(int(entered)).id
    except UnknownIdError as error:
        state.show_error(error)
        return None


def default_user(ctx: PageContext) -> int:
    """Whom a page opens on: of a recording a user whose preferences change, else the first of the dataset."""
    if ctx.recording is None:
        return int(ctx.dataset.user_ids[0])
    return next((s.user for s in suggested_users(ctx)), ctx.recording.users[0])


def suggested_users(ctx: PageContext) -> list[Suggestion]:
    """Good users for a demonstration, whom the chosen model can simulate."""
    suggestions = state.suggest_users(ctx.dataset, ctx.split)
    return [s for s in suggestions if ctx.recording is None or s.user in ctx.recording.users]


def is_recorded(ctx: PageContext, user: int) -> bool:
    """Whether the chosen model can simulate a user; else offers what can be done about it."""
    recording = ctx.recording
    if recording is None or user in recording.users:
        return True
    st.info(
        f"User {user} is not in the recording {escape_markdown(recording.name)}, which holds {len(recording.users)} "
        "users.",
        icon=":material/movie:",
    )
    nearest = min(recording.users, key=lambda other: abs(other - user))
    with st.container(horizontal=True):
        if st.button(f"Show user {nearest}, who is recorded", icon=":material/person_search:", type="primary"):
            select_user(nearest)
            st.rerun()
        if st.button("Use the built-in for this user", icon=":material/calculate:"):
            session_keys.request_value(session_keys.MODEL, BUILTIN)
            st.rerun()
    return False


def reset_step() -> None:
    """Back to the first step: another user was chosen."""
    session_keys.request_value(session_keys.STEP, 1)
    session_keys.PLAYING.set(False)


def select_user(user: int) -> None:
    """Choose a user from a click, for the next run."""
    session_keys.request_value(session_keys.USER, int(user))
    reset_step()


def link_parameters(user: int | None = None, step: int | None = None) -> dict[str, str]:
    """Query parameters that bring another page up with the same choices."""
    ctx = state.current_context()
    parts = {
        session_keys.DATASET: ctx.dataset.name,
        session_keys.SPLIT: ctx.split.name,
        session_keys.MODEL: ctx.model,
        session_keys.USER: "" if user is None else str(user),
        session_keys.PROMPTS: "" if ctx.prompts == DEFAULT_PROMPTS or ctx.is_free else ctx.prompts,
        session_keys.EVIDENCE: "true" if ctx.evidence else "",
        session_keys.STEP: "" if step is None else str(step),
    }
    return {name: value for name, value in parts.items() if value}

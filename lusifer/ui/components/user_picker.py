"""Choosing a user: the field for an id, clicks that choose one, and links that keep the choices."""

from __future__ import annotations

from collections.abc import Callable

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
    session_keys.apply_request(session_keys.USER)  # by a click elsewhere on the page, before this field exists
    try:
        return id_field("User ID", session_keys.USER, default_user(ctx), reset_step)
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


def id_field(label: str, key: str, user: int, on_change: Callable[[], None] | None = None) -> int:
    """A field for a user's id as the dataset's files have it: a whole number, or any text.

    Args:
        label: of the field.
        key: of the field, and its name in the address.
        user: who is chosen at first.
        on_change: called when another one is entered.

    Raises:
        UnknownIdError: the dataset has no such user.
    """
    data = state.current_context().dataset
    first = data.user_label(user)
    if key in st.session_state and isinstance(st.session_state[key], str) != isinstance(first, str):
        st.session_state[key] = first  # an id of another dataset
    entered: object
    if isinstance(first, str):
        entered = st.text_input(label, first, key=key, bind="query-params", on_change=on_change, width=150)
    else:
        entered = st.number_input(
            label, min_value=0, value=first, step=1, key=key, bind="query-params", on_change=on_change, width=150
        )
    return data.find_user(str(entered))


def reset_step() -> None:
    """Back to the first step: another user was chosen."""
    session_keys.request_value(session_keys.STEP, 1)
    session_keys.PLAYING.set(False)


def select_user(user: int) -> None:
    """Choose a user from a click, for the next run."""
    label = state.current_context().dataset.user_label(int(user))
    session_keys.request_value(session_keys.USER, label)
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
        session_keys.USER: "" if user is None else str(ctx.dataset.user_label(user)),
        session_keys.PROMPTS: "" if ctx.prompts == DEFAULT_PROMPTS or ctx.builtin else ctx.prompts,
        session_keys.STEP: "" if step is None else str(step),
    }
    return {name: value for name, value in parts.items() if value}

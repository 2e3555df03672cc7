"""Choosing a user: the field for an id, clicks that choose one, and links that keep the choices."""

from __future__ import annotations

import streamlit as st

from lusifer.errors import UnknownIdError
from lusifer.prompts import DEFAULT as DEFAULT_PROMPTS
from lusifer.ui import state


def pick_user() -> int | None:
    """The field for a user id, bound to ``user`` in the address; ``None`` after saying what is wrong."""
    data = state.current_context().dataset
    if "_user" in st.session_state:  # set by a click elsewhere on the page, before this field exists
        st.session_state["user"] = st.session_state.pop("_user")
    first = int(data.user_ids[0])
    entered = st.number_input(
        "User ID",
        min_value=0,
        value=first,
        step=1,
        key="user",
        bind="query-params",
        on_change=reset_step,
        width=150,
    )
    try:
        return data.user(int(entered)).id
    except UnknownIdError as error:
        state.show_error(error)
        return None


def reset_step() -> None:
    """Back to the first step: another user was chosen."""
    st.session_state["_step"] = 1
    st.session_state["playing"] = False


def select_user(user: int) -> None:
    """Choose a user from a click, for the next run."""
    st.session_state["_user"] = int(user)
    reset_step()


def link_parameters(user: int | None = None, step: int | None = None) -> dict[str, str]:
    """Query parameters that bring another page up with the same choices."""
    ctx = state.current_context()
    parts = {
        "dataset": ctx.dataset.name,
        "split": ctx.split.name,
        "model": ctx.model,
    }
    if user is not None:
        parts["user"] = str(user)
    if ctx.prompts != DEFAULT_PROMPTS and not ctx.builtin:
        parts["prompts"] = ctx.prompts
    if ctx.evidence:
        parts["evidence"] = "true"
    if step is not None:
        parts["step"] = str(step)
    return parts

"""Choosing a user: the field for an id, clicks that choose one, and links that keep the choices."""

from __future__ import annotations

import streamlit as st

from lusifer.errors import UnknownIdError
from lusifer.prompts import DEFAULT as DEFAULT_PROMPTS
from lusifer.ui import session_keys, state


def pick_user() -> int | None:
    """The field for a user id, bound to ``user`` in the address; ``None`` after saying what is wrong."""
    data = state.current_context().dataset
    session_keys.apply_request(session_keys.USER)  # by a click elsewhere on the page, before this field exists
    first = int(data.user_ids[0])
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
        session_keys.PROMPTS: "" if ctx.prompts == DEFAULT_PROMPTS or ctx.builtin else ctx.prompts,
        session_keys.EVIDENCE: "true" if ctx.evidence else "",
        session_keys.STEP: "" if step is None else str(step),
    }
    return {name: value for name, value in parts.items() if value}

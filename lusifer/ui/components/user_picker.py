"""Choosing a user: the field for an id, clicks that choose one, and links that keep the choices."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lusifer.errors import UnknownIdError
from lusifer.prompts import DEFAULT as DEFAULT_PROMPTS
from lusifer.ui import session_keys, state


def pick_user() -> int | None:
    """The field for a user id, bound to ``user`` in the address; ``None`` after saying what is wrong."""
    data = state.current_context().dataset
    session_keys.apply_request(session_keys.USER)  # by a click elsewhere on the page, before this field exists
    try:
        return id_field("User ID", session_keys.USER, int(data.user_ids[0]), reset_step)
    except UnknownIdError as error:
        state.show_error(error)
        return None


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
        session_keys.USER: "" if user is None else str(ctx.dataset.user_label(user)),
        session_keys.PROMPTS: "" if ctx.prompts == DEFAULT_PROMPTS or ctx.builtin else ctx.prompts,
        session_keys.EVIDENCE: "true" if ctx.evidence else "",
        session_keys.STEP: "" if step is None else str(step),
    }
    return {name: value for name, value in parts.items() if value}

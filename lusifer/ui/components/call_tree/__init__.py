"""A trace as a tree: run, user, step and call, with what each took. A custom component without an iframe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from lusifer.ui.components.own_component import build_component

__all__ = ["chosen_user", "show_call_tree"]
KEY = "call-tree"


@cache
def _component() -> ComponentRenderer:
    """The component; its files are read once."""
    return build_component(__file__)


def show_call_tree(described: Mapping[str, Any], on_call: Callable[[str], None]) -> None:
    """Draw the tree.

    Args:
        described: what `lusifer.ui.pages.llm_calls.tree_data` makes of a trace.
        on_call: called with the key of the call that a person chose, before the page runs again.
    """

    def tell_call() -> None:
        choice = _choice()
        call = choice.get("call")
        if choice.get("trace") == described["trace"] and isinstance(call, str) and call != described["selected"]:
            on_call(call)

    _component()(key=KEY, data=dict(described), on_choice_change=tell_call)


def chosen_user(trace: str, call: str) -> str:
    """The key of the user whom a person opened while a call of a trace was chosen; empty for none.

    It is what a browser sent, and may be of no user.
    """
    choice = _choice()
    user = choice.get("open")
    same = choice.get("trace") == trace and choice.get("call") == call
    return user if same and isinstance(user, str) else ""


def _choice() -> Mapping[str, Any]:
    """What the browser told last; nothing at first, or where it is not what the tree sends."""
    state = st.session_state.get(KEY)
    choice = state.get("choice") if isinstance(state, Mapping) else None
    return choice if isinstance(choice, Mapping) else {}

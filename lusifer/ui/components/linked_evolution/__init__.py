"""The linked view of an evolution: a timeline, movies with forecast and rating, changes, and the profile's statements.

A custom component without an iframe. All steps are sent at once, so that going from one to another asks the server for
nothing; it is told a moment later, for the address and what else the page shows of a step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from lusifer.ui.components.linked_evolution.evolution_data import describe_evolution
from lusifer.ui.components.own_component import build_component

__all__ = ["describe_evolution", "pinned_items", "show_linked_evolution"]
KEY = "linked-evolution"
SCRIPTS = ("elements.js", "step_view.js", "linked_evolution.js")


@cache
def _component() -> ComponentRenderer:
    """The component; its files are read once."""
    return build_component(__file__, SCRIPTS)


def show_linked_evolution(
    described: Mapping[str, Any],
    evolution: str,
    step: int,
    on_step: Callable[[int], None],
    calls: Sequence[Mapping[str, str]] = (),
) -> tuple[int, str] | None:
    """Draw the view.

    Args:
        described: from `describe_evolution`.
        evolution: names the evolution; another one starts at ``step`` with nothing pinned.
        step: the step to show, from 1.
        on_step: called with the step that a person chose in the view, before the page runs again.
        calls: for each step the addresses of the calls that wrote its texts, by purpose; empty where none did.

    Returns:
        Step and purpose of the call that a person asked for just now.
    """

    def tell_step() -> None:
        chosen = _choice().get("step")
        if type(chosen) is int and 1 <= chosen <= len(described["steps"]):
            on_step(chosen)

    told = _choice().get("told")
    result = _component()(
        key=KEY,
        data={
            **described,
            "evolution": evolution,
            "step": step,
            "told": told if type(told) is int else 0,
            "calls": [dict(addresses) for addresses in calls],
        },
        on_choice_change=tell_step,
        on_call_change=lambda: None,
    )
    number, _, purpose = str(getattr(result, "call", None) or "").partition("/")
    found = number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= len(calls)
    return (int(number), purpose) if found and purpose in calls[int(number) - 1] else None


def pinned_items() -> list[int]:
    """Ids of the movies that what a person pinned in the view rests on; empty for nothing pinned.

    They may be of another step or evolution than the page shows by now, and are what a browser sent.
    """
    items = _choice().get("items")
    return [i for i in items if type(i) is int] if isinstance(items, list) else []


def _choice() -> Mapping[str, Any]:
    """What the browser told last; nothing at first, or where it is not what the view sends."""
    state = st.session_state.get(KEY)
    choice = state.get("choice") if isinstance(state, Mapping) else None
    return choice if isinstance(choice, Mapping) else {}

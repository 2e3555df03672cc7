"""A story over the whole screen, one chapter at a time.

A custom component that holds the story's own page in a frame, which may run its script and reach nothing else. The
story goes from chapter to chapter by itself; the server is told a moment later, for the address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

import streamlit as st
from streamlit.components.v2.types import ComponentRenderer

from lusifer.ui.components.own_component import build_component

KEY = "presentation"


@cache
def _component() -> ComponentRenderer:
    """The component; its files are read once."""
    return build_component(__file__)


def show_presentation(
    page: str, title: str, on_chapter: Callable[[int], None], on_leave: Callable[[int], None]
) -> None:
    """Cover the screen with a story.

    Args:
        page: from `render_chapters` with ``present_from``; another one is shown from its own chapter on.
        title: names it for a screen reader.
        on_chapter: called with the chapter that a person went to, from 1, before the page runs again.
        on_leave: called with the chapter where a person left, before the page runs again.
    """

    def tell(name: str, listener: Callable[[int], None]) -> None:
        state = st.session_state.get(KEY)
        chapter = state.get(name) if isinstance(state, Mapping) else None
        if type(chapter) is int:  # what a browser sent
            listener(chapter)

    _component()(
        key=KEY,
        data={"page": page, "title": title},
        on_chapter_change=partial(tell, "chapter", on_chapter),
        on_leave_change=partial(tell, "leave", on_leave),
    )

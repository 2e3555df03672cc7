"""The version that is used unless somebody says otherwise, and the way back to the one before it."""

from __future__ import annotations

import streamlit as st

from lusifer import settings
from lusifer.errors import LusiferError
from lusifer.prompts import versions
from lusifer.prompts.versions import ACTIVE, PromptVersion
from lusifer.store import Store
from lusifer.ui import state
from lusifer.ui.formatting import escape_markdown


def version_title(version: PromptVersion) -> str:
    """What a version is called where people choose one: number, name and note, as plain text."""
    name = version.prompts.name
    if version.name == name:  # a shipped one
        return name
    return f"v{version.number} · {name}" + (f": {version.note[:60]}" if version.note else "")


def title_of(store: Store, name: str) -> str:
    """The title of a version by its exact name; the name itself where there is none."""
    try:
        return version_title(versions.save(store, versions.resolve(name, store)))
    except LusiferError:
        return name


def previous_active(store: Store) -> int | None:
    """The version that a rollback leads to; ``None`` where there is none."""
    moves = [m for m in store.list_label_moves(ACTIVE, 5) if m["before"] is not None]
    if not moves or moves[0]["before"] == store.list_prompt_labels().get(ACTIVE):
        return None
    return int(moves[0]["before"])


def show_active(store: Store) -> None:
    """The active version, and the button that rolls back to the one before it."""
    versions.ensure_shipped_versions(store)
    try:
        active = versions.get(store, store.list_prompt_labels()[ACTIVE])
        before = previous_active(store)
        previous = versions.get(store, before) if before is not None else None
    except LusiferError as error:
        state.show_error(error)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":primary-badge[:material/flag: Active: v{active.number}] "
            f"{escape_markdown(active.prompts.name)}"
            + (
                f" :small[{escape_markdown(active.note)}]" if active.note and active.name != active.prompts.name else ""
            ),
            width="content",
        )
        if previous is not None and not settings.is_public():
            shown = previous.prompts.name if previous.name == previous.prompts.name else previous.name
            if st.button(
                f"Roll back to {escape_markdown(shown)}",
                icon=":material/undo:",
                key="roll-active",
                help=f"Make v{previous.number} active again; v{active.number} stays in the list.",
            ):
                versions.rollback(store, ACTIVE)
                st.rerun()

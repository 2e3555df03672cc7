"""Thumbs and notes on single answers of a prompt comparison."""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st

from lusifer import settings
from lusifer.store import Store


class AnswerKey(NamedTuple):
    """Which answer of a run a note is on: a candidate's for a user's item, or (item 0) for a step of the profile."""

    run: str
    candidate: str
    user: int
    item: int
    step: int

    def field(self, name: str) -> str:
        """The key of a field of this note."""
        return "-".join(["note", *map(str, self), name])


def show_note(
    store: Store, run: dict[str, Any], candidate: dict[str, Any], *, user: int, item: int = 0, step: int = 0
) -> None:
    """Thumbs and a note on one answer, kept with the run; strangers give none."""
    if settings.is_public():
        return
    answer = AnswerKey(run["id"], candidate["name"], user, item, step)
    stored = {
        AnswerKey(run["id"], *(n[c] for c in ("candidate", "user_id", "item_id", "step"))): n
        for n in store.list_notes(run["id"])
    }
    note = stored.get(answer, {})
    thumb = {1: 1, -1: 0}.get(note.get("thumb") or 0)
    field = answer.field("thumb")
    with st.container(horizontal=True, vertical_alignment="center"):
        if field not in st.session_state and thumb is not None:
            st.session_state[field] = thumb
        st.feedback("thumbs", key=field, on_change=_save_note, args=(store, answer, candidate))
        st.text_input(
            "Note",
            note.get("note") or "",
            key=answer.field("text"),
            on_change=_save_note,
            args=(store, answer, candidate),
            max_chars=300,
            label_visibility="collapsed",
            placeholder="A note on this answer",
        )


def _save_note(store: Store, answer: AnswerKey, candidate: dict[str, Any]) -> None:
    """Keep what was just given; nothing is written while nobody changes anything."""
    thumb = st.session_state.get(answer.field("thumb"))
    store.save_note(
        {
            "run_id": answer.run,
            "candidate": answer.candidate,
            "user_id": answer.user,
            "item_id": answer.item,
            "step": answer.step,
            "prompt_version": candidate["prompt_version"],
            "model": candidate["spec"],
            "thumb": 0 if thumb is None else (1 if thumb else -1),
            "note": st.session_state.get(answer.field("text")) or "",
        }
    )

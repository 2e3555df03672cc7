"""Drafts of prompts: they survive a reload, begin as a version, and become one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import streamlit as st

from lusifer import prompts, settings
from lusifer.errors import LusiferError
from lusifer.prompts import PromptSet, versions
from lusifer.prompts.versions import PromptVersion
from lusifer.store import Store
from lusifer.ui import page_fields, page_state, session_keys, state
from lusifer.ui.components.closing_popover import close_popover, closing_popover
from lusifer.ui.pages.prompts import active_version
from lusifer.ui.state import PageContext

MAX_NOTE = 200
"""Characters of a note."""
DRAFTS_POPOVER = "drafts"


@dataclass
class Draft:
    """A set that is being edited.

    Attributes:
        id: its name in the store.
        base: the version that it began as.
        prompts: the set.
        revision: its revision in the store; 0 while it is not stored.
    """

    id: str
    base: int
    prompts: PromptSet
    revision: int = 0


def open_draft(store: Store, base: PromptVersion) -> Draft:
    """The draft of this tab: the one that the address names, else a fresh copy of a version."""
    draft = session_keys.PROMPT_DRAFT.get()
    requested = page_state.current().draft
    if draft is not None and requested in {"", draft.id}:
        return draft
    row = store.get_draft(requested) if requested and not settings.is_public() else None
    if row is not None:
        draft = Draft(
            requested, int(row["base"] or base.number), prompts.from_json(row["data"], draft=True), row["revision"]
        )
    else:
        if requested:
            st.warning(
                "The draft of this link no longer exists; this is a new copy.",
                icon=":material/draft:",
            )
        draft = start_draft(base)
    session_keys.PROMPT_DRAFT.set(draft)
    return draft


def start_draft(base: PromptVersion) -> Draft:
    """A new draft of a version, for this tab; whatever was edited before stays among the drafts."""
    draft = Draft(secrets.token_hex(8), base.number, base.prompts)
    session_keys.PROMPT_DRAFT.set(draft)
    page_state.settle("draft", "")
    return draft


def edit_suggestion(store: Store, base: PromptVersion, edited: PromptSet, reason: str) -> None:
    """Open the editor on a draft of a version with changes that are not saved; why, as its note."""
    draft = start_draft(base)
    save_draft(store, draft, edited)
    draft.prompts = edited
    st.session_state[_note_key(draft)] = reason[:MAX_NOTE]
    page_state.choose(prompts_view=page_fields.EDIT_PROMPT)


def save_draft(store: Store, draft: Draft, edited: PromptSet) -> None:
    """Store what was edited; where another tab has written to the draft meanwhile, as one of its own."""
    if (edited == draft.prompts and draft.revision) or settings.is_public():
        return  # a stranger's draft stays in their session
    if edited == draft.prompts == versions.get(store, draft.base).prompts:
        return
    draft_id, revision = store.save_draft(draft.id, draft.base, prompts.to_json(edited), draft.revision)
    if draft_id != draft.id:
        st.toast(
            "Another tab changed this draft. Your changes continue as a separate draft.",
            icon=":material/call_split:",
        )
    draft.id, draft.revision, draft.prompts = draft_id, revision, edited
    page_state.settle("draft", draft_id)


def pick_base(store: Store, ctx: PageContext) -> Draft:
    """Which version the draft begins as; choosing another one begins another draft."""
    exact = [n for n in versions.list_names(store) if n in prompts.SHIPPED or n.startswith("v")]
    labels = store.list_prompt_labels()
    listed = {_version_number(store, n): n for n in exact}
    first = versions.resolve("active", store) if ctx.builtin else ctx.prompt_set
    number = store.save_prompt(first.hash, first.name, prompts.to_json(first), None, "")
    draft = open_draft(store, versions.get(store, number))
    if draft.base not in listed:
        listed[draft.base] = f"v{draft.base}"
    numbers = list(listed)
    titles = {n: active_version.version_title(versions.get(store, n)) for n in numbers}

    def shown(n: int) -> str:
        named = [x for x, of in labels.items() if of == n]
        return f"{titles[n]} ({', '.join(named)})" if named else titles[n]

    base = st.selectbox(
        "Start from", numbers, index=numbers.index(draft.base), format_func=shown, key=f"lab-base-{draft.id}", width=300
    )
    if base is not None and base != draft.base:
        start_draft(versions.get(store, base))
        st.rerun()
    return draft


def _version_number(store: Store, name: str) -> int:
    if name.startswith("v"):
        return int(name[1:])
    prompt_set = prompts.load(name)
    return store.save_prompt(prompt_set.hash, prompt_set.name, prompts.to_json(prompt_set), None, "")


def show_drafts(store: Store) -> None:
    """Drafts that are kept, this tab's and others', to go on with."""
    drafts = [] if settings.is_public() else store.list_drafts()
    current = session_keys.PROMPT_DRAFT.get()
    others = [d for d in drafts if current is None or d["id"] != current.id]
    if not others:
        return
    with closing_popover(f"Drafts ({len(others)})", DRAFTS_POPOVER, icon=":material/draft:"):
        for row in others[:20]:
            when = row["updated_at"][:16].replace("T", " ")
            if st.button(f"{when}, from v{row['base']}", key=f"draft-{row['id']}", width="stretch"):
                session_keys.PROMPT_DRAFT.pop()
                page_state.choose(draft=row["id"])
                close_popover(DRAFTS_POPOVER)
                st.rerun()


def edit_name(draft: Draft) -> str:
    """The field for the name of the set; an empty one keeps the name that it has."""
    name = st.text_input("Name", draft.prompts.name, max_chars=40, key=f"lab-{draft.id}-name", width=190)
    return name.strip() or draft.prompts.name


def _note_key(draft: Draft) -> str:
    return f"lab-{draft.id}-note"


def show_save(store: Store, draft: Draft, sound: bool) -> None:
    """A note and the button that makes a version of the draft."""
    if settings.is_public():
        st.caption("Only the operator of this server can save versions; you can try your draft.")
        return
    base = versions.get(store, draft.base)
    same = draft.prompts == base.prompts
    note = st.text_input(
        "Note",
        key=_note_key(draft),
        max_chars=MAX_NOTE,
        placeholder="What you changed, and why",
        width="stretch",
    )
    if st.button(
        "Save as a version",
        icon=":material/save:",
        type="primary",
        disabled=same or not sound,
        help="No differences from the version that you started from." if same else None,
    ):
        try:
            prompts.check_parameters({"name": draft.prompts.name})
            version = versions.save(store, draft.prompts, draft.base, note)
        except LusiferError as error:
            state.show_error(error)
            return
        store.delete_draft(draft.id)
        start_draft(version)
        page_state.choose(prompts=version.name)
        session_keys.SAVED_VERSION.set(version.name)
        st.rerun()

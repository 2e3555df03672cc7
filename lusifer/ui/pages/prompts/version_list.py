"""The list of prompt versions: labels, differences, notes, files."""

from __future__ import annotations

import re

import pandas as pd
import streamlit as st

from lusifer import prompts, settings
from lusifer.errors import LusiferError
from lusifer.prompts import versions
from lusifer.prompts.versions import PromptVersion
from lusifer.store import Store
from lusifer.ui import page_fields, page_state, session_keys, state
from lusifer.ui.components import data_tables
from lusifer.ui.components.closing_popover import close_popover, closing_popover
from lusifer.ui.components.downloads import show_file_button
from lusifer.ui.components.uploads import read_upload
from lusifer.ui.formatting import escape_markdown
from lusifer.ui.pages.prompts import active_version, draft, prompt_editor

LABELS_POPOVER = "labels"


def show_versions(store: Store) -> None:
    """All versions, and what can be done with the chosen one."""
    versions.ensure_shipped_versions(store)
    rows, labels, scores = store.list_prompts(), store.list_prompt_labels(), store.count_thumbs()
    table = pd.DataFrame(
        [
            {
                "Version": f"v{r['number']}",
                "Name": r["name"],
                "Labels": ", ".join(x for x, n in labels.items() if n == r["number"]),
                "Note": r["note"] or "",
                "Created": pd.Timestamp(r["created_at"]),
                "From": f"v{r['parent']}" if r["parent"] else "",
                "Thumbs": _format_thumbs(scores, r["name"], r["hash"]),
                "Hash": r["hash"][:8],
            }
            for r in rows
        ]
    )
    numbers, requested = [r["number"] for r in rows], page_state.current().version
    is_there = re.fullmatch(r"v[0-9]{1,9}", requested) is not None and int(requested[1:]) in numbers
    number = int(requested[1:]) if is_there else numbers[0]
    if requested:
        page_state.settle("version", f"v{number}", f"There is no version {requested[:60]}; v{number} is shown.")
    st.caption(
        f"{len(rows)} versions, newest first. A version never changes; a label can move. Click a row to open it."
    )
    data_tables.pick_row(
        table,
        key="versions-table",
        chosen=numbers.index(number),
        on_pick=lambda row: page_state.choose(version=f"v{numbers[row]}"),
        height=min(35 * (len(rows) + 1) + 3, 320),
        alt="Prompt versions, newest first",
        column_config={
            "Version": st.column_config.TextColumn(width=65, pinned=True),
            "Created": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
            "Labels": st.column_config.TextColumn(width=120),
            "Note": st.column_config.TextColumn(width=330),
        },
    )
    try:
        version = versions.get(store, number)
    except LusiferError as error:
        state.show_error(error)
        return
    with st.container(border=True):
        st.subheader(f"v{number}: {escape_markdown(version.prompts.name)}", anchor=False)
        if version.note:
            st.caption(escape_markdown(version.note))
        _show_actions(store, version, labels)
        _show_differences(store, version, numbers)
    if not settings.is_public():
        _show_labels(store, labels, numbers)
        _import_version(store)


def _format_thumbs(scores: dict[str, tuple[int, int]], name: str, hash_: str) -> str:
    up, down = scores.get(f"{name}-{hash_[:8]}", (0, 0))
    return f"▲ {up}  ▼ {down}" if up or down else ""


def _show_actions(store: Store, version: PromptVersion, labels: dict[str, int]) -> None:
    with st.container(horizontal=True):
        if not settings.is_public():
            for label in versions.LABELS:
                if st.button(
                    f"Make {label}",
                    icon=":material/flag:",
                    disabled=labels.get(label) == version.number,
                    key=f"make-{label}",
                ):
                    versions.move_label(store, label, version.number)
                    st.rerun()
        if st.button("Edit a copy", icon=":material/edit:"):
            draft.start_draft(version)
            page_state.choose(prompts_view=page_fields.EDIT_PROMPT)
            st.rerun()
        show_file_button(
            "Export",
            prompts.to_json(version.prompts),
            f"{version.prompts.name}-v{version.number}.json",
            "application/json",
            help="One file; `--prompts FILE` takes it on the command line.",
        )


def _show_differences(store: Store, version: PromptVersion, numbers: list[int]) -> None:
    """What the newer of two versions has otherwise than the older one; by default the one that it was made from."""
    others = [n for n in numbers if n != version.number]
    if not others:
        return
    older = [n for n in others if n < version.number]
    default_other = version.parent if version.parent in others else (older or others)[0]
    other = st.selectbox(
        "Compare with",
        others,
        index=others.index(default_other),
        format_func=lambda n: active_version.version_title(versions.get(store, n)),
        key=f"diff-{version.number}",
        width=360,
    )
    if other is None:
        return
    before, after = sorted((versions.get(store, other), version), key=lambda v: v.number)
    differences = versions.diff(before.prompts, after.prompts)
    st.markdown(f"**v{before.number} → v{after.number}**" + ("" if differences else ": no differences"))
    changed = [d for d in differences if not d.lines]
    if changed:
        st.dataframe(
            pd.DataFrame(
                [(d.part, d.before, d.after) for d in changed],
                columns=["Parameter", f"v{before.number}", f"v{after.number}"],
            ),
            hide_index=True,
            alt="Parameters that differ",
        )
    for d in differences:
        if d.lines:
            st.caption(f"{prompt_editor.TEMPLATE_TITLES[d.part]}: − v{before.number}, + v{after.number}")
            st.code("\n".join(d.lines), language="diff", wrap_lines=True)


def _show_labels(store: Store, labels: dict[str, int], numbers: list[int]) -> None:
    with closing_popover("Labels", LABELS_POPOVER, icon=":material/label:"):
        for label, number in labels.items():
            moves = [m for m in store.list_label_moves(label, 5) if m["before"]]
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{label}**: v{number}" + (f" :small[before: v{moves[0]['before']}]" if moves else ""))
                if (
                    label != versions.ACTIVE  # its way back is at the top of the page
                    and moves
                    and moves[0]["before"] != number
                    and st.button("Roll back", icon=":material/undo:", key=f"roll-{label}")
                ):
                    versions.rollback(store, label)
                    st.rerun()
                if label not in versions.LABELS and st.button(
                    "Remove", icon=":material/delete:", key=f"unlabel-{label}"
                ):
                    store.move_label(label, None)
                    st.rerun()
        with st.form("new-label", clear_on_submit=True, border=False):
            label = st.text_input("Label to create or move", placeholder="stakeholder-demo")
            number = st.selectbox(
                "Version", numbers, format_func=lambda n: active_version.version_title(versions.get(store, n))
            )
            if st.form_submit_button("Set"):
                try:
                    versions.move_label(store, label.strip(), int(number or 0))
                except LusiferError as error:
                    state.show_error(error)
                else:
                    close_popover(LABELS_POPOVER)
                    st.rerun()


def _import_version(store: Store) -> None:
    file = st.file_uploader("Import a prompt file", type="json", key="prompt-file", max_upload_size=2)
    if file is None:
        return
    imported = session_keys.imported_version(file.file_id)
    if imported.is_set:
        st.success(f"Imported as {imported.get()}.")
        return
    try:
        version = versions.save(
            store,
            prompts.from_json(read_upload(file, prompts.MAX_FILE_BYTES).decode("utf-8", "replace")),
            None,
            f"Imported from {file.name[:60]}",
        )
    except LusiferError as error:
        state.show_error(error)
        return
    imported.set(version.name)
    st.rerun()

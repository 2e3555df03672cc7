"""Prompts: write versions, see what they would ask, try them, and hold them against each other."""

from dataclasses import replace

import streamlit as st

from lusifer import prompts
from lusifer.errors import LusiferError
from lusifer.ui import page_fields, page_state, session_keys, state
from lusifer.ui.components import item_picker, user_picker
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.prompts import (
    active_version,
    comparison_view,
    draft_run,
    prompt_editor,
    prompt_preview,
    suggestion_view,
    version_list,
)
from lusifer.ui.pages.prompts import draft as drafts

chosen, store = state.current_context(), state.open_store()
ctx = chosen.live

st.title("Prompts", icon=":material/edit_note:")
st.caption(
    "Change a sentence, see the rendered prompt, compare versions on the same users. Every version is kept: there is "
    "always a way back."
)
if store is None:
    st.info(
        "There is no database, so prompt versions can't be saved. The sidebar says why.", icon=":material/database_off:"
    )
    st.stop()
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    view = st.segmented_control(
        "View",
        page_fields.PROMPT_VIEWS,
        key=page_state.seed("prompts_view"),
        required=True,
        label_visibility="collapsed",
    )
    active_version.show_active(store)
if ctx.builtin and view in {page_fields.EDIT_PROMPT, page_fields.COMPARE_PROMPTS}:
    why = "The built-in ignores prompt wording" if chosen.builtin else "A recording answers its own prompts alone"
    st.info(
        f"{why}: you can write and save versions, but trying one needs a language model. Choose or connect one in the "
        "sidebar.",
        icon=":material/info:",
    )
try:
    if view == page_fields.COMPARE_PROMPTS:
        comparison_view.show_comparison(ctx, store)
        st.stop()
    if view == page_fields.SUGGEST_EDITS:
        suggestion_view.show_suggestions(ctx, store)
        st.stop()
    if view == page_fields.PROMPT_VERSIONS:
        version_list.show_versions(store)
        st.stop()
except LusiferError as error:
    state.show_error(error)
    st.stop()

saved = session_keys.SAVED_VERSION.pop()
if saved:
    st.success(
        f"Saved as {escape_markdown(saved)}. Compare it with another version under Compare, or make it active under "
        "Versions.",
        icon=":material/save:",
    )
with st.container(horizontal=True, vertical_alignment="bottom"):
    try:
        draft = drafts.pick_base(store, ctx)
    except LusiferError as error:
        state.show_error(error)
        st.stop()
    user = user_picker.pick_user()
    template = st.segmented_control(
        "Template",
        list(prompts.TEMPLATES),
        key=page_state.seed("template"),
        required=True,
    )
    drafts.show_drafts(store)
editor, parameters = st.container(), st.expander("Parameters", icon=":material/tune:")
save_row = st.container(horizontal=True, vertical_alignment="bottom")
status = st.container()
text = prompt_editor.edited_template(draft, template)
with parameters:
    edited = prompt_editor.edit_parameters(draft)
with save_row:
    edited = replace(edited, name=drafts.edit_name(draft)).with_template(template, text)
try:
    drafts.save_draft(store, draft, edited)
except LusiferError as error:
    state.show_error(error)
draft.prompts = edited
with status:
    draft_note = "Not saved as a version yet; the draft is kept." if draft.revision else "No unsaved changes."
    st.caption(f":material/draft: {draft_note}")

with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    heading = st.container(width="stretch")
    step = 1
    max_step = -(-draft.prompts.history // draft.prompts.batch_size)
    if template != "first" and max_step > 1:
        step = int(st.slider("Step", 1, max_step, min(2, max_step), key="lab-step", width=240))
try:
    preview, context, source, count = prompt_preview.build_preview(ctx, draft, user, template, step, store)
except LusiferError as error:
    with editor:
        prompt_editor.show_editor(draft, template, None)
    state.show_error(error)
    st.stop()
with editor:
    prompt_editor.show_editor(draft, template, preview)
with save_row:
    drafts.show_save(store, draft, not preview.mistakes)
with heading:
    user_text = escape_markdown(str(ctx.dataset.user_label(user)))
    st.subheader("Rendered prompt")
    st.caption(f"User {user_text}, step {min(step, count)}; the profile {escape_markdown(source)}")
if preview.mistakes:
    prompt_preview.show_mistakes(preview, template)
    st.stop()
prompt_preview.show_rendered_prompt(preview, template, store.tokens_per_character(ctx.model) or 0.25)
if not ctx.builtin:
    st.subheader("Try it", icon=":material/science:")
    if template in {"system", "repair"}:
        st.caption(with_item_noun("Tried on the ratings of ten movies. To try a profile, choose one of its templates."))
    draft_run.show_draft_run(ctx, draft, store, context, item_picker.items_to_predict(ctx, user), user, step)

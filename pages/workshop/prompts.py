"""Prompts: write versions, see what they would ask, try them, and hold them against each other."""

import streamlit as st

from lusifer import prompts
from lusifer.errors import LusiferError
from lusifer.ui import page_state, session_keys, state
from lusifer.ui.components import data_tables, item_picker, user_picker
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.prompts import comparison_view, draft_run, prompt_editor, prompt_preview, version_list
from lusifer.ui.pages.prompts import draft as drafts

chosen, store = state.current_context(), state.open_store()
ctx = chosen.live

st.title("Prompts", icon=":material/edit_note:")
st.caption(
    "Edit a prompt, see the rendered prompt, try it on one user and compare versions on the same users. Every "
    "version is kept."
)
if store is None:
    st.info(
        "There is no database, so prompt versions can't be saved. The sidebar says why.", icon=":material/database_off:"
    )
    st.stop()
view = st.segmented_control(
    "View",
    page_state.PROMPT_VIEWS,
    key=page_state.seed("prompts_view"),
    required=True,
    label_visibility="collapsed",
)
if ctx.builtin and view != page_state.PROMPT_VERSIONS:
    why = "The built-in ignores prompt wording" if chosen.builtin else "A recording answers its own prompts alone"
    st.info(
        f"{why}: you can write and save versions, but trying one needs a language model. Choose or connect one in the "
        "sidebar.",
        icon=":material/info:",
    )
try:
    if view == page_state.COMPARE_PROMPTS:
        comparison_view.show_comparison(ctx, store)
        st.stop()
    if view == page_state.PROMPT_VERSIONS:
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
with st.grid(2, min_column_width=420, gap="large"):
    left, right = st.container(), st.container()
with left:
    text = prompt_editor.edit_template(draft, template)
    with st.expander("Parameters", icon=":material/tune:"):
        edited = prompt_editor.edit_parameters(draft)
    edited = edited.with_template(template, text)
    try:
        drafts.save_draft(store, draft, edited)
    except LusiferError as error:
        state.show_error(error)
    draft.prompts = edited
    draft_note = "Not saved as a version yet; the draft is kept." if draft.revision else "No unsaved changes."
    st.caption(f":material/draft: {draft_note}")
with right:
    try:
        step = 1
        if template != "first":
            max_step = -(-draft.prompts.history // draft.prompts.batch_size)
            step = st.slider("Step", 1, max_step, min(2, max_step), key="lab-step") if max_step > 1 else 1
        preview, context, source, count = prompt_preview.build_preview(ctx, draft, user, template, int(step), store)
    except LusiferError as error:
        state.show_error(error)
        st.stop()
    tokens_per_character = store.tokens_per_character(ctx.model) or 0.25
    if preview.mistakes:
        prompt_preview.show_mistakes(preview)
    else:
        user_text = escape_markdown(str(ctx.dataset.user_label(user)))
        with st.container(border=True):
            st.markdown(
                f"**Rendered prompt** :small[user {user_text}, step {min(int(step), count)}; the profile "
                f"{escape_markdown(source)}]"
            )
            prompt_preview.show_rendered_prompt(preview, tokens_per_character)
with left:
    with st.expander("Variables and their values here", icon=":material/data_object:"):
        data_tables.show_table(prompt_preview.variable_table(preview, template), alt="Variables of this template")
    drafts.show_save(store, draft, not preview.mistakes)
if not ctx.builtin and not preview.mistakes:
    st.subheader("Try it", icon=":material/science:")
    if template in {"system", "repair"}:
        st.caption(with_item_noun("Tried on the ratings of ten movies. To try a profile, choose one of its templates."))
    draft_run.show_draft_run(ctx, draft, store, context, item_picker.items_to_predict(ctx, user), user, int(step))

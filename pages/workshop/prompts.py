"""Prompts: write versions, see what they would ask, try them, and hold them against each other."""

import streamlit as st

from lusifer import prompts
from lusifer.errors import LusiferError
from lusifer.ui import lab, parts, scratch, state, trials_views, versions_view
from lusifer.ui.text import literal, say

EDIT, COMPARE, VERSIONS = "Edit", "Compare", "Versions"
picked, store = state.chosen(), state.store()

st.title("Prompts", icon=":material/edit_note:")
st.caption(
    "Change a sentence, see what would be asked, try it on one user, compare it on the same users, and never lose a version that was better."
)
if store is None:
    st.info("There is no database, so no version can be kept. The sidebar says why.", icon=":material/database_off:")
    st.stop()
if "_lab-view" in st.session_state:
    st.session_state["view"] = st.session_state.pop("_lab-view")
view = st.segmented_control(
    "View",
    [EDIT, COMPARE, VERSIONS],
    default=EDIT,
    key="view",
    bind="query-params",
    required=True,
    label_visibility="collapsed",
)
if picked.builtin and view != VERSIONS:
    st.info(
        "The built-in ignores wording: you can write and save versions, but trying one needs a language model. Choose or connect one in the sidebar.",
        icon=":material/info:",
    )
try:
    if view == COMPARE:
        trials_views.compare(picked, store)
        st.stop()
    if view == VERSIONS:
        versions_view.listing(store)
        st.stop()
except LusiferError as error:
    state.show_error(error)
    st.stop()

if "_saved" in st.session_state:
    name = st.session_state.pop("_saved")
    st.success(
        f"Saved as {literal(name)}. Compare holds it against another one; Versions makes it active.",
        icon=":material/save:",
    )
with st.container(horizontal=True, vertical_alignment="bottom"):
    try:
        draft = lab.base_control(store, picked)
    except LusiferError as error:
        state.show_error(error)
        st.stop()
    user = parts.user_input()
    template = st.segmented_control(
        "Template", list(prompts.TEMPLATES), default="update", key="template", bind="query-params", required=True
    )
    lab.drafts_control(store)
if user is None:
    st.stop()
with st.grid(2, min_column_width=420, gap="large"):
    left, right = st.container(), st.container()
with left:
    text = lab.editor(draft, template)
    with st.expander("Parameters", icon=":material/tune:"):
        edited = lab.parameters(draft)
    edited = edited.shows(template, text)
    try:
        lab.keep(store, draft, edited)
    except LusiferError as error:
        state.show_error(error)
    draft.prompts = edited
    state_said = "Not saved as a version yet; the draft is kept." if draft.revision else "As it was saved."
    st.caption(f":material/draft: {state_said}")
with right:
    try:
        step = 1
        if template != "first":
            most = -(-draft.prompts.history // draft.prompts.batch_size)
            step = st.slider("Step", 1, most, min(2, most), key="lab-step") if most > 1 else 1
        found, context, whose, count = lab.look(picked, draft, user, template, int(step), store)
    except LusiferError as error:
        state.show_error(error)
        st.stop()
    rate_ = store.tokens_a_character(picked.model) or 0.25
    if found.mistakes:
        lab.mistakes(found)
    else:
        with st.container(border=True):
            st.markdown(
                f"**What would be asked** :small[user {user}, step {min(int(step), count)}; the profile {literal(whose)}]"
            )
            lab.questions_shown(found, rate_)
with left:
    with st.expander("Variables and their values here", icon=":material/data_object:"):
        st.dataframe(lab.shown_values(found, template), hide_index=True, alt="Variables of this template")
    lab.save_control(store, draft, not found.mistakes)
if not picked.builtin and not found.mistakes:
    st.subheader("Try it", icon=":material/science:")
    if template in {"system", "repair"}:
        st.caption(say("Tried with the ratings of ten movies. Choose the profile's template to try that."))
    scratch.control(picked, draft, store, context, lab.movies_of(picked, user), user, int(step))

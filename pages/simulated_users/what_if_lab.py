"""Hands on: edit a profile, change a history, or become a simulated user yourself."""

import streamlit as st

from lusifer.ui import page_fields, page_state, state
from lusifer.ui.components import user_picker
from lusifer.ui.pages.what_if_lab import local_user, profile_editor, what_if

ctx, store = state.current_context(), state.open_store()

st.title("What-if lab", icon=":material/touch_app:")
st.caption(
    "Do the ratings depend on the profile, and are the stated reasons the real ones? Change one thing and see what "
    "else changes."
)
view = st.segmented_control(
    "View",
    page_fields.LAB_VIEWS,
    key=page_state.seed("lab_view"),
    required=True,
    label_visibility="collapsed",
)
ctx = state.live_context(ctx)
if view == page_fields.YOU:
    if store is None:
        st.info(
            "There is no database, so your ratings can't be saved. The sidebar says why.",
            icon=":material/database_off:",
        )
        st.stop()
    state.draw_or_show_error(lambda: local_user.show_local_user(ctx, store))
    st.stop()
user = user_picker.pick_user()
if view == page_fields.WHAT_IF:
    state.draw_or_show_error(lambda: what_if.show_what_if(ctx, user))
else:
    state.draw_or_show_error(lambda: profile_editor.show_profile_editor(ctx, user))

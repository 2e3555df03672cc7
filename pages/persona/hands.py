"""Hands on: edit a profile, change a history, or become a simulated user yourself."""

import streamlit as st

from lusifer.ui import state
from lusifer.ui.components import user_picker
from lusifer.ui.pages.what_if_lab import local_user, profile_editor, what_if

EDIT, WHAT_IF, YOU = "Edit a profile", "What if", "You"
picked, store = state.chosen(), state.store()

st.title("Hands on", icon=":material/touch_app:")
st.caption(
    "Is the profile what the ratings rest on, and are the reasons the reasons? Change one thing and see what moves."
)
view = st.segmented_control(
    "View",
    [EDIT, WHAT_IF, YOU],
    default=EDIT,
    key="hands",
    bind="query-params",
    required=True,
    label_visibility="collapsed",
)
if view == YOU:
    if store is None:
        st.info(
            "There is no database, so your ratings could not be kept. The sidebar says why.",
            icon=":material/database_off:",
        )
        st.stop()
    state.guarded(lambda: local_user.draw(picked, store))
    st.stop()
user = user_picker.user_input()
if user is None:
    st.stop()
if view == WHAT_IF:
    state.guarded(lambda: what_if.what_if(picked, user))
else:
    state.guarded(lambda: profile_editor.edit_profile(picked, user))
